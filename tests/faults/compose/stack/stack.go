package stack

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Stack is one project of Docker Compose. Its containers, networks and volumes are its own: it is deleted as a whole.
type Stack struct {
	command []string
	project string
	files   []string
}

// New names a stack and the files that describe it, later ones on top of earlier ones, for a command that is Docker Compose. It starts nothing.
func New(command []string, project string, files ...string) *Stack {
	return &Stack{command: command, project: project, files: files}
}

// Up creates the stack, and starts it until every container is healthy. Of one that does not become so it says what its containers print.
func (s *Stack) Up(ctx context.Context, profiles ...string) error {
	args := []string{}
	for _, profile := range profiles {
		args = append(args, "--profile", profile)
	}
	_, err := s.compose(ctx, append(args, "up", "--detach", "--wait")...)
	return err
}

// Down deletes the stack with all that it has stored.
func (s *Stack) Down(ctx context.Context) error {
	_, err := s.compose(ctx, "--profile", "*", "down", "--volumes", "--remove-orphans", "--timeout", "5")
	return err
}

// Containers are those that run, ordered by service and number.
func (s *Stack) Containers(ctx context.Context) ([]*Container, error) {
	ids, err := docker(ctx, "ps", "--quiet", "--no-trunc", "--filter", "label=com.docker.compose.project="+s.project)
	if err != nil {
		return nil, err
	}
	var containers []*Container
	for _, id := range strings.Fields(ids) {
		c := &Container{ID: id}
		if err := c.inspect(ctx); err != nil {
			return nil, err
		}
		containers = append(containers, c)
	}
	slices.SortFunc(containers, func(a, b *Container) int { return strings.Compare(a.Name, b.Name) })
	if len(containers) == 0 {
		return nil, fmt.Errorf("no container of project %s runs", s.project)
	}
	return containers, nil
}

// SaveLogs writes what each container of the stack has printed into a folder, which it makes.
func (s *Stack) SaveLogs(ctx context.Context, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	names, err := docker(ctx, "ps", "--all", "--format", "{{.Names}}", "--filter", "label=com.docker.compose.project="+s.project)
	if err != nil {
		return err
	}
	var failed []error
	for _, name := range strings.Fields(names) {
		text, err := exec.CommandContext(ctx, "docker", "logs", name).CombinedOutput()
		failed = append(failed, err, os.WriteFile(filepath.Join(dir, name+".log"), text, 0o644))
	}
	return errors.Join(failed...)
}

func (s *Stack) compose(ctx context.Context, args ...string) (string, error) {
	all := append(slices.Clone(s.command), "--project-name", s.project)
	for _, file := range s.files {
		all = append(all, "--file", file)
	}
	return run(ctx, append(all, args...)...)
}

func docker(ctx context.Context, args ...string) (string, error) {
	return run(ctx, append([]string{"docker"}, args...)...)
}

// run runs a program and returns what it prints; an error has what it complains of.
func run(ctx context.Context, command ...string) (string, error) {
	var out, complaint bytes.Buffer
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w: %s", strings.Join(command, " "), err, strings.TrimSpace(complaint.String()))
	}
	return out.String(), nil
}

func inspect(ctx context.Context, id string, into any) error {
	text, err := docker(ctx, "inspect", id)
	if err != nil {
		return err
	}
	return json.Unmarshal([]byte(text), into)
}
