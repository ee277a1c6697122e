package sessionqueue

// Place is a watch as its session's queue sees it. Watches embed it.
type Place struct {
	queued int
	floor  int64
	inLine bool
	ended  bool
}

// Watch is what a queue may hold: a pointer to a struct that embeds Place.
type Watch interface {
	comparable
	place() *Place
}

func (p *Place) place() *Place { return p }

// End marks the watch as ended: what is queued for it is passed over, and so is its place in the line.
func (p *Place) End() { p.ended = true }

// Ended tells whether End was called.
func (p *Place) Ended() bool { return p.ended }

// Queued tells whether a delivery is queued.
func (p *Place) Queued() bool { return p.queued > 0 }

// Floor is, while a delivery is queued, a revision up to which everything came before.
func (p *Place) Floor() int64 { return p.floor }

// InLine tells whether the watch stands in the line.
func (p *Place) InLine() bool { return p.inLine }
