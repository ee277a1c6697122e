// Command floor is what no server of watches on grpc-go can be faster than: it has no log, no state, no rights and no history, and does with a
// put what is left, which is to send each watch of the key's range its event, encoded once for all of them, in a message of its own.
// make watch-floor measures it beside bin/quorate, in the cases of make bench for watches: the rest of what an event costs there is the
// load's own client, on the same processors.
//
// With FLOOR_EVENTS=10 up to ten events of a watch that wait go into one message. That many do wait, since a put waits for nothing here: so
// it shows what a message costs, and what an event in it.
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"net/url"
	"os"
	"strconv"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
)

func main() {
	address := flag.String("listen-client-urls", "", "The URL to serve at.")
	for _, other := range []string{"name", "data-dir", "advertise-client-urls", "listen-peer-urls", "initial-advertise-peer-urls", "initial-cluster"} {
		flag.String(other, "", "Taken, as the harness gives it to any server, and not used.")
	}
	flag.Parse()
	if err := serve(*address); err != nil {
		log.Fatal(err)
	}
}

func serve(address string) error {
	at, err := url.Parse(address)
	if err != nil {
		return fmt.Errorf("--listen-client-urls: %w", err)
	}
	eventsMax := 1
	if text := os.Getenv("FLOOR_EVENTS"); text != "" {
		if eventsMax, err = strconv.Atoi(text); err != nil || eventsMax < 1 {
			return fmt.Errorf("FLOOR_EVENTS=%s: a positive number is wanted", text)
		}
	}
	listener, err := net.Listen("tcp", at.Host)
	if err != nil {
		return err
	}
	// The sizes are those of our own server.
	server := grpc.NewServer(grpc.ForceServerCodecV2(codec{encoding.GetCodecV2(proto.Name)}), grpc.WriteBufferSize(32<<10), grpc.ReadBufferSize(8<<10))
	watches := &audience{eventsMax: eventsMax, groups: make(map[span]*group)}
	pb.RegisterKVServer(server, &puts{audience: watches})
	pb.RegisterWatchServer(server, &streams{audience: watches})
	fmt.Println("ready to serve client requests")
	return server.Serve(listener)
}

// encoded is a message in its wire form: what is its own, and what it shares with others.
type encoded struct{ head, shared []byte }

// codec is grpc-go's own, except that it passes an *encoded on as it is.
type codec struct{ encoding.CodecV2 }

// Marshal implements encoding.CodecV2.
func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	if m, ok := v.(*encoded); ok {
		return mem.BufferSlice{mem.SliceBuffer(m.head), mem.SliceBuffer(m.shared)}, nil
	}
	return c.CodecV2.Marshal(v)
}
