package snapshot

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/quoratedb/quorate/services/consensus/internal/durabledir"
	"github.com/quoratedb/quorate/services/consensus/peer/internal/wire"
)

// pull gets the files of one snapshot from its sender.
type pull struct {
	cfg     Config
	network Network
	from    uint64
	id      string
	urls    []string // that the sender gave
	got     *arrived
	tried   int // requests in a row that failed
}

// arrived is a directory with a part of a snapshot.
type arrived struct {
	key      takeKey
	dir      string
	verified map[string]int64 // bytes that are written and have the right checksum, by file
	synced   map[string]bool
}

// takeKey tells snapshots apart.
type takeKey struct {
	from uint64
	id   string
}

// brokenTransfer is the error of a transfer that may go on later from where it was.
type brokenTransfer struct{ err error }

func (b *brokenTransfer) Error() string { return b.err.Error() }
func (b *brokenTransfer) Unwrap() error { return b.err }

// all gets what is missing, and makes it durable.
func (p *pull) all(ctx context.Context) error {
	var m manifest
	err := p.persistently(ctx, func() (err error) {
		m, err = p.manifest(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("get the manifest: %w", err)
	}
	if err := m.check(); err != nil {
		return err
	}
	filesystem := p.cfg.FS
	if err := durabledir.Make(filesystem, p.got.dir); err != nil {
		return fmt.Errorf("make the snapshot's directory: %w", err)
	}
	missing := m.size()
	for _, n := range p.got.verified {
		missing -= n
	}
	if err := room(filesystem, p.got.dir, missing); err != nil {
		return err
	}
	for _, f := range m.Files {
		if p.got.synced[f.Name] {
			continue
		}
		if err := p.file(ctx, f); err != nil {
			return fmt.Errorf("file %s: %w", f.Name, err)
		}
	}
	return durabledir.Sync(filesystem, p.got.dir)
}

// file gets one file, from where it was.
func (p *pull) file(ctx context.Context, f manifestFile) (err error) {
	filesystem := p.cfg.FS
	path := filesystem.PathJoin(p.got.dir, f.Name)
	var out vfs.File
	if _, begun := p.got.verified[f.Name]; begun {
		out, err = filesystem.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
	} else {
		out, err = filesystem.Create(path, vfs.WriteCategoryUnspecified)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	buffer := pieces.Get().(*[pieceBytes]byte)
	defer pieces.Put(buffer)
	for p.got.verified[f.Name] < f.Size {
		offset := p.got.verified[f.Name]
		piece := buffer[:min(pieceBytes, f.Size-offset)]
		if err := p.persistently(ctx, func() error { return p.piece(ctx, f, offset, piece) }); err != nil {
			return err
		}
		if _, err := out.WriteAt(piece, offset); err != nil {
			return fmt.Errorf("write: %w", err)
		}
		p.got.verified[f.Name] = offset + int64(len(piece))
	}
	if err := out.Sync(); err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	p.got.verified[f.Name] = f.Size
	p.got.synced[f.Name] = true
	return nil
}

// persistently repeats a request that fails, until the sender says that there is no point, too many have failed in a
// row, or ctx ends.
func (p *pull) persistently(ctx context.Context, request func() error) error {
	pause := backoffMin
	for {
		err := request()
		if err == nil {
			p.tried = 0
			return nil
		}
		if ctx.Err() != nil {
			return &brokenTransfer{context.Cause(ctx)}
		}
		p.tried++
		var refusal *wire.Refusal
		if errors.As(err, &refusal) && refusal.Reason != wire.RefusedNotNow {
			return err
		}
		p.cfg.Notices.Warn(p.from, "a request for a snapshot failed and is repeated", "error", err)
		if p.tried >= attemptsMax {
			return &brokenTransfer{fmt.Errorf("%d requests failed, the last one: %w", p.tried, err)}
		}
		select {
		case <-ctx.Done():
			return &brokenTransfer{context.Cause(ctx)}
		case <-time.After(pause):
			pause = min(2*pause, backoffMax)
		}
	}
}

func (p *pull) manifest(ctx context.Context) (m manifest, err error) {
	err = p.request(ctx, http.MethodGet, "", nil, nil, func(response *http.Response) error {
		return json.NewDecoder(io.LimitReader(response.Body, manifestBytesMax)).Decode(&m)
	})
	if err == nil && m.ID != p.id {
		err = fmt.Errorf("the manifest is of snapshot %q", m.ID)
	}
	return m, err
}

// piece reads the bytes of f from offset on, as many as into holds, and checks them.
func (p *pull) piece(ctx context.Context, f manifestFile, offset int64, into []byte) error {
	last := offset + int64(len(into)) - 1
	header := http.Header{"Range": {fmt.Sprintf("bytes=%d-%d", offset, last)}}
	return p.request(ctx, http.MethodGet, "/"+url.PathEscape(f.Name), header, nil, func(response *http.Response) error {
		want := fmt.Sprintf("bytes %d-%d/%d", offset, last, f.Size)
		if got := response.Header.Get("Content-Range"); response.StatusCode != http.StatusPartialContent || got != want {
			return fmt.Errorf("got %s with the range %q instead of %q", response.Status, got, want)
		}
		if _, err := io.ReadFull(response.Body, into); err != nil {
			return err
		}
		sum, err := strconv.ParseUint(response.Header.Get(headerChecksum), 16, 32)
		if err != nil || crc32.Checksum(into, wire.Castagnoli) != uint32(sum) {
			return fmt.Errorf("%s: the bytes do not have the checksum %q that they were sent with", want, response.Header.Get(headerChecksum))
		}
		return nil
	})
}

func (p *pull) report(ctx context.Context, told result) error {
	body, err := json.Marshal(told)
	if err != nil {
		return err
	}
	return p.request(ctx, http.MethodPost, "/result", http.Header{"Content-Type": {"application/json"}}, body, func(*http.Response) error { return nil })
}

// request asks the sender, at the URL that its streams use and then at those that it gave, until one answers.
func (p *pull) request(ctx context.Context, method, below string, header http.Header, body []byte, read func(*http.Response) error) error {
	ctx, cancel := context.WithTimeout(ctx, pieceTimeout)
	defer cancel()
	urls := p.urls
	if known, ok := p.network.URL(p.from); ok {
		urls = append([]string{known}, urls...)
	}
	err := errors.New("the peer has no URL")
	tried := make(map[string]bool, len(urls))
	for _, base := range urls {
		if tried[base] {
			continue
		}
		tried[base] = true
		err = p.requestAt(ctx, wire.RequestURL(base)+wire.PathSnapshot+url.PathEscape(p.id)+below, method, header, body, read)
		var refusal *wire.Refusal
		if err == nil || errors.As(err, &refusal) && refusal.Reason != wire.RefusedMember {
			return err
		}
	}
	return err
}

func (p *pull) requestAt(ctx context.Context, target, method string, header http.Header, body []byte, read func(*http.Response) error) error {
	req, err := http.NewRequestWithContext(ctx, method, target, bytes.NewReader(body))
	if err != nil {
		return err
	}
	for name, values := range header {
		req.Header[name] = values
	}
	response, err := p.network.HTTPClient(p.from).Do(req)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if err := wire.RefusalOf(response); err != nil {
		return err
	}
	return read(response)
}

// room refuses what would fill the disk.
func room(filesystem vfs.FS, dir string, size int64) error {
	usage, err := filesystem.GetDiskUsage(dir)
	if errors.Is(err, vfs.ErrUnsupported) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for room for a snapshot: %w", err)
	}
	if usage.AvailBytes < uint64(size)+diskReserveBytes {
		return fmt.Errorf("no room for a snapshot of %d bytes in %s: %d bytes are free, of which %d must stay free", size, dir, usage.AvailBytes, int64(diskReserveBytes))
	}
	return nil
}
