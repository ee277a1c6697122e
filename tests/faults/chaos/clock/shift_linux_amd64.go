package clock

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// reader is the vDSO's function that Go programs read clocks with; unused is one that they do not call, whose place
	// the new code takes.
	reader, unused = "__vdso_clock_gettime", "__vdso_gettimeofday"
	// jumpBytes is the length of a jump to an address near by.
	jumpBytes = 5
	// stoppedWithin bounds the wait until a signalled process stands still.
	stoppedWithin = 5 * time.Second
	lookAgain     = time.Millisecond
	// triesMax bounds how often a process is let go on because a thread stood where the code is to change.
	triesMax = 1000
)

// code asks the kernel for the time and adds seconds to what the wall clock, number 0, says. It ends with those seconds' place:
//
//	mov eax, 228 (clock_gettime); syscall; test edi, edi; jne done; mov rcx, seconds; add [rsi], rcx; done: ret
func code(seconds int64) []byte {
	c := []byte{0xb8, 228, 0, 0, 0, 0x0f, 0x05, 0x85, 0xff, 0x75, 13, 0x48, 0xb9}
	c = binary.LittleEndian.AppendUint64(c, uint64(seconds))
	return append(c, 0x48, 0x01, 0x0e, 0xc3)
}

// Shift makes the wall clock of a process differ from the machine's by so much from now on, in whole seconds. It lasts until the next
// Shift, or the process's end. The process stands still for a moment, and must not be stopped already.
func Shift(pid int, by time.Duration) error {
	v, err := find(pid)
	if err != nil {
		return fmt.Errorf("clock of process %d: %w", pid, err)
	}
	defer v.memory.Close()
	for range triesMax {
		done, err := v.rewrite(by)
		if err != nil {
			return fmt.Errorf("clock of process %d: %w", pid, err)
		}
		if done {
			return nil
		}
	}
	return fmt.Errorf("clock of process %d: a thread is always reading it", pid)
}

// vdso is the vDSO of a process, as far as it matters here.
type vdso struct {
	pid            int
	memory         *os.File
	reader, unused int64 // addresses
}

func find(pid int) (*vdso, error) {
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return nil, err
	}
	var begin, end int64
	for line := range strings.Lines(string(maps)) {
		if strings.HasSuffix(strings.TrimSpace(line), "[vdso]") {
			if _, err := fmt.Sscanf(line, "%x-%x", &begin, &end); err != nil {
				return nil, err
			}
		}
	}
	if begin == 0 {
		return nil, errors.New("no vDSO")
	}
	memory, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", pid), os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	v := &vdso{pid: pid, memory: memory}
	image := make([]byte, end-begin)
	if _, err = memory.ReadAt(image, begin); err == nil {
		err = v.symbols(image, begin)
	}
	if err != nil {
		memory.Close()
		return nil, err
	}
	return v, nil
}

func (v *vdso) symbols(image []byte, begin int64) error {
	file, err := elf.NewFile(bytes.NewReader(image))
	if err != nil {
		return err
	}
	symbols, err := file.DynamicSymbols()
	if err != nil {
		return err
	}
	for _, s := range symbols {
		switch s.Name {
		case reader:
			v.reader = begin + int64(s.Value)
		case unused:
			if int(s.Size) >= len(code(0)) {
				v.unused = begin + int64(s.Value)
			}
		}
	}
	if v.reader == 0 || v.unused == 0 {
		return errors.New("its vDSO is of another form")
	}
	return nil
}

// rewrite changes the code while the process stands still. It reports false if a thread stands where the code changes.
func (v *vdso) rewrite(by time.Duration) (bool, error) {
	if err := syscall.Kill(v.pid, syscall.SIGSTOP); err != nil {
		return false, err
	}
	defer func() { _ = syscall.Kill(v.pid, syscall.SIGCONT) }()
	free, err := v.awaitStop()
	if err != nil || !free {
		return false, err
	}
	if _, err := v.memory.WriteAt(code(int64(by/time.Second)), v.unused); err != nil {
		return false, err
	}
	jump := binary.LittleEndian.AppendUint32([]byte{0xe9}, uint32(v.unused-v.reader-jumpBytes))
	_, err = v.memory.WriteAt(jump, v.reader)
	return err == nil, err
}

// awaitStop waits until all threads stand still, and reports whether none of them stands in code that is to change.
func (v *vdso) awaitStop() (bool, error) {
	deadline := time.Now().Add(stoppedWithin)
	for {
		stopped, free, err := v.look()
		if err != nil || stopped {
			return free, err
		}
		if time.Now().After(deadline) {
			return false, errors.New("it does not stop")
		}
		<-time.After(lookAgain)
	}
}

func (v *vdso) look() (stopped, free bool, err error) {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", v.pid))
	if err != nil {
		return false, false, err
	}
	stopped, free = true, true
	for _, task := range tasks {
		stat, err := os.ReadFile(filepath.Join(task, "stat"))
		if err != nil {
			return false, false, err
		}
		// The state follows the name, which is in brackets and may hold anything.
		if after := stat[bytes.LastIndexByte(stat, ')')+1:]; len(after) < 2 || after[1] != 'T' {
			return false, false, nil
		}
		// Its last word is the address at which the thread goes on.
		where, err := os.ReadFile(filepath.Join(task, "syscall"))
		if err != nil {
			return false, false, err
		}
		words := strings.Fields(string(where))
		at, err := strconv.ParseInt(strings.TrimPrefix(words[len(words)-1], "0x"), 16, 64)
		if err != nil {
			return false, false, nil
		}
		inJump := at > v.reader && at < v.reader+jumpBytes
		inCode := at > v.unused && at < v.unused+int64(len(code(0)))
		if inJump || inCode {
			free = false
		}
	}
	return stopped, free, nil
}
