package wire

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzGreeting: whatever the headers of a request between members say, reading them ends, and what is taken from them is bounded and
// complete. What a greeting writes is what is read again.
func FuzzGreeting(f *testing.F) {
	f.Add("cdf818194e3a8c32", "8e9e05c52164694d", "1", "2", "1", "ff", "3.7.0", "http://10.0.0.1:2380,http://10.0.0.2:2380", "00ff")
	f.Add("0", "-1", "", "", "x", "", "", ",,,unix://a,unixs://", "")
	f.Fuzz(func(t *testing.T, cluster, from, to, protocol, protocolMin, incarnation, server, urls, proof string) {
		h := http.Header{}
		for name, value := range map[string]string{
			HeaderCluster: cluster, HeaderFrom: from, HeaderTo: to, HeaderProtocol: protocol, HeaderProtocolMin: protocolMin,
			HeaderIncarnation: incarnation, HeaderServer: server, HeaderURLs: urls, HeaderProof: proof,
		} {
			h.Set(name, value)
		}
		told := ReadURLs(h)
		require.LessOrEqual(t, len(told), URLsMax)
		for _, text := range told {
			Endpoint(RequestURL(text))
		}
		g, refusal := ReadGreeting(h)
		if refusal != nil {
			return
		}
		require.NotZero(t, g.From)
		require.LessOrEqual(t, len(g.Server), VersionBytesMax+len("..."))
		_ = g.Check(1, 2, false, 3)
		_ = g.Proven(3)
		again := http.Header{}
		g.Write(again)
		read, refusal := ReadGreeting(again)
		require.Nil(t, refusal)
		read.Server, g.Server = "", "" // is clipped again
		require.Equal(t, g, read)
	})
}
