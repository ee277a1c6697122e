package commandline

import (
	"flag"

	"github.com/quoratedb/quorate/services/api"
	"github.com/quoratedb/quorate/services/quorate/config"
)

// RegisterAudit adds the flags of the log of who asked for what to a program that serves clients or NATS clients. They write to c.
func RegisterAudit(fs *flag.FlagSet, c *config.Config) { registerAudit(fs, &c.Audit) }

// registerAudit adds the flags of the log of who asked for what. They write to a.
func registerAudit(fs *flag.FlagSet, a *api.Audit) {
	fs.StringVar(&a.File, "audit-log", a.File, "File for a JSON line about each request, or stderr. Empty means no such log.")
	fs.StringVar(&a.Level, "audit-level", a.Level, "What is written: 'none' (only refusals), 'metadata', or 'request' (sizes and, with --audit-hmac-key-file, HMACs of values besides).")
	fs.StringVar(&a.PolicyFile, "audit-policy", a.PolicyFile, "YAML file with rules that choose the level by user, role, method and prefix. The first that matches counts, and --audit-level where none does.")
	fs.StringVar(&a.Mode, "audit-mode", a.Mode, "'blocking': no answer without its line, and no request is carried out whose line has no room. 'drop': no request waits, and lines may be lost, which is counted.")
	fs.BoolVar(&a.Sync, "audit-sync", a.Sync, "Sync the file before each answer.")
	fs.StringVar(&a.HMACKeyFile, "audit-hmac-key-file", a.HMACKeyFile, "File with a secret of 16 bytes or more, equal on all nodes: lines at level request have HMACs of values, by which equal ones are known.")
	fs.Int64Var(&a.RotateBytes, "audit-rotate-bytes", a.RotateBytes, "Begin another file when one is as large, and put the time behind the old one's name, as at every SIGHUP. 0 means only at SIGHUP.")
}
