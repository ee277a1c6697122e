package interceptor

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/errdefs"
)

// Every sentinel of package errdefs must be known here, by its own name. Read that package's source.
func TestEverySentinelIsKnown(t *testing.T) {
	declared := map[string]bool{}
	file, err := parser.ParseFile(token.NewFileSet(), "../../errdefs/errdefs.go", nil, 0)
	require.NoError(t, err)
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok {
			for _, name := range spec.Names {
				declared[snake(strings.TrimPrefix(name.Name, "Err"))] = true
			}
		}
		return true
	})
	reasons := map[string]bool{}
	for _, r := range wireErrors {
		reasons[r.reason] = true
	}
	require.Equal(t, declared, reasons)
	require.Len(t, wireErrors, len(reasons))
}

func snake(name string) string {
	name = regexp.MustCompile(`([A-Z]+)([A-Z][a-z])`).ReplaceAllString(name, "${1}_$2")
	return strings.ToLower(regexp.MustCompile(`([a-z])([A-Z])`).ReplaceAllString(name, "${1}_$2"))
}

// What a service returns must be matched by what its caller gets, and by no other sentinel. Send each through both
// translations.
func TestTranslation(t *testing.T) {
	for _, r := range wireErrors {
		got := fromWire(toWire(fmt.Errorf("doing something: %w", r.sentinel)))
		require.ErrorIs(t, got, r.sentinel)
		require.EqualError(t, got, "doing something: "+r.sentinel.Error())
		require.Equal(t, r.code, connect.CodeOf(got))
		for _, other := range wireErrors {
			require.Equal(t, other.sentinel == r.sentinel, errors.Is(got, other.sentinel), "%s as %s", r.reason, other.reason)
		}
	}
	for _, ended := range []error{context.Canceled, context.DeadlineExceeded} {
		require.ErrorIs(t, fromWire(toWire(fmt.Errorf("waiting: %w", ended))), ended)
	}
	require.NoError(t, fromWire(toWire(nil)))
	require.Equal(t, connect.CodeUnknown, connect.CodeOf(toWire(errors.New("unheard of"))))
	require.ErrorIs(t, fromWire(connect.NewError(connect.CodeUnavailable, errors.New("refused"))), errdefs.ErrLeaderChanged)
}

// A Connect error must pass as it is: what validation refuses has its own code. Translate one.
func TestConnectErrorsPass(t *testing.T) {
	invalid := connect.NewError(connect.CodeInvalidArgument, errors.New("no key"))
	require.Same(t, invalid, toWire(invalid))
	require.Same(t, invalid, fromWire(invalid))
}
