package flagset_test

import (
	"flag"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/pkg/flagset"
)

// sample has a flag of every kind.
type sample struct {
	flags    *flag.FlagSet
	name     string
	cert     string
	outputs  []string
	auth     bool
	interval time.Duration
	beat     time.Duration
	streams  uint32
	quota    int64
	entries  uint64
}

func newSample() *sample {
	s := &sample{flags: flag.NewFlagSet("sample", flag.ContinueOnError), outputs: []string{"default"}, beat: 100 * time.Millisecond}
	s.flags.SetOutput(io.Discard)
	s.flags.StringVar(&s.name, "name", "default", "a name")
	s.flags.StringVar(&s.cert, "cert-file", "", "a file")
	s.flags.Var(flagset.ListOf(&s.outputs), "log-outputs", "a list")
	s.flags.BoolVar(&s.auth, "client-cert-auth", false, "a switch")
	s.flags.DurationVar(&s.interval, "interval", 0, "a duration")
	s.flags.Var(flagset.MillisecondsOf(&s.beat), "heartbeat-interval", "milliseconds")
	s.flags.Var(flagset.Uint32Of(&s.streams), "streams", "a small number")
	s.flags.Int64Var(&s.quota, "quota", 0, "bytes")
	s.flags.Uint64Var(&s.entries, "entries", 0, "entries")
	return s
}

// Goal: variables set flags, the first prefix wins, and names that mean nothing are reported.
// Method: one environment with each case, then look at the flags and the report.
func TestFromEnvironment(t *testing.T) {
	s := newSample()
	found, err := flagset.FromEnvironment(s.flags, []string{
		"ETCD_NAME=e", "QUORATE_NAME=q", "ETCD_LOG_OUTPUTS=stderr, x.log,,stderr", "ETCD_HEARTBEAT_INTERVAL=50",
		"ETCD_CERT_FILE=", "ETCD_NAMES=x", "QUORATE_SERVICE_HOST=10.0.0.1", "ETCDCTL_API=3", "HOME=/root",
	}, "QUORATE", "ETCD")
	require.NoError(t, err)
	require.Equal(t, "q", s.name)
	require.Equal(t, []string{"stderr", "x.log"}, s.outputs)
	require.Equal(t, 50*time.Millisecond, s.beat)
	require.Equal(t, flagset.Environment{
		Used:     []string{"ETCD_HEARTBEAT_INTERVAL", "ETCD_LOG_OUTPUTS", "QUORATE_NAME"},
		Shadowed: []string{"ETCD_NAME"},
		Unknown:  []string{"ETCD_NAMES", "QUORATE_SERVICE_HOST"},
	}, found)
}

// Goal: defaults by variables give way to all else, and are no mistake beside it. Method: flags that a command line, a variable or nothing has set.
func TestFromDefaults(t *testing.T) {
	s := newSample()
	require.NoError(t, s.flags.Parse([]string{"-cert-file", "c"}))
	environ := []string{"ETCD_NAME=e", "DEFAULT_NAME=d", "DEFAULT_CERT_FILE=d", "DEFAULT_QUOTA=7", "DEFAULT_NAMES=x"}
	_, err := flagset.FromEnvironment(s.flags, environ, "ETCD")
	require.NoError(t, err)
	found, err := flagset.FromDefaults(s.flags, environ, "DEFAULT")
	require.NoError(t, err)
	require.Equal(t, []any{"e", "c", int64(7)}, []any{s.name, s.cert, s.quota})
	require.Equal(t, flagset.Environment{Used: []string{"DEFAULT_QUOTA"}, Unknown: []string{"DEFAULT_NAMES"}}, found)
}

// Goal: every refused variable is in the error, not only the first. Method: one flag also on the command line, two
// values that do not parse, and one good variable that must still take effect.
func TestFromEnvironmentReportsEveryProblem(t *testing.T) {
	s := newSample()
	require.NoError(t, s.flags.Parse([]string{"-name", "n"}))
	_, err := flagset.FromEnvironment(s.flags, []string{"ETCD_NAME=e", "ETCD_STREAMS=-1", "ETCD_INTERVAL=soon", "ETCD_QUOTA=7"}, "QUORATE", "ETCD")
	require.ErrorContains(t, err, "ETCD_NAME is set, and --name too")
	require.ErrorContains(t, err, `invalid value "-1" for ETCD_STREAMS`)
	require.ErrorContains(t, err, `invalid value "soon" for ETCD_INTERVAL`)
	require.Equal(t, "n", s.name)
	require.Equal(t, int64(7), s.quota)
}

var sections = flagset.Sections{"client-transport-security": {"cert-file": "cert-file", "client-cert-auth": "client-cert-auth"}}

// Goal: each form of a YAML value reaches its flag. Method: one file with them all.
func TestFromYAML(t *testing.T) {
	s := newSample()
	require.NoError(t, flagset.FromYAML(s.flags, []byte(`
# a comment
name: 'a'
log-outputs: [stderr, x.log]
interval: 600000000000
heartbeat-interval: 50
streams: 7
quota: 1073741824
client-transport-security:
  cert-file: s.crt
  client-cert-auth: yes
`), sections))
	require.Equal(t, "a", s.name)
	require.Equal(t, []string{"stderr", "x.log"}, s.outputs)
	require.Equal(t, 10*time.Minute, s.interval, "a number is nanoseconds")
	require.Equal(t, 50*time.Millisecond, s.beat)
	require.Equal(t, uint32(7), s.streams)
	require.Equal(t, int64(1<<30), s.quota)
	require.Equal(t, "s.crt", s.cert)
	require.True(t, s.auth)
}

// Goal: whole numbers may be written as templates write large ones, with an exponent or a fraction of nothing; what takes a text
// gets it as it stands, and a number that is not whole is refused. Method: each kind of flag with such a number, as etcd reads it.
func TestFromYAMLTakesNumbersWithExponents(t *testing.T) {
	s := newSample()
	require.NoError(t, flagset.FromYAML(s.flags, []byte(`
name: 1e5
quota: 8.589934592e+09
interval: 6e+11
heartbeat-interval: 1.5e2
streams: 7.0
`), sections))
	require.Equal(t, "1e5", s.name)
	require.Equal(t, int64(8<<30), s.quota)
	require.Equal(t, 10*time.Minute, s.interval, "a number is nanoseconds")
	require.Equal(t, 150*time.Millisecond, s.beat)
	require.Equal(t, uint32(7), s.streams)
	for _, document := range []string{"quota: 1.5", "quota: 1e30", "quota: .inf", "quota: .nan", "interval: 0.5", "streams: 1e10", "heartbeat-interval: -1.0"} {
		require.ErrorContains(t, flagset.FromYAML(s.flags, []byte(document), sections), "line 1: invalid value", document)
	}
}

// Goal: the shapes that set nothing are accepted. Method: files with empty values, sections and documents, and JSON.
func TestFromYAMLWithoutValues(t *testing.T) {
	for _, document := range []string{"", "# nothing", "name:\nclient-transport-security:\n", "{}"} {
		s := newSample()
		require.NoError(t, flagset.FromYAML(s.flags, []byte(document), sections), document)
		require.Equal(t, "default", s.name)
	}
	s := newSample()
	require.NoError(t, flagset.FromYAML(s.flags, []byte(`{"name": "j", "interval": "10m"}`), sections))
	require.Equal(t, "j", s.name)
	require.Equal(t, 10*time.Minute, s.interval)
}

// Goal: what is wrong in a file is named with its line, all of it at once. Method: a file with every mistake.
func TestFromYAMLReportsEveryProblem(t *testing.T) {
	s := newSample()
	err := flagset.FromYAML(s.flags, []byte(strings.TrimSpace(`
nosuch: 1
name: a
name: b
streams: many
quota: {a: b}
log-outputs: [[a]]
client-transport-security: {cert: x, cert-file: s.crt}
`)), sections)
	for _, want := range []string{
		`line 1: unknown key "nosuch"`,
		`line 3: key "name" is given twice`,
		`line 4: invalid value "many" for streams`,
		`line 5: invalid value "" for quota: a plain value or a list is wanted`,
		`line 6: invalid value "" for log-outputs: a list may hold plain values only`,
		`line 7: unknown key "cert" in client-transport-security`,
	} {
		require.ErrorContains(t, err, want)
	}
	require.Equal(t, "s.crt", s.cert)
	require.ErrorContains(t, flagset.FromYAML(s.flags, []byte("[a, b]"), sections), "must be a mapping")
	require.Error(t, flagset.FromYAML(s.flags, []byte("a: [b"), sections))
}

// Goal: a value of the wrong kind is refused with what is wanted, from wherever it came, and all else is as before.
// Method: explain a flag of each kind, set it wrongly by command line, environment and file, then rightly.
func TestExplain(t *testing.T) {
	explained := func() *sample {
		s := newSample()
		flagset.Explain(s.flags)
		return s
	}
	for flagName, wanted := range map[string]string{
		"client-cert-auth": "true or false is wanted",
		"interval":         "a duration such as 10m or 1h30m is wanted",
		"quota":            "a whole number is wanted",
		"entries":          "a whole number from 0 on is wanted",
	} {
		require.ErrorContains(t, explained().flags.Parse([]string{"--" + flagName + "=-x"}), wanted)
		_, err := flagset.FromEnvironment(explained().flags, []string{"ETCD_" + strings.ToUpper(strings.ReplaceAll(flagName, "-", "_")) + "=-x"}, "ETCD")
		require.ErrorContains(t, err, wanted)
		require.ErrorContains(t, flagset.FromYAML(explained().flags, []byte(flagName+": -x"), nil), "line 1: invalid value \"-x\" for "+flagName+": "+wanted)
	}
	s := explained()
	require.ErrorContains(t, s.flags.Parse([]string{"--quota=9223372036854775808"}), "value out of range")
	require.NoError(t, s.flags.Parse([]string{"--client-cert-auth", "--quota=-7", "--interval=5s", "--name=x"}))
	require.True(t, s.auth)
	require.Equal(t, int64(-7), s.quota)
	require.Equal(t, 5*time.Second, s.interval)
	require.NoError(t, flagset.FromYAML(s.flags, []byte("interval: 6e+11\nclient-cert-auth: off"), nil))
	require.Equal(t, 10*time.Minute, s.interval)
	require.False(t, s.auth)
}

// Goal: values refuse what they cannot hold and leave the old value. Method: set each to something wrong.
func TestValuesRefuse(t *testing.T) {
	s := newSample()
	require.Error(t, s.flags.Set("heartbeat-interval", "100ms"))
	require.Error(t, s.flags.Set("heartbeat-interval", "18446744073709551615"))
	require.Error(t, s.flags.Set("streams", "4294967296"))
	require.Equal(t, 100*time.Millisecond, s.beat)
	require.NoError(t, s.flags.Set("streams", "4294967295"))
	require.NoError(t, s.flags.Set("log-outputs", ""))
	require.Empty(t, s.outputs)
}

// Goal: usage shows each group with its flags and their defaults. Method: two groups, compare the whole text.
func TestWriteUsage(t *testing.T) {
	fs := flag.NewFlagSet("usage", flag.ContinueOnError)
	first := flagset.NewGroup("Member", fs, func(fs *flag.FlagSet) {
		fs.String("name", "default", "A name.")
		fs.Bool("auto", false, strings.Repeat("Word ", 20)+"end. And more.")
	})
	second := flagset.NewGroup("Logging", fs, func(fs *flag.FlagSet) { fs.String("a-name-that-is-longer-than-its-column", "info", "A level.") })
	var out strings.Builder
	require.NoError(t, flagset.WriteUsage(&out, fs, first, second))
	require.Equal(t, `
Member:
  --auto                          Word Word Word Word Word Word Word Word Word Word Word Word Word
                                  Word Word Word Word Word Word Word end. And more.
  --name                          A name [default]

Logging:
  --a-name-that-is-longer-than-its-column
                                  A level [info]
`, out.String())
	out.Reset()
	require.NoError(t, flagset.WriteShort(&out, fs, first))
	require.Equal(t, `
Member:
  --auto                          Word Word Word Word Word Word Word Word Word Word Word Word Word
                                  Word Word Word Word Word Word Word end.
  --name                          A name [default]
`, out.String())
}

// Goal: no document can make FromYAML panic. Method: fuzz it.
func FuzzFromYAML(f *testing.F) {
	f.Add([]byte("name: a\nlog-outputs: [a, b]\nclient-transport-security: {cert-file: x}\n"))
	f.Add([]byte("a: &x {b: *x}\n*x : 1\n"))
	f.Fuzz(func(_ *testing.T, document []byte) {
		_ = flagset.FromYAML(newSample().flags, document, sections)
	})
}
