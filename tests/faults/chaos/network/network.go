package network

import (
	"fmt"
	"os/exec"
	"strings"
)

// Host is one network namespace.
type Host struct {
	// Name is the namespace's, for ip netns exec.
	Name string
	// Client and Peer are its addresses for clients and for the other hosts.
	Client, Peer string
}

// Network is a number of hosts. Its methods may be called by any number of goroutines.
type Network struct {
	Hosts  []Host
	fabric *fabric
}

// New builds hosts in this process's network namespace, which ought to be its own, and connects them until Close. The seed chooses
// which packets a lossy link loses.
func New(hosts int, seed uint64) (*Network, error) {
	n := &Network{fabric: newFabric(hosts)}
	script := []string{"link set lo up", "link add clients type bridge", "addr add 10.90.1.254/24 dev clients", "link set clients up"}
	for i := range hosts {
		host := Host{
			Name:   fmt.Sprintf("m%d", i+1),
			Client: fmt.Sprintf("10.90.1.%d", i+1),
			Peer:   fmt.Sprintf("10.90.2.%d", i+1),
		}
		n.Hosts = append(n.Hosts, host)
		if err := n.fabric.plug("peers" + host.Name); err != nil {
			n.fabric.close()
			return nil, err
		}
		script = append(
			script,
			"netns add "+host.Name,
			"link set peers"+host.Name+" netns "+host.Name,
			fmt.Sprintf("link add c%s type veth peer name clients netns %s", host.Name, host.Name),
			fmt.Sprintf("link set c%s master clients up", host.Name),
		)
	}
	if err := ip(script); err != nil {
		n.fabric.close()
		return nil, err
	}
	for _, host := range n.Hosts {
		err := ip([]string{
			"link set lo up",
			"addr add " + host.Client + "/24 dev clients", "link set clients up",
			fmt.Sprintf("addr add %s/24 dev peers%s", host.Peer, host.Name),
			fmt.Sprintf("link set peers%s mtu %d up", host.Name, mtuBytes),
		}, "-n", host.Name)
		if err != nil {
			n.fabric.close()
			return nil, err
		}
	}
	n.fabric.run(seed)
	return n, nil
}

// Close disconnects the hosts. The namespaces end with the sandbox.
func (n *Network) Close() { n.fabric.close() }

func ip(script []string, args ...string) error {
	cmd := exec.Command("ip", append(args, "-batch", "-")...)
	cmd.Stdin = strings.NewReader(strings.Join(script, "\n") + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}
