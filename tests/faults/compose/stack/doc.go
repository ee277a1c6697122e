// Package stack runs the stack of docker-compose.yml and does to its containers what happens to containers: they are killed, frozen and
// unplugged. It needs a Docker engine on this machine, through its command-line client, and knows nothing of what the containers do.
package stack
