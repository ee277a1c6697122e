package network

import "time"

// Link is the condition of the way from one host to another. The zero Link is a perfect one.
type Link struct {
	// Cut loses every packet.
	Cut bool
	// Delay and Jitter hold a packet for Delay and a random part of Jitter; packets may overtake each other.
	Delay, Jitter time.Duration
	// Loss and Repeat are the shares, 0 to 1, of packets that are lost and that arrive twice.
	Loss, Repeat float64
}

// Set changes the way from one host to another, by their indexes.
func (n *Network) Set(from, to int, link Link) { n.fabric.links[from][to].Store(&link) }

// SetAll changes every way.
func (n *Network) SetAll(link Link) {
	for from := range n.Hosts {
		for to := range n.Hosts {
			n.Set(from, to, link)
		}
	}
}

// Heal makes every way perfect.
func (n *Network) Heal() { n.SetAll(Link{}) }

// Split cuts both ways between each two hosts of different sides. Sides are given by host; others than those named are left alone.
func (n *Network) Split(side map[int]int) {
	for from, a := range side {
		for to, b := range side {
			if a != b {
				n.Set(from, to, Link{Cut: true})
			}
		}
	}
}

// Isolate cuts what a host sends, what it receives, or both.
func (n *Network) Isolate(host int, sends, receives bool) {
	for other := range n.Hosts {
		if other == host {
			continue
		}
		if sends {
			n.Set(host, other, Link{Cut: true})
		}
		if receives {
			n.Set(other, host, Link{Cut: true})
		}
	}
}
