package languages

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/quoratedb/quorate/tests/harness"
)

// snippet is the fenced one of a section of docs/clients.md: its language, and its text.
var snippet = regexp.MustCompile("(?s)\n```(\\w+)\n(.*?\n)```\n")

// Goal: what docs/clients.md shows works as it stands there. Method: its snippets are run by their languages against a server, whose ports stand for
// those on the page; each prints hello.
func TestPage(t *testing.T) {
	libraries := os.Getenv(librariesEnv)
	if libraries == "" {
		t.Skipf("%s does not say where the clients' libraries are: make clients installs them", librariesEnv)
	}
	page, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "clients.md"))
	require.NoError(t, err)
	nats := fmt.Sprint(harness.FreePort())
	server := harness.Run(t, "--nats-listen=127.0.0.1:"+nats)
	_, port, _ := strings.Cut(server.Endpoint(), ":")
	ports := strings.NewReplacer("localhost:2379", "127.0.0.1:"+port, `"localhost", port=2379`, `"127.0.0.1", port=`+port, "localhost:4222", "127.0.0.1:"+nats)
	commands := map[string]string{"sh": "sh", "python": "/usr/bin/python3", "js": "node", "go": "go run"}
	for _, section := range strings.Split(string(page), "\n## ")[1:] {
		title, _, _ := strings.Cut(section, "\n")
		found := snippet.FindAllStringSubmatch(section, -1)
		require.Len(t, found, 1, "snippets of %s", title)
		language, text := found[0][1], ports.Replace(found[0][2])
		if language == "java" {
			continue // no library of it is at hand
		}
		t.Run(title, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "snippet."+language)
			require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
			command := append(strings.Fields(commands[language]), file)
			require.NotEmpty(t, commands[language], "nothing here runs %s", language)
			cmd := exec.CommandContext(harness.Context(t), command[0], command[1:]...)
			cmd.Env = append(os.Environ(), "NODE_PATH="+filepath.Join(libraries, "node_modules"))
			said, err := cmd.CombinedOutput()
			require.NoError(t, err, string(said))
			require.Contains(t, string(said), "hello")
		})
	}
}
