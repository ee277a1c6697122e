package tree

import "bytes"

// Paths are "/" for the root, or names that each follow a slash: "/a/b".

const separator = '/'

// Clean tells whether a path is well-formed: no name in it is empty, "." or "..".
func Clean(path []byte) bool {
	if len(path) == 0 || path[0] != separator {
		return false
	}
	if len(path) == 1 {
		return true
	}
	for rest := path[1:]; ; {
		name, after, more := bytes.Cut(rest, []byte{separator})
		if len(name) == 0 || string(name) == "." || string(name) == ".." {
			return false
		}
		if !more {
			return true
		}
		rest = after
	}
}

func isRoot(path []byte) bool { return len(path) == 1 }

// below returns what the paths of everything in a directory begin with, and where they end in order.
func below(dir []byte) (prefix, end []byte) {
	prefix = bytes.Clone(dir)
	if !isRoot(dir) {
		prefix = append(prefix, separator)
	}
	end = bytes.Clone(prefix)
	end[len(end)-1]++
	return prefix, end
}

// ancestors calls fn with each directory above a path, from the top, without the root, until fn wants no more.
func ancestors(path []byte, fn func(dir []byte) (more bool, err error)) error {
	for i := 1; i < len(path); i++ {
		if path[i] != separator {
			continue
		}
		if more, err := fn(path[:i:i]); err != nil || !more {
			return err
		}
	}
	return nil
}

// parent returns the directory that holds a path, which is not the root.
func parent(path []byte) []byte {
	i := bytes.LastIndexByte(path, separator)
	return path[:max(i, 1):max(i, 1)]
}

// child splits what follows a directory's prefix into the name of the node directly in the directory and whether there
// is more below it.
func child(rest []byte) (name []byte, deeper bool) {
	name, _, deeper = bytes.Cut(rest, []byte{separator})
	return name, deeper
}

// hidden tells whether listings leave a name out.
func hidden(name []byte) bool { return len(name) > 0 && name[0] == '_' }
