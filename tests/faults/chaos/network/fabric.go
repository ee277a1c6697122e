package network

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// packetBytesMax is more than the largest packet, which the interfaces' MTU bounds.
	packetBytesMax = 16 << 10
	mtuBytes       = 9000
	// heldPacketsMax bounds the packets that are being delayed; more are lost, as in a router whose queue is full.
	heldPacketsMax = 20000
	// destinationEnd is where an IPv4 header has told its destination.
	destinationEnd = 20
)

// fabric is a switch of IPv4 packets between TUN interfaces, each of which is one host's. A goroutine per interface reads
// what its host sends; the packet goes to the host whose number the last byte of the destination is.
type fabric struct {
	ports []*os.File
	links [][]atomic.Pointer[Link]
	held  atomic.Int64
	// busy is held by the readers and by each delayed packet.
	busy sync.WaitGroup
}

func newFabric(hosts int) *fabric {
	f := &fabric{links: make([][]atomic.Pointer[Link], hosts)}
	for i := range f.links {
		f.links[i] = make([]atomic.Pointer[Link], hosts)
		for j := range f.links[i] {
			f.links[i][j].Store(&Link{})
		}
	}
	return f
}

// plug makes the TUN interface of the next host, in this process's namespace; it keeps working when it is moved to another.
func (f *fabric) plug(name string) error {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open /dev/net/tun: %w", err)
	}
	request, err := unix.NewIfreq(name)
	if err != nil {
		unix.Close(fd)
		return err
	}
	request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
	if err := unix.IoctlIfreq(fd, unix.TUNSETIFF, request); err != nil {
		unix.Close(fd)
		return fmt.Errorf("make interface %s: %w", name, err)
	}
	f.ports = append(f.ports, os.NewFile(uintptr(fd), name))
	return nil
}

// run starts to carry packets; close ends it.
func (f *fabric) run(seed uint64) {
	for from := range f.ports {
		f.busy.Add(1)
		go func() {
			defer f.busy.Done()
			f.carry(from, rand.New(rand.NewPCG(seed, uint64(from))))
		}()
	}
}

// carry takes what one host sends until its interface is closed.
func (f *fabric) carry(from int, random *rand.Rand) {
	buffer := make([]byte, packetBytesMax)
	for {
		size, err := f.ports[from].Read(buffer)
		if errors.Is(err, os.ErrClosed) {
			return
		}
		if err != nil || size < destinationEnd || buffer[0]>>4 != 4 {
			continue
		}
		to := int(buffer[destinationEnd-1]) - 1
		if to < 0 || to >= len(f.ports) || to == from {
			continue
		}
		f.forward(buffer[:size], to, *f.links[from][to].Load(), random)
	}
}

func (f *fabric) forward(packet []byte, to int, link Link, random *rand.Rand) {
	if link.Cut || random.Float64() < link.Loss {
		return
	}
	copies := 1
	if random.Float64() < link.Repeat {
		copies = 2
	}
	for range copies {
		delay := link.Delay
		if link.Jitter > 0 {
			delay += time.Duration(random.Int64N(int64(link.Jitter)))
		}
		if delay == 0 {
			// An interface that is down, or full, loses the packet.
			_, _ = f.ports[to].Write(packet)
			continue
		}
		f.hold(append([]byte(nil), packet...), to, delay)
	}
}

func (f *fabric) hold(packet []byte, to int, delay time.Duration) {
	if f.held.Add(1) > heldPacketsMax {
		f.held.Add(-1)
		return
	}
	f.busy.Add(1)
	time.AfterFunc(delay, func() {
		defer f.busy.Done()
		defer f.held.Add(-1)
		_, _ = f.ports[to].Write(packet)
	})
}

// close unplugs all hosts and waits until nothing is carried any more.
func (f *fabric) close() {
	for _, port := range f.ports {
		port.Close()
	}
	f.busy.Wait()
}
