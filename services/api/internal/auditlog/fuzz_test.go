package auditlog

import "testing"

// FuzzPolicy: whatever a policy has, reading it ends, and what was read can be asked about any method.
func FuzzPolicy(f *testing.F) {
	f.Add([]byte("rules:\n- user: [ann, bob]\n  method: KV/*\n  prefix: /a\n  level: request\n- level: metadata\n"), "ann", "/a/b")
	f.Add([]byte("rules:\n- method: '[a-'\n  level: none\n"), "", "")
	f.Add([]byte("rules: &r\n- *r\n"), "", "")
	f.Add([]byte("rules:\n- level: {}\n  role: []\n"), "x", "y")
	f.Fuzz(func(_ *testing.T, text []byte, user, key string) {
		policy, err := ParsePolicy(text)
		if err != nil {
			return
		}
		for _, method := range knownMethods() {
			policy.level(&subject{user: user, roles: func() []string { return []string{user} }, method: method, spans: []span{{key: []byte(key)}}})
		}
	})
}
