package peer

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Versions of what members say to each other: the headers, frames and files of this package. A member speaks
// protocolVersion and everything down to protocolVersionMin; two members use the highest version that both speak. A
// change that older members cannot pass over needs a new version.
//
//	1  the first
//	2  the files of a snapshot are of a format that members of version 1 refuse; messages are the same
const (
	protocolVersion    = 2
	protocolVersionMin = 1
)

// Headers of every request between members.
const (
	headerCluster     = "X-Etcd-Cluster-Id" // as in etcd's answers
	headerFrom        = "Quorate-From"
	headerTo          = "Quorate-To"
	headerProtocol    = "Quorate-Protocol"     // highest version spoken; in an answer, the one to use
	headerProtocolMin = "Quorate-Protocol-Min" // lowest version spoken
	headerServer      = "Quorate-Server-Version"
	headerURLs        = "Quorate-Peer-Urls"   // of the sender, separated by commas
	headerIncarnation = "Quorate-Incarnation" // of the sender's data; older members send none
	headerProof       = "Quorate-Proof"       // that the sender knows the receiver's incarnation; see prove
	headerRefusal     = "Quorate-Refusal"     // in an answer: why there is none
)

// RefusalReason says why a member does not talk to another.
type RefusalReason string

// What a member may be refused for. They are part of the protocol.
const (
	RefusedCluster RefusalReason = "other-cluster"
	RefusedMember  RefusalReason = "other-member"
	RefusedRemoved RefusalReason = "removed"
	// RefusedStranger is of one that the refusing member does not know as a member. It may pass: news of members take time.
	RefusedStranger RefusalReason = "no-member"
	RefusedProtocol RefusalReason = "protocol"
	// RefusedBootstrapped is of a member that was known with other data, which it must have lost.
	RefusedBootstrapped RefusalReason = "already-bootstrapped"
	RefusedRequest      RefusalReason = "bad-request"
	RefusedSnapshot     RefusalReason = "no-such-snapshot"
	RefusedNotNow       RefusalReason = "not-now"
)

// Refusal is the error of a request that the other side understood and refused.
type Refusal struct {
	Reason RefusalReason
	Text   string
}

func (r *Refusal) Error() string { return fmt.Sprintf("refused (%s): %s", r.Reason, r.Text) }

// status is the HTTP status that a refusal has; those of removal and of a foreign cluster are etcd's.
func (r *Refusal) status() int {
	switch r.Reason {
	case RefusedCluster, RefusedProtocol:
		return http.StatusPreconditionFailed
	case RefusedRemoved:
		return http.StatusGone
	case RefusedBootstrapped:
		return http.StatusConflict
	case RefusedMember:
		return http.StatusMisdirectedRequest
	case RefusedSnapshot:
		return http.StatusNotFound
	case RefusedRequest:
		return http.StatusBadRequest
	default: // it may pass: a member that was just added is to come again
		return http.StatusServiceUnavailable
	}
}

func (r *Refusal) write(w http.ResponseWriter) {
	unread(w)
	w.Header().Set(headerRefusal, string(r.Reason))
	http.Error(w, r.Text, r.status())
}

func refuse(reason RefusalReason, format string, args ...any) *Refusal {
	return &Refusal{Reason: reason, Text: fmt.Sprintf(format, args...)}
}

// greeting is what a member says of itself at the start of each request.
type greeting struct {
	cluster, from, to     uint64
	protocol, protocolMin int
	incarnation           uint64 // 0 where it is not said
	server                string
	urls                  []string
	proof                 string // empty where there is none
}

func (g greeting) write(h http.Header) {
	h.Set(headerCluster, hex(g.cluster))
	h.Set(headerFrom, hex(g.from))
	if g.to != 0 {
		h.Set(headerTo, hex(g.to))
	}
	h.Set(headerProtocol, strconv.Itoa(g.protocol))
	h.Set(headerProtocolMin, strconv.Itoa(g.protocolMin))
	if g.incarnation != 0 {
		h.Set(headerIncarnation, hex(g.incarnation))
	}
	h.Set(headerServer, g.server)
	if g.proof != "" {
		h.Set(headerProof, g.proof)
	}
	if len(g.urls) > 0 {
		h.Set(headerURLs, strings.Join(g.urls, ","))
	}
}

// readGreeting refuses what is not complete. The URLs are not read: see readURLs.
func readGreeting(h http.Header) (greeting, *Refusal) {
	g := greeting{server: clip(h.Get(headerServer), versionBytesMax), proof: h.Get(headerProof)}
	for name, field := range map[string]*uint64{headerCluster: &g.cluster, headerFrom: &g.from} {
		id, err := strconv.ParseUint(h.Get(name), 16, 64)
		if err != nil || id == 0 {
			return g, refuse(RefusedRequest, "header %s is %q and not an id: only members of the cluster are served here", name, clip(h.Get(name), versionBytesMax))
		}
		*field = id
	}
	for name, field := range map[string]*int{headerProtocol: &g.protocol, headerProtocolMin: &g.protocolMin} {
		version, err := strconv.Atoi(h.Get(name))
		if err != nil || version <= 0 {
			return g, refuse(RefusedRequest, "header %s is %q and not a version", name, clip(h.Get(name), versionBytesMax))
		}
		*field = version
	}
	if text := h.Get(headerTo); text != "" {
		id, err := strconv.ParseUint(text, 16, 64)
		if err != nil {
			return g, refuse(RefusedRequest, "header %s is %q and not an id", headerTo, clip(text, versionBytesMax))
		}
		g.to = id
	}
	if text := h.Get(headerIncarnation); text != "" {
		incarnation, err := strconv.ParseUint(text, 16, 64)
		if err != nil {
			return g, refuse(RefusedRequest, "header %s is %q and not a number", headerIncarnation, clip(text, versionBytesMax))
		}
		g.incarnation = incarnation
	}
	return g, nil
}

// readURLs returns where the sender of a request says it is reached: the first urlsMax of what is a URL.
func readURLs(h http.Header) (urls []string) {
	for _, text := range strings.SplitN(h.Get(headerURLs), ",", urlsMax+1) {
		if _, err := parseURL(text); err == nil && len(urls) < urlsMax && !slices.Contains(urls, text) {
			urls = append(urls, text)
		}
	}
	return urls
}

// clip returns the beginning of a text of another, for logs.
func clip(text string, bytesMax int) string {
	if len(text) > bytesMax {
		return text[:bytesMax] + "..."
	}
	return text
}

// prove returns what a member shows to one that may not have heard of it yet, because that one was away while members
// were added: that it knows the other's incarnation, which is told to nobody but the members, in their replicated state.
// Both ends make it of the same greeting; it is no use in another.
func (g greeting) prove(incarnation uint64) string {
	if incarnation == 0 {
		return ""
	}
	mac := hmac.New(sha256.New, binary.BigEndian.AppendUint64(nil, incarnation))
	var said []byte
	for _, number := range []uint64{g.cluster, g.from, g.to, g.incarnation} {
		said = binary.BigEndian.AppendUint64(said, number)
	}
	_, _ = mac.Write(said) // a hash takes everything
	return fmt.Sprintf("%x", mac.Sum(nil))
}

// proven tells whether the greeting shows that its sender knows the incarnation.
func (g greeting) proven(incarnation uint64) bool {
	want := g.prove(incarnation)
	return want != "" && hmac.Equal([]byte(want), []byte(g.proof))
}

// check refuses whoever this member does not talk to. known is the incarnation of the other member, 0 if that is not known.
func (g greeting) check(cluster, self uint64, removed bool, known uint64) *Refusal {
	switch {
	case g.protocol < protocolVersionMin || g.protocolMin > protocolVersion:
		return refuse(RefusedProtocol, "member %x (version %s) speaks versions %d to %d of the members' protocol and this one %d to %d: upgrade one version after the other",
			g.from, g.server, g.protocolMin, g.protocol, protocolVersionMin, protocolVersion)
	case g.cluster != cluster:
		return refuse(RefusedCluster, "member %x is of cluster %x and this one of cluster %x: their URLs are mixed up, or one has the data of another cluster", g.from, g.cluster, cluster)
	case g.to != 0 && g.to != self:
		return refuse(RefusedMember, "member %x looks for member %x and this is member %x: their URLs are mixed up, or a member lost its data", g.from, g.to, self)
	case g.from == self:
		return refuse(RefusedMember, "member %x talks to itself, or to another with the same id", self)
	case removed:
		return refuse(RefusedRemoved, "member %x was removed from the cluster", g.from)
	case known != 0 && g.incarnation == 0:
		// Members whose incarnation is known have sent it since they have one. Whoever read the member list does not know it.
		return refuse(RefusedStranger, "member %x says nothing of its data, by which it is known here", g.from)
	case otherData(known, g.incarnation):
		return refuse(RefusedBootstrapped, "member %x has already been bootstrapped, and comes with other data now: if its data is lost, remove the member and add it as a new one", g.from)
	}
	return nil
}

func hex(id uint64) string { return strconv.FormatUint(id, 16) }
