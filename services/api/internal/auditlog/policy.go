package auditlog

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/quoratedb/quorate/pkg/yamldoc"
)

// Policy says which level a request has: that of the first rule that matches it.
type Policy struct {
	rules []rule
	rest  Level // of what no rule matches
	roles bool  // a rule asks for roles
}

// rule matches requests that have one of each list that is not empty. A request has a prefix if all of its ranges lie in it.
type rule struct {
	Users    texts     `yaml:"user"`
	Roles    texts     `yaml:"role"`
	Methods  patterns  `yaml:"method"`
	Prefixes texts     `yaml:"prefix"`
	Level    ruleLevel `yaml:"level"`
}

// texts are one text or a list of them.
type texts []string

// UnmarshalYAML implements yaml.Unmarshaler.
func (t *texts) UnmarshalYAML(node *yaml.Node) error {
	list, err := yamldoc.Texts(node)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return fmt.Errorf("line %d: an empty list matches nothing: leave it out", node.Line)
	}
	*t = list
	return nil
}

// patterns are names of methods, with * for any part: Put, KV/*, v2/*.
type patterns []string

// UnmarshalYAML implements yaml.Unmarshaler.
func (p *patterns) UnmarshalYAML(node *yaml.Node) error {
	if err := (*texts)(p).UnmarshalYAML(node); err != nil {
		return err
	}
	for i, pattern := range *p {
		if !slices.ContainsFunc(knownMethods(), func(method string) bool { return matches(pattern, method) }) {
			at := node
			if node.Kind == yaml.SequenceNode {
				at = node.Content[i]
			}
			return fmt.Errorf("line %d: no method is called %q; they are called like Put, KV/Put or v2/GET, and * stands for any part", at.Line, pattern)
		}
	}
	return nil
}

// ruleLevel is a level, of a rule that must have one.
type ruleLevel struct {
	level Level
	given bool
}

// UnmarshalYAML implements yaml.Unmarshaler.
func (l *ruleLevel) UnmarshalYAML(node *yaml.Node) (err error) {
	if l.level, err = ParseLevel(node.Value); err != nil {
		return fmt.Errorf("line %d: %w", node.Line, err)
	}
	l.given = true
	return nil
}

// UnmarshalYAML implements yaml.Unmarshaler.
func (r *rule) UnmarshalYAML(node *yaml.Node) error {
	type plain rule
	if node.Kind == yaml.MappingNode {
		for i := 0; i < len(node.Content); i += 2 {
			if key := node.Content[i]; !slices.Contains([]string{"user", "role", "method", "prefix", "level"}, key.Value) {
				return fmt.Errorf("line %d: a rule has no %q: it has user, role, method, prefix and level", key.Line, key.Value)
			}
		}
	}
	if err := node.Decode((*plain)(r)); err != nil {
		return err
	}
	if !r.Level.given {
		return fmt.Errorf("line %d: the rule has no level", node.Line)
	}
	return nil
}

var errNoRules = errors.New("line 1: it has no rules")

// ParsePolicy reads a policy: a YAML mapping whose "rules" are a list of mappings with user, role, method, prefix, each a text or a list
// of them, and level. An error names the line.
func ParsePolicy(text []byte) (*Policy, error) {
	top, err := yamldoc.Parse(text)
	switch {
	case err != nil:
		return nil, err
	case top == nil:
		return nil, errNoRules
	case top.Kind != yaml.MappingNode:
		return nil, fmt.Errorf("line %d: \"rules:\" is wanted, and a list of them", top.Line)
	}
	for i := 0; i < len(top.Content); i += 2 {
		if key := top.Content[i]; key.Value != "rules" {
			return nil, fmt.Errorf("line %d: there is no %q, only rules", key.Line, key.Value)
		}
	}
	var file struct {
		Rules []rule `yaml:"rules"`
	}
	if err := top.Decode(&file); err != nil {
		return nil, err
	}
	if len(file.Rules) == 0 {
		return nil, errNoRules
	}
	policy := &Policy{rules: file.Rules}
	for _, r := range file.Rules {
		policy.roles = policy.roles || len(r.Roles) > 0
	}
	return policy, nil
}

// matches tells whether a pattern is for a method, by its whole name ("etcdserverpb.KV/Put"), without the package, or by the last part.
func matches(pattern, method string) bool {
	for _, name := range []string{method, method[strings.LastIndexByte(method[:strings.IndexByte(method, '/')], '.')+1:], method[strings.IndexByte(method, '/')+1:]} {
		if ok, err := path.Match(pattern, name); err == nil && ok {
			return true
		}
	}
	return false
}

// subject is what a policy looks at.
type subject struct {
	user string
	// claimed says that nobody has shown yet that the user is theirs, as in a log-in.
	claimed bool
	roles   func() []string
	method  string
	spans   []span
}

// level returns the level of a request, and whether its refusal is left out as well, as a rule can say.
func (p *Policy) level(s *subject) (level Level, silent bool) {
	for i := range p.rules {
		if r := &p.rules[i]; r.matches(s) {
			none := r.Level.level == LevelNone
			// Whoever guesses a user's password must not be left out because the user is.
			return r.Level.level, none && !(s.claimed && len(r.Users)+len(r.Roles) > 0)
		}
	}
	return p.rest, false
}

func (r *rule) matches(s *subject) bool {
	switch {
	case len(r.Users) > 0 && !slices.Contains(r.Users, s.user):
		return false
	case len(r.Methods) > 0 && !slices.ContainsFunc(r.Methods, func(pattern string) bool { return matches(pattern, s.method) }):
		return false
	case len(r.Prefixes) > 0 && !r.holds(s.spans):
		return false
	case len(r.Roles) > 0:
		return slices.ContainsFunc(s.roles(), func(role string) bool { return slices.Contains(r.Roles, role) })
	}
	return true
}

// holds tells whether every range lies below one of the prefixes. What has no range has no prefix.
func (r *rule) holds(spans []span) bool {
	for _, of := range spans {
		if !slices.ContainsFunc(r.Prefixes, of.below) {
			return false
		}
	}
	return len(spans) > 0
}
