package shell

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"go.etcd.io/etcd/client/pkg/v3/logutil"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/grpclog"
	"google.golang.org/grpc/status"
)

// reasons remembers why the client library's last attempt failed. The library tells its log alone: a request that runs out
// of time ends in "context deadline exceeded" whether nobody listens, the certificate is wrong or the store is slow.
type reasons struct {
	mu struct {
		sync.Mutex
		last string
	}
}

func (r *reasons) note(entry zapcore.Entry, fields []zapcore.Field) {
	for _, field := range fields {
		err, ok := field.Interface.(error)
		if field.Key != "error" || !ok || entry.Level < zapcore.WarnLevel {
			continue
		}
		r.mu.Lock()
		r.mu.last = err.Error()
		r.mu.Unlock()
	}
}

func (r *reasons) last() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mu.last
}

// reasonCore is a log that is only listened to for reasons.
type reasonCore struct {
	zapcore.LevelEnabler
	reasons *reasons
}

func (c reasonCore) With([]zapcore.Field) zapcore.Core { return c }
func (c reasonCore) Sync() error                       { return nil }
func (c reasonCore) Check(entry zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	return checked.AddCore(entry, c)
}

func (c reasonCore) Write(entry zapcore.Entry, fields []zapcore.Field) error {
	c.reasons.note(entry, fields)
	return nil
}

// logger is what the client library logs to: with debug the standard error, too.
func (r *reasons) logger(debug bool) (*zap.Logger, error) {
	core := zapcore.Core(reasonCore{LevelEnabler: zapcore.WarnLevel, reasons: r})
	if debug {
		written, err := logutil.CreateDefaultZapLogger(clientv3.ClientLogLevel())
		if err != nil {
			return nil, err
		}
		core = zapcore.NewTee(core, written.Core())
	}
	return zap.New(core).Named("etcd-client"), nil
}

// explain adds to an error that says nothing but that time ran out, or that nobody was reached, what the last attempt failed for.
func (r *reasons) explain(err error, endpoints []string) error {
	code := status.Code(err)
	silent := errors.Is(err, context.DeadlineExceeded) || code == codes.DeadlineExceeded || code == codes.Unavailable
	last := r.last()
	if !silent || last == "" {
		return err
	}
	if i := strings.LastIndex(last, "desc = "); i >= 0 {
		last = strings.Trim(last[i+len("desc = "):], `"`)
	}
	return &explained{error: err, hint: fmt.Sprintf("the last attempt at %s: %s", strings.Join(endpoints, ", "), last)}
}

// explained is an error with what is known of its reason, for a line of its own: scripts know the error's text.
type explained struct {
	error
	hint string
}

func (e *explained) Unwrap() error { return e.error }

// logLibraries has gRPC log its errors, or with --debug everything.
func logLibraries(debug bool, w io.Writer) {
	if debug {
		grpclog.SetLoggerV2(grpclog.NewLoggerV2WithVerbosity(w, w, w, 4))
		return
	}
	grpclog.SetLoggerV2(grpclog.NewLoggerV2(io.Discard, io.Discard, w))
}
