package consensus

import (
	"math"
	"sync/atomic"

	"github.com/quoratedb/quorate/services/consensus/internal/datadir"
)

// DiskMarks say how much of a disk is kept free, for each of those that hold the log and the state. The soft mark is for
// people, who are warned when less is free. Below the hard mark writes that need space are refused. What is left there is
// for what must go on: deletions and compactions, which make the log and the state larger before they make room, what is
// still in memory and will be written, and files that are rewritten.
type DiskMarks struct {
	// SoftBytes and HardBytes are the marks, 0 for a part of the disk, negative for none.
	SoftBytes, HardBytes int64
}

// The marks of a disk about which nothing was said.
const (
	// hardMarkPart is which part of a disk is kept free, hardMarkMax the most that is.
	hardMarkPart = 20
	hardMarkMax  = 1 << 30
	// hardMarkMin is what the state's memtables take when they are written, and is kept free of a small disk too, unless that
	// is more than its hardMarkMinPart.
	hardMarkMin     = 64 << 20
	hardMarkMinPart = 4
	// softMarkTimes is how much larger the soft mark is than the hard one.
	softMarkTimes = 2
	// roomPart is by which part of the hard mark more than that must be free for writes to go on.
	roomPart = 4
)

// of returns the marks of a disk of a size, 0 for none.
func (d DiskMarks) of(total int64) (soft, hard int64) {
	hard = d.HardBytes
	if hard == 0 {
		hard = min(max(total/hardMarkPart, min(hardMarkMin, total/hardMarkMinPart)), hardMarkMax)
	}
	soft = d.SoftBytes
	if soft == 0 {
		soft = softMarkTimes * max(hard, 0)
	}
	return max(soft, 0), max(hard, 0)
}

// volume is the disk that a directory lies on.
type volume struct {
	// name says of what, dir where.
	name, dir string
	// free is how many bytes of it were left at the last look, negative while that is not known.
	free atomic.Int64
	// above is how many of them are above the hard mark, negative while that is not known.
	above atomic.Int64
	// level belongs to the goroutine of watchSpace.
	level diskLevel
}

// diskLevel is how full a disk is.
type diskLevel int

const (
	diskRoomy  diskLevel = iota
	diskScarce           // below the soft mark
	diskFull             // below the hard mark, or not far enough above it again
)

func newVolumes(cfg Config) []*volume {
	volumes := []*volume{{name: "log", dir: cfg.dir().Path(datadir.LogName)}, {name: "state", dir: cfg.dir().Path("")}}
	for _, v := range volumes {
		v.free.Store(-1)
		v.above.Store(-1)
	}
	return volumes
}

// lookAtVolumes measures the disks, and says where one has become full or not.
func (s *quota) lookAtVolumes() {
	full := false
	for _, v := range s.volumes {
		usage, err := s.fs.GetDiskUsage(v.dir)
		if err != nil {
			s.log.Debug("could not look how much of a disk is free", "of", v.name, "error", err)
			full = full || v.level == diskFull
			continue
		}
		free := int64(usage.AvailBytes)
		v.free.Store(free)
		soft, hard := s.marks.of(int64(usage.TotalBytes))
		v.above.Store(max(0, free-hard))
		if level := v.next(free, soft, hard); level != v.level {
			s.sayLevel(v, level, free, soft, hard)
			v.level = level
		}
		full = full || v.level == diskFull
	}
	s.full.Store(full)
}

// freeBytes is what is left on the fuller of the disks, 0 while that is not known.
func (s *quota) freeBytes() int64 {
	free := int64(math.MaxInt64)
	for _, v := range s.volumes {
		free = min(free, v.free.Load())
	}
	if free == math.MaxInt64 {
		return 0
	}
	return max(0, free)
}

// bound is what the state on disk may grow to, for whoever watches it grow: infinity while nobody knows, also once the state is closed.
func (s *quota) bound() float64 {
	if s.limit > 0 {
		return float64(s.limit)
	}
	tenure, ok := s.gate.Enter()
	if !ok {
		return math.Inf(1)
	}
	defer tenure.Leave()
	disk, _ := tenure.Store.Size()
	free := int64(math.MaxInt64)
	for _, v := range s.volumes {
		above := v.above.Load()
		if above < 0 {
			return math.Inf(1)
		}
		free = min(free, above)
	}
	return float64(disk) + float64(free)
}

// next is how full the disk is with so much free.
func (v *volume) next(free, soft, hard int64) diskLevel {
	switch {
	case free < hard, v.level == diskFull && free < hard+hard/roomPart:
		return diskFull
	case free < soft:
		return diskScarce
	}
	return diskRoomy
}

func (s *quota) sayLevel(v *volume, level diskLevel, free, soft, hard int64) {
	log := s.log.With("of", v.name, "directory", v.dir, "free", free, "soft-mark", soft, "hard-mark", hard)
	switch level {
	case diskFull:
		log.Error("the disk is nearly full, writes are refused until there is room: delete and compact, remove other files, or enlarge it")
	case diskScarce:
		log.Warn("the disk is filling up, writes will be refused at the hard mark")
	case diskRoomy:
		log.Info("the disk has room again")
	}
}
