// Package grpclogs sends what grpc-go has to say to a program's log. By itself grpc-go writes its errors to stderr, past the log.
package grpclogs

import (
	"fmt"
	"log/slog"
	"os"
	"strings"

	"google.golang.org/grpc/grpclog"
)

// Take is for programs, at their start: grpc-go has one log for a whole process.
func Take(log *slog.Logger) { grpclog.SetLoggerV2(logger{log.With("library", "grpc")}) }

// logger implements grpclog.LoggerV2. What grpc-go calls errors are connections that failed, most often.
type logger struct{ log *slog.Logger }

var _ grpclog.LoggerV2 = logger{}

func line(args []any) string { return strings.TrimSpace(fmt.Sprintln(args...)) }

func (l logger) Info(args ...any)                    { l.log.Debug(line(args)) }
func (l logger) Infoln(args ...any)                  { l.log.Debug(line(args)) }
func (l logger) Infof(format string, args ...any)    { l.log.Debug(fmt.Sprintf(format, args...)) }
func (l logger) Warning(args ...any)                 { l.log.Debug(line(args)) }
func (l logger) Warningln(args ...any)               { l.log.Debug(line(args)) }
func (l logger) Warningf(format string, args ...any) { l.log.Debug(fmt.Sprintf(format, args...)) }
func (l logger) Error(args ...any)                   { l.log.Warn(line(args)) }
func (l logger) Errorln(args ...any)                 { l.log.Warn(line(args)) }
func (l logger) Errorf(format string, args ...any)   { l.log.Warn(fmt.Sprintf(format, args...)) }

// Fatal does as grpc-go expects: it calls it where it cannot go on.
func (l logger) Fatal(args ...any) {
	l.log.Error(line(args))
	os.Exit(1)
}
func (l logger) Fatalln(args ...any)               { l.Fatal(args...) }
func (l logger) Fatalf(format string, args ...any) { l.Fatal(fmt.Sprintf(format, args...)) }

// V tells whether verbose lines are wanted: none are.
func (logger) V(int) bool { return false }
