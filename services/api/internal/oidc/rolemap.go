package oidc

import (
	"errors"
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/quoratedb/quorate/pkg/boundedfile"
	"github.com/quoratedb/quorate/pkg/yamldoc"
)

// root is the role, and the user, that no token brings.
const root = "root"

// roleMap has the roles of groups; nil takes groups for roles of the same name.
type roleMap map[string][]string

func (c Config) roleMap() (roleMap, error) {
	if c.RoleMapFile == "" {
		return nil, nil
	}
	text, err := boundedfile.Read(c.RoleMapFile)
	if err != nil {
		return nil, fmt.Errorf("--auth-oidc-role-map: %w", err)
	}
	made, err := parseRoleMap(text)
	if err != nil {
		return nil, fmt.Errorf("--auth-oidc-role-map=%s: %w", c.RoleMapFile, err)
	}
	return made, nil
}

// parseRoleMap reads a YAML mapping from groups to a role, or a list of roles. An error names the line.
func parseRoleMap(text []byte) (roleMap, error) {
	top, err := yamldoc.Parse(text)
	switch {
	case err != nil:
		return nil, err
	case top == nil:
		return nil, errors.New("line 1: it has no groups")
	}
	if top.Kind != yaml.MappingNode {
		return nil, fmt.Errorf("line %d: a mapping from groups to roles is wanted", top.Line)
	}
	made := make(roleMap)
	for i := 0; i < len(top.Content); i += 2 {
		group, roles := top.Content[i], top.Content[i+1]
		if _, twice := made[group.Value]; twice {
			return nil, fmt.Errorf("line %d: the group %q is there twice", group.Line, group.Value)
		}
		each := []*yaml.Node{roles}
		if roles.Kind == yaml.SequenceNode {
			each = roles.Content
		}
		made[group.Value] = nil
		for _, role := range each {
			switch {
			case role.Kind != yaml.ScalarNode || role.Value == "" || role.Tag == "!!null":
				return nil, fmt.Errorf("line %d: a role of the group %q is wanted, or a list of roles", role.Line, group.Value)
			case role.Value == root:
				return nil, fmt.Errorf("line %d: the role %s comes from no token: grant what is needed to another role", role.Line, root)
			}
			made[group.Value] = append(made[group.Value], role.Value)
		}
	}
	return made, nil
}

// of returns the roles that groups bring, in ascending order.
func (m roleMap) of(groups []string) []string {
	var roles []string
	for _, group := range groups {
		if m == nil {
			roles = append(roles, group)
			continue
		}
		roles = append(roles, m[group]...)
	}
	slices.Sort(roles)
	roles = slices.Compact(roles)
	return slices.DeleteFunc(roles, func(role string) bool { return role == root || role == "" })
}
