package snapshot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/quoratedb/quorate/pkg/identity"
	"github.com/quoratedb/quorate/services/consensus/peer/internal/wire"
)

// use returns the checkpoint that a peer asks for while it is the one that it was offered, until leave is called, and
// notes that the peer is there.
func (s *Sender) use(from uint64, id string) (tr *transfer, leave func(), refusal *wire.Refusal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	tr = s.mu.transfers[from]
	if tr == nil || tr.checkpoint.manifest.ID != id {
		return nil, nil, wire.Refuse(wire.RefusedSnapshot, "snapshot %q is not, or not any more, for member %x", id, from)
	}
	tr.checkpoint.users++
	select {
	case tr.touched <- struct{}{}:
	default:
	}
	return tr, func() { s.drop(tr.checkpoint) }, nil
}

// ServeManifest answers with what the snapshot that from asks for consists of.
func (s *Sender) ServeManifest(from uint64, w http.ResponseWriter, req *http.Request) {
	tr, leave, refusal := s.use(from, req.PathValue("id"))
	if refusal != nil {
		refusal.Write(w)
		return
	}
	defer leave()
	wire.WriteJSON(w, tr.checkpoint.manifest)
}

// ServeFile answers with one piece of one file, which the header Range must name, and its checksum.
func (s *Sender) ServeFile(from uint64, w http.ResponseWriter, req *http.Request) {
	tr, leave, refusal := s.use(from, req.PathValue("id"))
	if refusal != nil {
		refusal.Write(w)
		return
	}
	defer leave()
	name := req.PathValue("file")
	i := slices.IndexFunc(tr.checkpoint.manifest.Files, func(f manifestFile) bool { return f.Name == name })
	if i < 0 {
		wire.Refuse(wire.RefusedSnapshot, "snapshot %q has no file %q", tr.checkpoint.manifest.ID, name).Write(w)
		return
	}
	file := tr.checkpoint.manifest.Files[i]
	first, last, err := parseRange(req.Header.Get("Range"), file.Size)
	if err != nil {
		w.Header().Set("Content-Range", fmt.Sprintf("bytes */%d", file.Size))
		http.Error(w, err.Error(), http.StatusRequestedRangeNotSatisfiable)
		return
	}
	if err := s.servePiece(w, req, tr, file, first, last); err != nil {
		s.cfg.Notices.Warn(from, "a piece of a snapshot was not sent", "file", name, "error", err)
	}
}

// servePiece sends the bytes from first to last of a file.
func (s *Sender) servePiece(w http.ResponseWriter, req *http.Request, tr *transfer, file manifestFile, first, last int64) error {
	ctx, cancel := context.WithTimeout(req.Context(), pieceTimeout)
	defer cancel()
	err := s.pace.WaitN(ctx, int(last-first+1))
	buffer := pieces.Get().(*[pieceBytes]byte)
	defer pieces.Put(buffer)
	piece := buffer[:last-first+1]
	if err == nil {
		err = s.readPiece(tr.checkpoint, file.Name, piece, first)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return err
	}
	control := http.NewResponseController(w)
	if err := control.SetWriteDeadline(time.Now().Add(pieceTimeout)); err != nil {
		return err
	}
	w.Header().Set(headerChecksum, strconv.FormatUint(uint64(crc32.Checksum(piece, wire.Castagnoli)), 16))
	w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", first, last, file.Size))
	w.Header().Set("Content-Length", strconv.Itoa(len(piece)))
	w.Header().Set("Content-Type", "application/octet-stream")
	w.WriteHeader(http.StatusPartialContent)
	n, err := w.Write(piece)
	s.cfg.Metrics.SnapshotBytes.WithLabelValues(identity.Format(tr.to)).Add(float64(n))
	return errors.Join(err, control.SetWriteDeadline(time.Time{}))
}

func (s *Sender) readPiece(c *checkpoint, name string, piece []byte, offset int64) error {
	fs := s.cfg.FS
	f, err := fs.Open(fs.PathJoin(c.dir, name))
	if err != nil {
		return err
	}
	n, err := f.ReadAt(piece, offset)
	if n == len(piece) && errors.Is(err, io.EOF) {
		err = nil
	}
	return errors.Join(err, f.Close())
}

// parseRange accepts one range with both ends, within a file of size bytes and no longer than a piece.
func parseRange(header string, size int64) (first, last int64, err error) {
	spec, ok := strings.CutPrefix(header, "bytes=")
	from, to, both := strings.Cut(spec, "-")
	if ok && both {
		first, err = strconv.ParseInt(from, 10, 64)
		if err == nil {
			last, err = strconv.ParseInt(to, 10, 64)
		}
	}
	if !ok || !both || err != nil || first < 0 || last < first || last >= size || last-first >= pieceBytes {
		return 0, 0, fmt.Errorf("range %q is not of the form bytes=FIRST-LAST, at most %d bytes, within the file's %d", header, pieceBytes, size)
	}
	return first, last, nil
}

// ServeResult takes note of how a peer's transfer ended.
func (s *Sender) ServeResult(from uint64, w http.ResponseWriter, req *http.Request) {
	tr, leave, refusal := s.use(from, req.PathValue("id"))
	if refusal != nil {
		refusal.Write(w)
		return
	}
	defer leave()
	var told result
	if err := json.NewDecoder(http.MaxBytesReader(w, req.Body, resultBytesMax)).Decode(&told); err != nil {
		wire.Refuse(wire.RefusedRequest, "result of a snapshot: %v", err).Write(w)
		return
	}
	var err error
	if !told.OK {
		err = fmt.Errorf("the peer says: %s", told.Error)
	}
	s.finish(from, func(current *transfer) bool { return current == tr }, err)
	w.WriteHeader(http.StatusNoContent)
}
