// Package sandbox runs a program again in Linux namespaces of its own: process ids, mounts and network. Whatever the
// program then starts, mounts or plugs in ends with it, however it ends, because the kernel takes the namespaces apart.
// It knows nothing of what the program does.
package sandbox
