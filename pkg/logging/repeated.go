package logging

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// One place in the code may log repeatedMax lines within repeatedWithin; those above are left out, and counted in the first one after. A store
// in trouble says the same many times a second, and would hide everything else, or fill the disk that it is in trouble for.
const (
	repeatedMax    = 100
	repeatedWithin = 10 * time.Second
)

// limited leaves out lines of places that log too many. Debugging lines are never left out: who asks for them wants all.
type limited struct {
	slog.Handler
	places *places
}

// places are those in the code that have logged: as many as the program has.
type places struct {
	now func() time.Time
	mu  struct {
		sync.Mutex
		of map[uintptr]*place
	}
}

type place struct {
	began         time.Time
	lines, hidden int
}

func newLimited(inner slog.Handler, now func() time.Time) limited {
	p := &places{now: now}
	p.mu.of = make(map[uintptr]*place)
	return limited{Handler: inner, places: p}
}

// Handle implements slog.Handler.
func (l limited) Handle(ctx context.Context, r slog.Record) error {
	if r.Level >= slog.LevelInfo {
		hidden, show := l.places.take(r.PC)
		if !show {
			return nil
		}
		if hidden > 0 {
			r = r.Clone()
			r.AddAttrs(slog.Int("lines-left-out", hidden))
		}
	}
	return l.Handler.Handle(ctx, r)
}

// take counts a line of a place. It returns how many were left out before it, and whether it is shown.
func (p *places) take(pc uintptr) (hidden int, show bool) {
	now := p.now()
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.mu.of[pc]
	if at == nil {
		at = &place{began: now}
		p.mu.of[pc] = at
	}
	if now.Sub(at.began) >= repeatedWithin {
		hidden = at.hidden
		*at = place{began: now}
	}
	at.lines++
	if at.lines > repeatedMax {
		at.hidden++
		return 0, false
	}
	return hidden, true
}

func (l limited) WithAttrs(attrs []slog.Attr) slog.Handler {
	return limited{Handler: l.Handler.WithAttrs(attrs), places: l.places}
}

func (l limited) WithGroup(name string) slog.Handler {
	return limited{Handler: l.Handler.WithGroup(name), places: l.places}
}
