package commandline

import "github.com/quoratedb/quorate/pkg/flagset"

// FileSections are the nested parts of etcd's YAML file.
var FileSections = flagset.Sections{
	"client-transport-security": {
		"cert-file":        "cert-file",
		"key-file":         "key-file",
		"client-cert-file": "client-cert-file",
		"client-key-file":  "client-key-file",
		"client-cert-auth": "client-cert-auth",
		"trusted-ca-file":  "trusted-ca-file",
		"auto-tls":         "auto-tls",
		"allowed-cn":       "client-cert-allowed-cn",
		"allowed-hostname": "client-cert-allowed-hostname",
		// etcd has the key for both sections, and compares members' certificates alone with addresses.
		"skip-client-san-verification": "",
	},
	"peer-transport-security": {
		"cert-file":                    "peer-cert-file",
		"key-file":                     "peer-key-file",
		"client-cert-file":             "peer-client-cert-file",
		"client-key-file":              "peer-client-key-file",
		"client-cert-auth":             "peer-client-cert-auth",
		"trusted-ca-file":              "peer-trusted-ca-file",
		"auto-tls":                     "peer-auto-tls",
		"allowed-cn":                   "peer-cert-allowed-cn",
		"allowed-hostname":             "peer-cert-allowed-hostname",
		"skip-client-san-verification": "peer-skip-client-san-verification",
	},
	"discovery-config": {
		"token":                                  "discovery-token",
		"client.endpoints":                       "discovery-endpoints",
		"client.dial-timeout":                    "discovery-dial-timeout",
		"client.request-timeout":                 "discovery-request-timeout",
		"client.keepalive-time":                  "discovery-keepalive-time",
		"client.keepalive-timeout":               "discovery-keepalive-timeout",
		"client.secure.insecure-transport":       "discovery-insecure-transport",
		"client.secure.insecure-skip-tls-verify": "discovery-insecure-skip-tls-verify",
		"client.secure.cert":                     "discovery-cert",
		"client.secure.key":                      "discovery-key",
		"client.secure.cacert":                   "discovery-cacert",
		"client.auth.username":                   "discovery-user",
		"client.auth.password":                   "discovery-password",
	},
	"socket-options": {
		"reuse-port":    "socket-reuse-port",
		"reuse-address": "socket-reuse-address",
	},
}
