package wire

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/quoratedb/quorate/pkg/identity"
)

// Versions of what members say to each other: the headers, frames and files of this package. A member speaks
// ProtocolVersion and everything down to ProtocolVersionMin; two members use the highest version that both speak. A
// change that older members cannot pass over needs a new version.
//
//	1  the first
//	2  the files of a snapshot are of a format that members of version 1 refuse; messages are the same
const (
	ProtocolVersion    = 2
	ProtocolVersionMin = 1
)

// Paths of what members ask of each other. Those of the members and of the version answer whoever asks, since a member that
// is about to join has no id yet; they are etcd's.
const (
	PathStream   = "/raft/stream" // where messages are posted to
	PathMembers  = "/members"
	PathVersion  = "/version"
	PathSnapshot = "/snapshot/" // below which snapshots are
)

// Headers of every request between members.
const (
	HeaderCluster     = "X-Etcd-Cluster-Id" // as in etcd's answers
	HeaderFrom        = "Quorate-From"
	HeaderTo          = "Quorate-To"
	HeaderProtocol    = "Quorate-Protocol"     // highest version spoken; in an answer, the one to use
	HeaderProtocolMin = "Quorate-Protocol-Min" // lowest version spoken
	HeaderServer      = "Quorate-Server-Version"
	HeaderURLs        = "Quorate-Peer-Urls"   // of the sender, separated by commas
	HeaderIncarnation = "Quorate-Incarnation" // of the sender's data; older members send none
	HeaderProof       = "Quorate-Proof"       // that the sender knows the receiver's incarnation; see Prove
	HeaderRefusal     = "Quorate-Refusal"     // in an answer: why there is none
)

// Greeting is what a member says of itself at the start of each request.
type Greeting struct {
	Cluster, From, To     uint64
	Protocol, ProtocolMin int
	Incarnation           uint64 // 0 where it is not said
	Server                string
	URLs                  []string
	Proof                 string // empty where there is none
}

// Write sets the headers.
func (g Greeting) Write(h http.Header) {
	h.Set(HeaderCluster, identity.Format(g.Cluster))
	h.Set(HeaderFrom, identity.Format(g.From))
	if g.To != 0 {
		h.Set(HeaderTo, identity.Format(g.To))
	}
	h.Set(HeaderProtocol, strconv.Itoa(g.Protocol))
	h.Set(HeaderProtocolMin, strconv.Itoa(g.ProtocolMin))
	if g.Incarnation != 0 {
		h.Set(HeaderIncarnation, identity.Format(g.Incarnation))
	}
	h.Set(HeaderServer, g.Server)
	if g.Proof != "" {
		h.Set(HeaderProof, g.Proof)
	}
	if len(g.URLs) > 0 {
		h.Set(HeaderURLs, strings.Join(g.URLs, ","))
	}
}

// ReadGreeting refuses what is not complete. The URLs are not read: see ReadURLs.
func ReadGreeting(h http.Header) (Greeting, *Refusal) {
	g := Greeting{Server: Clip(h.Get(HeaderServer), VersionBytesMax), Proof: h.Get(HeaderProof)}
	for name, field := range map[string]*uint64{HeaderCluster: &g.Cluster, HeaderFrom: &g.From} {
		id, err := strconv.ParseUint(h.Get(name), 16, 64)
		if err != nil || id == 0 {
			return g, Refuse(RefusedRequest, "header %s is %q and not an id: only members of the cluster are served here", name, Clip(h.Get(name), VersionBytesMax))
		}
		*field = id
	}
	for name, field := range map[string]*int{HeaderProtocol: &g.Protocol, HeaderProtocolMin: &g.ProtocolMin} {
		version, err := strconv.Atoi(h.Get(name))
		if err != nil || version <= 0 {
			return g, Refuse(RefusedRequest, "header %s is %q and not a version", name, Clip(h.Get(name), VersionBytesMax))
		}
		*field = version
	}
	if text := h.Get(HeaderTo); text != "" {
		id, err := strconv.ParseUint(text, 16, 64)
		if err != nil {
			return g, Refuse(RefusedRequest, "header %s is %q and not an id", HeaderTo, Clip(text, VersionBytesMax))
		}
		g.To = id
	}
	if text := h.Get(HeaderIncarnation); text != "" {
		incarnation, err := strconv.ParseUint(text, 16, 64)
		if err != nil {
			return g, Refuse(RefusedRequest, "header %s is %q and not a number", HeaderIncarnation, Clip(text, VersionBytesMax))
		}
		g.Incarnation = incarnation
	}
	return g, nil
}

// ReadURLs returns where the sender of a request says it is reached: the first URLsMax of what is a URL.
func ReadURLs(h http.Header) (urls []string) {
	for _, text := range strings.SplitN(h.Get(HeaderURLs), ",", URLsMax+1) {
		if _, err := ParseURL(text); err == nil && len(urls) < URLsMax && !slices.Contains(urls, text) {
			urls = append(urls, text)
		}
	}
	return urls
}

// Clip returns the beginning of a text of another, for logs.
func Clip(text string, bytesMax int) string {
	if len(text) > bytesMax {
		return text[:bytesMax] + "..."
	}
	return text
}

// Prove returns what a member shows to one that may not have heard of it yet, because that one was away while members
// were added: that it knows the other's incarnation, which is told to nobody but the members, in their replicated state.
// Both ends make it of the same greeting; it is no use in another.
func (g Greeting) Prove(incarnation uint64) string {
	if incarnation == 0 {
		return ""
	}
	mac := hmac.New(sha256.New, binary.BigEndian.AppendUint64(nil, incarnation))
	var said []byte
	for _, number := range []uint64{g.Cluster, g.From, g.To, g.Incarnation} {
		said = binary.BigEndian.AppendUint64(said, number)
	}
	_, _ = mac.Write(said) // a hash takes everything
	return fmt.Sprintf("%x", mac.Sum(nil))
}

// Proven tells whether the greeting shows that its sender knows the incarnation.
func (g Greeting) Proven(incarnation uint64) bool {
	want := g.Prove(incarnation)
	return want != "" && hmac.Equal([]byte(want), []byte(g.Proof))
}

// Check refuses whoever this member does not talk to. known is the incarnation of the other member, 0 if that is not known.
func (g Greeting) Check(cluster, self uint64, removed bool, known uint64) *Refusal {
	switch {
	case g.Protocol < ProtocolVersionMin || g.ProtocolMin > ProtocolVersion:
		return Refuse(RefusedProtocol, "member %x (version %s) speaks versions %d to %d of the members' protocol and this one %d to %d: upgrade one version after the other",
			g.From, g.Server, g.ProtocolMin, g.Protocol, ProtocolVersionMin, ProtocolVersion)
	case g.Cluster != cluster:
		return Refuse(RefusedCluster, "member %x is of cluster %x and this one of cluster %x: their URLs are mixed up, or one has the data of another cluster", g.From, g.Cluster, cluster)
	case g.To != 0 && g.To != self:
		return Refuse(RefusedMember, "member %x looks for member %x and this is member %x: their URLs are mixed up, or a member lost its data", g.From, g.To, self)
	case g.From == self:
		return Refuse(RefusedMember, "member %x talks to itself, or to another with the same id", self)
	case removed:
		return Refuse(RefusedRemoved, "member %x was removed from the cluster", g.From)
	case known != 0 && g.Incarnation == 0:
		// Members whose incarnation is known have sent it since they have one. Whoever read the member list does not know it.
		return Refuse(RefusedStranger, "member %x says nothing of its data, by which it is known here", g.From)
	case OtherData(known, g.Incarnation):
		return Refuse(RefusedBootstrapped, "member %x has already been bootstrapped, and comes with other data now: if its data is lost, remove the member and add it as a new one", g.From)
	}
	return nil
}

// OtherData tells whether two incarnations are known and differ. Older versions say none.
func OtherData(known, said uint64) bool { return known != 0 && said != 0 && known != said }
