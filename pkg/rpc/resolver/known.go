package resolver

// missesMax is how many answers in a row may leave a host out before it is taken for gone: name servers tell a part of
// what they know, in turn or because a message holds no more.
const missesMax = 5

// Known are the hosts that a name stands for, and how many of the last answers in a row left each out.
type Known map[string]int

// Answer takes in what a name server told: these hosts are known, and those are not any more that were missing too often.
// A name server that fails tells nothing.
func (k Known) Answer(hosts []string) {
	for host := range k {
		if k[host]++; k[host] == missesMax {
			delete(k, host)
		}
	}
	for _, host := range hosts {
		k[host] = 0
	}
}
