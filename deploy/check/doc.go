// Package check tests what deploy holds: manifests, rules, dashboards, units and the stack of containers, against the types and parsers of those who will
// read them, and against our own programs. It is a module of its own, outside the workspace, because nothing we ship should depend on theirs.
package check
