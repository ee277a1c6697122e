package network

import (
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// plugged makes a switch whose hosts are the other ends of sockets that keep packets apart, as TUN interfaces do.
func plugged(t *testing.T, count int) (*fabric, []*os.File) {
	f := newFabric(count)
	var hosts []*os.File
	for range count {
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		require.NoError(t, err)
		f.ports = append(f.ports, os.NewFile(uintptr(pair[0]), "port"))
		hosts = append(hosts, os.NewFile(uintptr(pair[1]), "host"))
	}
	f.run(1)
	t.Cleanup(func() {
		f.close()
		for _, host := range hosts {
			host.Close()
		}
	})
	return f, hosts
}

// packet is an IPv4 header to a host, by its index, and a mark.
func packet(to int, mark byte) []byte {
	p := make([]byte, destinationEnd+1)
	p[0], p[destinationEnd-1], p[destinationEnd] = 4<<4, byte(to+1), mark
	return p
}

// got reads marks until none comes for a while.
func got(t *testing.T, host *os.File) []byte {
	var marks []byte
	buffer := make([]byte, packetBytesMax)
	for {
		require.NoError(t, host.SetReadDeadline(time.Now().Add(200*time.Millisecond)))
		n, err := host.Read(buffer)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return marks
		}
		require.NoError(t, err)
		require.Greater(t, n, destinationEnd)
		marks = append(marks, buffer[destinationEnd])
	}
}

// Goal: packets take the condition of their way and direction, and only that. Method: send under each condition.
func TestLinkConditions(t *testing.T) {
	f, hosts := plugged(t, 3)
	send := func(from, to int, marks ...byte) {
		for _, mark := range marks {
			_, err := hosts[from].Write(packet(to, mark))
			require.NoError(t, err)
		}
	}
	n := &Network{Hosts: make([]Host, 3), fabric: f}
	send(0, 1, 1, 2, 3)
	require.Equal(t, []byte{1, 2, 3}, got(t, hosts[1]))

	n.Isolate(0, true, false)
	send(0, 1, 4)
	send(1, 0, 5)
	send(2, 1, 6)
	require.Equal(t, []byte{6}, got(t, hosts[1]), "what an isolated host sends is lost, and nothing else")
	require.Equal(t, []byte{5}, got(t, hosts[0]))

	n.Heal()
	n.Split(map[int]int{0: 0, 1: 1})
	send(0, 1, 7)
	send(0, 2, 8)
	require.Empty(t, got(t, hosts[1]))
	require.Equal(t, []byte{8}, got(t, hosts[2]), "a host on no side hears both")

	n.SetAll(Link{Repeat: 1})
	send(0, 1, 9)
	require.Equal(t, []byte{9, 9}, got(t, hosts[1]))

	n.SetAll(Link{Loss: 1})
	send(0, 1, 10)
	require.Empty(t, got(t, hosts[1]))

	_, err := hosts[0].Write([]byte{6 << 4, 1})
	require.NoError(t, err)
	n.Heal()
	send(0, 1, 11)
	require.Equal(t, []byte{11}, got(t, hosts[1]), "what is no IPv4 packet is no packet")
}

// Goal: a delayed packet arrives not before its time. Method: hold one by a fake clock.
func TestDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w, err := os.Pipe()
		require.NoError(t, err)
		defer r.Close()
		f := newFabric(2)
		f.ports = []*os.File{nil, w}
		begin := time.Now()
		f.hold(packet(1, 1), 1, time.Minute)
		f.busy.Wait()
		require.Equal(t, time.Minute, time.Since(begin))
		buffer := make([]byte, packetBytesMax)
		n, err := r.Read(buffer)
		require.NoError(t, err)
		require.Equal(t, packet(1, 1), buffer[:n])
		require.NoError(t, w.Close())
	})
}
