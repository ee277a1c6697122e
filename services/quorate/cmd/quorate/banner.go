package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	etcd "go.etcd.io/etcd/api/v3/version"
	"golang.org/x/term"

	"github.com/quoratedb/quorate/services/quorate"
)

// onTerminal says whether somebody reads what is written there.
func onTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// greet tells who started a store by hand where it serves, where its data is and what to type next.
func greet(w io.Writer, config quorate.Config, urls []string) {
	lines := [][2]string{
		{"clients", strings.Join(urls, ", ")},
		{"members", strings.Join(config.ListenPeerURLs, ", ")},
		{"data", absolute(config.Directory())},
		{"try", nextCommand(exec.LookPath, urls[0], config.EnableV2)},
	}
	fmt.Fprintf(w, "\n  Quorate %s, which speaks etcd %s's API\n\n", config.Version, etcd.Version)
	for _, line := range lines {
		fmt.Fprintf(w, "  %-8s %s\n", line[0], line[1])
	}
	fmt.Fprintf(w, "\n  Ctrl-C stops it; its data stays.\n\n")
}

// nextCommand is one that works in another terminal: a tool's that is at hand, or curl's. Tools look for their server on localhost:2379 by
// themselves.
func nextCommand(lookPath func(string) (string, error), url string, v2 bool) string {
	for _, tool := range []string{"quoratectl", "etcdctl"} {
		if _, err := lookPath(tool); err != nil {
			continue
		}
		if url != "http://localhost:2379" {
			tool += " --endpoints " + url
		}
		return tool + " put greeting hello"
	}
	if v2 {
		return "curl " + url + "/v2/keys/greeting -X PUT -d value=hello"
	}
	return "curl " + url + "/v3/kv/put -d '{\"key\":\"Z3JlZXRpbmc=\",\"value\":\"aGVsbG8=\"}'"
}

func absolute(path string) string {
	if whole, err := filepath.Abs(path); err == nil {
		return whole
	}
	return path
}
