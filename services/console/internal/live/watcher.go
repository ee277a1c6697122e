package live

import (
	"context"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"

	consolev1 "github.com/quoratedb/quorate/pkg/gen/quorate/console/v1"
)

const (
	// perSecond bounds the events of one watch: what a page gets where it does not say, and at most.
	perSecondDefault, perSecondMax = 50, 1000
	// sampleMax is how many events are shown at once of a watch whose events come faster than they may be shown.
	sampleMax = 5
	// valueBytesMax is how much of a value is shown, and messageBytesMax from how much on a message is sent.
	valueBytesMax, messageBytesMax = 64 << 10, 512 << 10
	// window is the time in which events are counted, and sampleEvery how often there is a look at a watch with too many of them.
	window, sampleEvery = time.Second, 2 * time.Second
)

// watcher is one watch of a stream.
type watcher struct {
	stream *stream
	asked  *consolev1.LiveWatch
	// next is the revision to go on at, 0 for now, as long as none is known.
	next int64
	// passedFrom is the first revision that was passed over, 0 where nothing is.
	passedFrom int64
	// left are how many events may be shown in the window that began at opened.
	left   int
	opened time.Time
	// sampling is set while it is not known whether all events may be shown again.
	sampling bool
	started  bool
}

func (s *stream) runWatch(ctx context.Context, asked *consolev1.LiveWatch) error {
	w := &watcher{stream: s, asked: asked, next: asked.GetStartRevision()}
	w.open(w.perSecond())
	for {
		over, err := w.follow(ctx)
		if over || err != nil {
			return err
		}
		// Too much came: look again, at the same time as other pages. Those that watch the same are told of the same batch then, which is read and encoded
		// once for all of them.
		pause := time.NewTimer(time.Until(time.Now().Truncate(sampleEvery).Add(sampleEvery)))
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return context.Cause(ctx)
		}
		w.open(min(sampleMax, w.perSecond()))
		w.sampling = w.perSecond() > sampleMax
	}
}

func (w *watcher) perSecond() int {
	if asked := int(w.asked.GetEventsPerSecond()); asked > 0 {
		return min(asked, perSecondMax)
	}
	return perSecondDefault
}

// open begins a window in which so many events may be shown.
func (w *watcher) open(events int) { w.opened, w.left, w.sampling = time.Now(), events, false }

// allowed tells how many events may be shown now: all of a window again where a sample took as long as it takes when all are shown.
func (w *watcher) allowed() int {
	since := time.Since(w.opened)
	switch {
	case since > window:
		w.open(w.perSecond())
	case w.left == 0 && w.sampling && since >= window*sampleMax/time.Duration(w.perSecond()):
		w.left, w.sampling = w.perSecond()-sampleMax, false
	}
	return w.left
}

// follow watches until the watch is over, or so many events come that it is better not to (over is false then).
func (w *watcher) follow(ctx context.Context) (over bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	watch, err := w.stream.watch.Watch(ctx)
	if err != nil {
		cancel()
		return false, err
	}
	told := &answer{WatchResponse: new(etcdserverpb.WatchResponse), allowed: w.allowed}
	defer func() {
		cancel()
		told.allowed = func() int { return 0 }
		for watch.RecvMsg(told) == nil { // until it has ended, so that nothing of it is left
		}
	}()
	start := w.next
	if w.passedFrom != 0 {
		start = 0
	}
	err = watch.Send(&etcdserverpb.WatchRequest{RequestUnion: &etcdserverpb.WatchRequest_CreateRequest{CreateRequest: &etcdserverpb.WatchCreateRequest{
		Key: w.asked.GetKey(), RangeEnd: w.asked.GetRangeEnd(), StartRevision: start, PrevKv: w.asked.GetPrevKv(), ProgressNotify: true, Fragment: true,
	}}})
	if err != nil {
		return false, err
	}
	for {
		told.Reset()
		if err := watch.RecvMsg(told); err != nil {
			return false, err
		}
		told.cut()
		switch {
		case told.GetCanceled():
			return true, w.ended(ctx, told.WatchResponse)
		case told.GetCreated():
			err = w.begun(ctx, told.GetHeader().GetRevision())
		case len(told.GetEvents()) == 0 && told.passed == 0:
			w.next = max(w.next, told.GetHeader().GetRevision()+1)
			err = w.tell(ctx, nil)
		default:
			err = w.show(ctx, told)
			if told.passed != 0 {
				return false, err
			}
		}
		if err != nil {
			return false, err
		}
	}
}

// ended tells that the watch is over. Others of the stream go on.
func (w *watcher) ended(ctx context.Context, answer *etcdserverpb.WatchResponse) error {
	reason := answer.GetCancelReason()
	if _, text, ok := strings.Cut(reason, " desc = "); ok {
		reason = text // etcd's refusals have gRPC's form around them
	}
	if reason == "" && answer.GetCompactRevision() != 0 {
		reason = "what it was to go on with is compacted"
	}
	err := w.stream.tell(ctx, &consolev1.LiveResponse{News: &consolev1.LiveResponse_Ended{Ended: &consolev1.LiveEnded{
		WatchId: w.asked.GetId(), Reason: reason, CompactedRevision: answer.GetCompactRevision(),
	}}})
	return err
}

// begun takes in that the store was at a revision when the watch began.
func (w *watcher) begun(ctx context.Context, revision int64) error {
	switch {
	case w.passedFrom != 0:
		w.next = revision + 1
		return w.tell(ctx, nil)
	case w.next == 0:
		w.next = revision + 1
	}
	if w.started {
		return nil
	}
	w.started = true
	return w.stream.tell(ctx, &consolev1.LiveResponse{News: &consolev1.LiveResponse_Started{Started: &consolev1.LiveStarted{
		WatchId: w.asked.GetId(), NextRevision: w.next,
	}}})
}

// show tells of events, and takes in what was passed over behind them.
func (w *watcher) show(ctx context.Context, told *answer) error {
	w.left -= len(told.GetEvents())
	events, bytes := []*consolev1.LiveEvent(nil), 0
	for _, event := range told.GetEvents() {
		revision := event.GetKv().GetModRevision()
		shown := w.event(event)
		events = append(events, shown)
		w.next = revision + 1
		if told.GetFragment() {
			w.next = revision // there may be more of it
		}
		if bytes += len(shown.GetKv().GetValue()) + len(shown.GetPrevKv().GetValue()); bytes >= messageBytesMax {
			// The last revision of it may not be over: whoever goes on there sees some of it again.
			w.next = revision
			if err := w.tell(ctx, events); err != nil {
				return err
			}
			events, bytes, w.next = nil, 0, revision+1
		}
	}
	if told.passed != 0 {
		w.next = told.passed
	}
	if len(events) > 0 {
		if err := w.tell(ctx, events); err != nil {
			return err
		}
	}
	w.passedFrom = told.passed
	return nil
}

// tell tells of events, how far the watch has got, and what was passed over before them.
func (w *watcher) tell(ctx context.Context, events []*consolev1.LiveEvent) error {
	told := &consolev1.LiveEvents{WatchId: w.asked.GetId(), Events: events, NextRevision: w.next}
	if w.passedFrom != 0 {
		told.PassedOverFrom, told.PassedOverTo = w.passedFrom, w.next
		w.passedFrom = 0
	}
	return w.stream.tell(ctx, &consolev1.LiveResponse{News: &consolev1.LiveResponse_Events{Events: told}})
}

func (w *watcher) event(event *mvccpb.Event) *consolev1.LiveEvent {
	made := &consolev1.LiveEvent{
		Deleted:    event.GetType() == mvccpb.Event_DELETE,
		ValueBytes: int64(len(event.GetKv().GetValue())), PrevValueBytes: int64(len(event.GetPrevKv().GetValue())),
	}
	made.Kv, made.PrevKv = w.cut(event.GetKv()), w.cut(event.GetPrevKv())
	return made
}

// cut leaves a key as much of its value as is shown.
func (w *watcher) cut(kv *mvccpb.KeyValue) *mvccpb.KeyValue {
	if kv == nil {
		return nil
	}
	most := valueBytesMax
	if w.asked.GetWithoutValues() {
		most = 0
	}
	if value := kv.GetValue(); len(value) > most {
		kv.Value = value[:most]
	}
	return kv
}
