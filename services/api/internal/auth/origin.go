package auth

import (
	"context"
	"net/netip"
	"strings"

	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
)

// pipe is the network of calls that the gateway makes.
const pipe = "pipe"

// PeerOf returns the address of a call's client, empty where nobody knows. Of what the gateway forwards it is the one that the gateway has added.
func PeerOf(ctx context.Context) string {
	client, ok := peer.FromContext(ctx)
	if !ok {
		return ""
	}
	if client.Addr.Network() == pipe {
		if forwarded := metadata.ValueFromIncomingContext(ctx, "x-forwarded-for"); len(forwarded) > 0 {
			list := forwarded[len(forwarded)-1]
			return strings.TrimSpace(list[strings.LastIndexByte(list, ',')+1:])
		}
	}
	return client.Addr.String()
}

// networkBits is how much of an IPv6 address one customer of a network has.
const networkBits = 64

// OriginOf returns where a client's address is, whatever its port: those who share that wait for each other. It is empty for what is no address.
func OriginOf(address string) string {
	host := address
	if withPort, err := netip.ParseAddrPort(address); err == nil {
		host = withPort.Addr().String()
	}
	parsed, err := netip.ParseAddr(host)
	if err != nil {
		return ""
	}
	parsed = parsed.Unmap().WithZone("")
	if parsed.Is4() {
		return parsed.String()
	}
	network, _ := parsed.Prefix(networkBits) // it fails for no IPv6 address
	return network.String()
}
