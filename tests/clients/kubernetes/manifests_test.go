package kubernetes

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/tests/harness"
)

// layouts are the ways to run on Kubernetes.
var layouts = []string{"members", "apart"}

// dryRun are the arguments with which an API server says what it thinks of objects, and keeps none.
var dryRun = []string{"apply", "--server-side", "--dry-run=server", "--validate=strict", "--namespace=quorate"}

func kustomization(layout string) string {
	return filepath.Join(harness.Root(), "deploy", "kubernetes", layout)
}

// Goal: an API server takes every manifest of deploy as it is, in a namespace that lets in no pod with more rights than it needs; and refuses what is
// wrong, so that its word counts. Method: a server-side dry run of each kustomization, whose objects are counted; then of the same objects with one thing
// changed at a time.
func TestManifests(t *testing.T) {
	c := start(t)
	c.do(t, "create", "namespace", "quorate")
	c.do(t, "label", "namespace", "quorate", "pod-security.kubernetes.io/enforce=restricted", "pod-security.kubernetes.io/warn=restricted")
	for _, layout := range layouts {
		t.Run(layout, func(t *testing.T) {
			objects := strings.Count("\n"+strings.Join(c.do(t, "kustomize", kustomization(layout)), "\n"), "\nkind: ")
			require.Greater(t, objects, 8)
			answers := c.do(t, append(dryRun, "--kustomize", kustomization(layout))...)
			require.Len(t, answers, objects)
			for _, answer := range answers {
				require.Regexp(t, ` serverside-applied \(server dry run\)$`, answer)
			}
			require.Equal(t, []string{"No resources found in quorate namespace."}, c.do(t, "get", "statefulsets", "--namespace=quorate"))
		})
	}
	members := strings.Join(c.do(t, "kustomize", kustomization("members")), "\n")
	for name, wrong := range map[string]struct{ old, new, says string }{
		"a field that is not there":   {"minReadySeconds: ", "minReadySecond: ", `minReadySecond.*field not declared in schema|unknown field.*minReadySecond`},
		"a port beyond all":           {"containerPort: 2380", "containerPort: 238000", `containerPort: Invalid value: 238000`},
		"a probe of no port":          {"path: /livez\n            port: metrics", "path: /livez\n            port: metrics!", `port: Invalid value: "metrics!"`},
		"a selector of other pods":    {"        app.kubernetes.io/name: quorate\n", "        app.kubernetes.io/name: other\n", `selector. does not match template .labels`},
		"a volume that is not there":  {"mountPath: /data\n          name: data", "mountPath: /data\n          name: date", `volumeMounts\[\d\].name: Not found: "date"`},
		"a pod with rights":           {"runAsNonRoot: true", "runAsNonRoot: false", `would violate PodSecurity "restricted:latest": runAsNonRoot`},
		"a monitor of another type":   {"endpoints:\n  - interval: 15s", "endpoints:\n  - interval: often", `endpoints\[0\].interval`},
		"a certificate of no secret":  {"  secretName: quorate-certificates\n  usages:", "  usages:", `spec.secretName: Required value`},
		"a key of no known algorithm": {"algorithm: ECDSA", "algorithm: ROT13", `algorithm: Unsupported value: "ROT13"`},
	} {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, members, wrong.old)
			said, err := c.kubectl(t.Context(), strings.Replace(members, wrong.old, wrong.new, 1), append(dryRun, "--filename=-")...)
			// A pod's rights are looked at when it is made: of what makes it there is a warning.
			require.True(t, err != nil || strings.Contains(said, "Warning: "), said)
			require.Regexp(t, regexp.MustCompile(wrong.says), said)
		})
	}
}
