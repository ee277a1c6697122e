package outbound

import (
	"net/url"
	"slices"
	"strings"
)

// A member whose address changed (another lease of DHCP, a pod on another node, two directories that were swapped) still
// reaches those that stayed, and says with each stream where it is reached itself. It is tried there beside where the
// member list says, so that a quorum of moved members can elect a leader: without one, nobody could change the list. What
// it brings is kept in memory only, and only for members: whoever is let in as one has shown its certificate, where TLS is
// used, and the incarnation of its data, where that is known.

// SetURLs says where the member list has the peer. It takes effect at once if the stream is to a URL that is gone.
func (l *Link) SetURLs(urls []string) {
	l.mu.Lock()
	same := slices.Equal(l.mu.recorded, urls)
	l.mu.recorded = urls
	l.setBroughtLocked(l.mu.brought)
	l.mu.Unlock()
	if !same {
		l.tryNow()
	}
}

// Bring says where the peer, which has come in, says that it is reached. While it is reached where the list has it, that
// does not matter.
func (l *Link) Bring(urls []string) {
	l.mu.Lock()
	atHome := !l.mu.since.IsZero() && slices.Contains(l.mu.recorded, l.mu.url)
	if !atHome {
		l.setBroughtLocked(urls)
	}
	brought := l.mu.brought
	l.mu.Unlock()
	if len(brought) > 0 && !atHome {
		l.cfg.Notices.Warn(l.id, "a member says that it is reached elsewhere than the member list has it; it is tried there too, until it restarts: correct the list (etcdctl member update)",
			"urls", strings.Join(brought, ","))
	}
	l.tryNow()
}

// answered says that the peer was reached at a URL: if the list has it there, it need not be looked for elsewhere.
func (l *Link) answered(at string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if slices.Contains(l.mu.recorded, at) {
		l.setBroughtLocked(nil)
	}
}

// setBroughtLocked keeps those of the urls that the list does not have, and that are no less secret than those in it.
func (l *Link) setBroughtLocked(urls []string) {
	var brought []string
	for _, text := range urls {
		if !slices.Contains(l.mu.recorded, text) && slices.ContainsFunc(l.mu.recorded, func(known string) bool { return sameScheme(known, text) }) {
			brought = append(brought, text)
		}
	}
	l.mu.brought = brought
	all := slices.Concat(l.mu.recorded, brought)
	l.urls.Store(&all)
}

func sameScheme(a, b string) bool {
	first, err := url.Parse(a)
	if err != nil {
		return false
	}
	second, err := url.Parse(b)
	return err == nil && first.Scheme == second.Scheme
}
