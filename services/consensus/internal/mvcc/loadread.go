package mvcc

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/quoratedb/quorate/services/consensus/internal/externalsort"
)

// LoadSample is where a version is: its revision and key.
type LoadSample struct {
	Revision int64
	Key      []byte
}

const (
	// loadBucketBytes is about how much of the versions is sorted at once: of less than that much a processor has a good part in its caches. Each of up to
	// loadBucketsMax such buckets is filled by every reader.
	loadBucketBytes, loadBucketsMax = 4 << 20, 256
	// loadSamplesEach is how many samples there are for each bucket, and loadSamplesLeast how many a part has that is read.
	loadSamplesEach, loadSamplesLeast = 16, 8
)

// versionReader reads the versions of some revisions as they come, has them sorted, and writes history as far as it is known. It is for one goroutine.
type versionReader struct {
	l *loading
	// adder is one of those that readers hand on.
	adder *externalsort.Adder
	// to is the revision behind the last, 0 for the end.
	from, to int64
	// begins is where its first version is, and ends where the first one is that is another's.
	begins, ends versionPlace
	history      *historyWriter
	count        readCount
	keyBuf       []byte
}

// versionPlace is where a version is among those that are walked; there is none at 0.0.
type versionPlace struct{ revision, sub int64 }

// sample cuts what will be read into parts, and says which keys will be about as many steps apart. Without samples there is one part and no key.
func (l *loading) sample() (readers []*versionReader, bounds [][]byte) {
	var revisions []int64
	if l.content.Sample != nil && l.content.VersionsFrom != nil {
		buckets := cmp.Or(l.cfg.loadParts, min(max(len(l.content.File)/loadBucketBytes, l.writers()), loadBucketsMax))
		samples := l.content.Sample(loadSamplesEach * buckets)
		keys := make([][]byte, 0, len(samples))
		for _, s := range samples {
			revisions = append(revisions, s.Revision)
			keys = append(keys, keyOfSorted(appendSortKey(nil, s.Key, 0)))
		}
		slices.Sort(revisions)
		slices.SortFunc(keys, bytes.Compare)
		revisions, bounds = cutSmaller(revisions, cmp.Or(l.cfg.loadParts, l.writers())), slices.CompactFunc(cut(keys, buckets), bytes.Equal)
	}
	from := int64(0)
	for _, at := range append(revisions, 0) {
		if at > max(from, firstRevision) || at == 0 {
			readers = append(readers, &versionReader{l: l, from: from, to: at, history: newHistoryWriter(l, max(from, l.now.compacted), at)})
			from = at
		}
	}
	return readers, bounds
}

// cut returns what is at the ends of n equal parts, but for the last one's.
func cut[T any](sorted []T, n int) (ends []T) {
	for i := 1; i < n && len(sorted) > 0; i++ {
		ends = append(ends, sorted[i*len(sorted)/n])
	}
	return ends
}

// cutSmaller returns what is at the ends of parts, but for the last one's, that so many goroutines take one after another: they become smaller, so that
// all goroutines have done at about the same time.
func cutSmaller[T any](sorted []T, goroutines int) (ends []T) {
	for at := 0; ; {
		at += max((len(sorted)-at)/(2*goroutines), loadSamplesLeast)
		if at >= len(sorted) {
			return ends
		}
		ends = append(ends, sorted[at])
	}
}

// sortVersions distributes the versions as they will lie on disk, and writes history as far as it is known.
func (l *loading) sortVersions() error {
	readers, bounds := l.sample()
	for _, r := range readers {
		l.histories = append(l.histories, r.history)
	}
	l.versions = externalsort.NewBuckets(externalsort.BucketsConfig{
		Dir: l.sortDir, Pattern: sortPattern, Bounds: bounds, BucketBytes: l.memory.bucketBytes, RunBytes: l.cfg.loadRunBytes, Keep: l.memory.keep,
	})
	adders := make(chan *externalsort.Adder, l.writers())
	for range cap(adders) {
		adders <- l.versions.Adder()
	}
	err := eachAtOnce(l.ctx, len(readers), cap(adders), func(ctx context.Context, i int) error {
		readers[i].adder = <-adders
		defer func() { adders <- readers[i].adder }()
		return readers[i].read(ctx)
	})
	if err != nil {
		return err
	}
	for range cap(adders) {
		if err := (<-adders).End(); err != nil {
			return err
		}
	}
	for i := range readers[:len(readers)-1] {
		if readers[i].ends != readers[i+1].begins {
			return fmt.Errorf("versions behind revision %d are not in order", readers[i].to)
		}
	}
	l.progress.allRead()
	return nil
}

func (r *versionReader) read(ctx context.Context) error {
	r.count = r.l.progress.reads(ctx)
	versions := r.l.content.Versions
	if r.from > 0 {
		versions = r.l.content.VersionsFrom(r.from)
	}
	err := r.l.eachVersion(versions, r.take)
	if err != nil && !errors.Is(err, errEnough) {
		return err
	}
	r.count.tell()
	if r.history.late {
		return nil
	}
	return r.history.tables.cut() // what is written is on the disk long before it is waited for
}

func (r *versionReader) take(v *LoadVersion) error {
	at := versionPlace{v.Revision, v.Sub}
	if r.begins == (versionPlace{}) {
		r.begins = at
	}
	if r.to > 0 && v.Revision >= r.to {
		r.ends = at
		return errEnough
	}
	if err := r.count.version(v); err != nil {
		return err
	}
	if err := r.history.early(v); err != nil {
		return err
	}
	if r.history.late {
		r.count.late++
	}
	r.keyBuf = appendSortKey(r.keyBuf[:0], v.Key, v.Revision)
	return r.adder.Add(r.keyBuf, sortedMost+len(v.Value), func(dst []byte) []byte { return r.l.appendSorted(dst, v) })
}

// eachVersion calls fn with the given versions, one by one.
func (l *loading) eachVersion(versions iter.Seq2[*LoadVersion, error], fn func(*LoadVersion) error) error {
	if versions == nil {
		return nil
	}
	var before versionPlace
	for v, err := range versions {
		if err != nil {
			return err
		}
		if len(v.Key) == 0 || v.Revision <= 0 || v.Revision > l.now.revision || v.Sub < 0 || v.Sub >= treeSub {
			return fmt.Errorf("version of key %q at revision %d.%d does not belong below revision %d", v.Key, v.Revision, v.Sub, l.now.revision)
		}
		if v.Revision < before.revision || v.Revision == before.revision && v.Sub <= before.sub {
			return fmt.Errorf("version of key %q at revision %d.%d comes behind %d.%d", v.Key, v.Revision, v.Sub, before.revision, before.sub)
		}
		before = versionPlace{v.Revision, v.Sub}
		v.Record.sub = v.Sub
		if err := fn(v); err != nil {
			return err
		}
	}
	return nil
}
