package node

import (
	"context"

	"github.com/quoratedb/quorate/services/api"
)

// Audit opens the log of who asked for what, as the settings have it, and runs it before what is started after the call, and longer. It is nil
// where there is none.
func (n *Node) Audit() (*api.AuditLog, error) {
	c := n.Settings.Config.Audit
	c.Logger, c.Registerer = n.Logger, n.Metrics
	opened, err := api.OpenAudit(c)
	if opened == nil || err != nil {
		return nil, err
	}
	n.OnClose(opened.Close)
	n.Start("audit log", func(ctx context.Context) error { opened.Run(ctx); return nil }, nil)
	return opened, nil
}
