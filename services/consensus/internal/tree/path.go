package tree

import "bytes"

// Paths are as package treepath has them.

const separator = '/'

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

// behind returns where in order the keys end that begin with prefix, which has a byte below the highest.
func behind(prefix []byte) []byte {
	end := bytes.TrimRight(prefix, "\xff")
	end = bytes.Clone(end)
	end[len(end)-1]++
	return end
}

// child splits what follows a directory's prefix into the name of the node directly in the directory and whether there
// is more below it.
func child(rest []byte) (name []byte, deeper bool) {
	name, _, deeper = bytes.Cut(rest, []byte{separator})
	return name, deeper
}

// hidden tells whether listings leave a name out.
func hidden(name []byte) bool { return len(name) > 0 && name[0] == '_' }
