package logging

import (
	"log"
	"log/slog"
	"os"
	"strings"
)

// TakeStandard has what libraries log by themselves, over packages slog and log, go to the logger. Where GODEBUG asks net/http for
// its debugging of HTTP/2, the lines of package log stay as they are: who reads those, etcd's test suite too, looks for them
// and not for JSON around them.
func TakeStandard(logger *slog.Logger) {
	writer, flags := log.Writer(), log.Flags()
	slog.SetDefault(logger)
	if strings.Contains(os.Getenv("GODEBUG"), "http2debug=") {
		log.SetOutput(writer)
		log.SetFlags(flags)
	}
}
