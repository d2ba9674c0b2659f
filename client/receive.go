package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"
)

// noticeWait is how long a message may come after one that follows it, or after
// the inbox entry that counts it, before it is fetched.
const noticeWait = 500 * time.Millisecond

// receiver puts the messages of each channel in order. Everything in it, and
// every event, happens under mu.
type receiver struct {
	l   *Live
	ctx context.Context // of the Live, for fetching

	mu      sync.Mutex
	closed  bool
	resumed bool // once at least
	pos     Pos
	// Of the server; another one says that all the rest here is void.
	generation int64
	channels   map[ChannelID]*inflow
	noticed    map[ChannelID]Cursor // channels with something missing, and how far they were then
	timer      *time.Timer          // looks at noticed
	behind     []ChannelID          // to be fetched
	catching   int                  // workers that fetch
}

// inflow is what a device has of one channel.
type inflow struct {
	Cursor
	target    Seq // known to exist
	change    Change
	behind    bool // being fetched; live messages are not taken meanwhile but through it
	kept      []keptMessage
	keptBytes int
	fresh     map[Seq]Message // altered messages that have not come yet
	back      Backoff
}

// keptMessage is a live message that waits for those before it.
type keptMessage struct {
	d   Delivery
	raw []byte
}

// Live messages of a channel kept while a gap is filled; others are fetched.
const (
	maxKept      = 512
	maxKeptBytes = 4 << 20
)

func (r *receiver) init(l *Live, ctx context.Context) {
	r.l, r.ctx, r.pos = l, ctx, l.opt.Pos
	r.channels = make(map[ChannelID]*inflow, len(l.opt.Cursors))
	for id, c := range l.opt.Cursors {
		r.channels[id] = &inflow{Cursor: c}
	}
	// A device that had been removed from all channels has no cursor left, and is
	// still no new one.
	r.resumed = len(l.opt.Cursors) > 0 || l.opt.Cursors != nil && l.opt.Pos > 0
	r.generation = l.opt.Generation
}

func (r *receiver) locked(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
}

func (r *receiver) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	if r.timer != nil {
		r.timer.Stop()
	}
}

func (r *receiver) cursors() (Pos, map[ChannelID]Cursor) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := make(map[ChannelID]Cursor, len(r.channels))
	pos := r.pos
	for id, f := range r.channels {
		m[id] = f.Cursor
		if r.lacks(f) {
			pos = 0 // only the whole inbox would tell of it again
		}
	}
	return pos, m
}

// placed tells whether the device has a position to resume at.
func (r *receiver) placed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.pos > 0
}

func (r *receiver) resumeFrame() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := append([]byte(nil), `{"op":"resume","v":1,"pos":`...)
	b = strconv.AppendInt(b, int64(r.pos), 10)
	return append(b, '}')
}

// handle takes one frame.
func (l *Live) handle(frame []byte) error {
	if fn := l.opt.Frame; fn != nil {
		fn(frame)
	}
	o, ok := openObject(frame)
	if !ok {
		return fmt.Errorf("client: a frame that is no object: %.60q", frame)
	}
	op, rest := "", o
	for {
		k, ok := rest.key()
		if !ok {
			return fmt.Errorf("client: a frame without op: %.60q", frame)
		}
		v := rest.value()
		if string(k) == "op" {
			op = opOf(v)
			break
		}
	}
	r := &l.recv
	r.mu.Lock()
	defer r.mu.Unlock()
	switch op {
	case "msg":
		return r.message(o)
	case "ack":
		l.out.ack(scanReceipt(o))
	case "nack":
		return r.nack(frame)
	case "inbox":
		return r.inbox(frame, o)
	case "resumed":
		return r.onResumed(frame)
	case "change":
		return r.changed(frame)
	case "pong", "":
	default:
		return r.others(op, frame)
	}
	return nil
}

// opOf names the usual ops without allocating.
func opOf(v []byte) string {
	switch string(v) {
	case `"msg"`:
		return "msg"
	case `"ack"`:
		return "ack"
	case `"inbox"`:
		return "inbox"
	case `"pong"`:
		return "pong"
	case `"presence"`:
		return "presence"
	}
	return text(v)
}

// find steps onto the value of a member; false if it is not there.
func (o *object) find(name string) bool {
	for {
		k, ok := o.key()
		if !ok {
			return false
		}
		if string(k) == name {
			return true
		}
		o.value()
	}
}

// field is the value of a member, nil if it is not there.
func (o object) field(name string) []byte {
	if !o.find(name) {
		return nil
	}
	return o.value()
}

func scanReceipt(o object) (r Receipt) {
	for {
		k, ok := o.key()
		if !ok {
			return r
		}
		v := o.value()
		switch string(k) {
		case "channel":
			r.Channel = ChannelID(number(v))
		case "client_msg_id":
			if len(v) == 38 {
				_ = r.ClientMsgID.UnmarshalText(v[1:37]) // an unknown id settles nothing
			}
		case "seq":
			r.Seq = Seq(number(v))
		case "n":
			r.Count = number(v)
		case "thread_n":
			r.ThreadCount = number(v)
		case "at":
			r.At = Millis(number(v))
		case "dup":
			r.Duplicate = string(v) == "true"
		}
	}
}

func (r *receiver) nack(frame []byte) error {
	var f struct {
		ID      *ClientMsgID `json:"client_msg_id"`
		Ref     string       `json:"ref"`
		Code    string       `json:"code"`
		Message string       `json:"message"`
		Retry   bool         `json:"retry"`
		AfterMS int64        `json:"after_ms"`
	}
	if err := json.Unmarshal(frame, &f); err != nil {
		return fmt.Errorf("client: a nack: %w", err)
	}
	e := &Error{Code: f.Code, Message: f.Message, Retry: f.Retry, After: time.Duration(f.AfterMS) * time.Millisecond}
	if f.ID != nil {
		r.l.out.nack(*f.ID, e)
		return nil
	}
	if f.Ref == "resume" {
		return e
	}
	return nil
}

func (r *receiver) onResumed(frame []byte) error {
	var f Resumed
	if err := json.Unmarshal(frame, &f); err != nil {
		return fmt.Errorf("client: resumed: %w", err)
	}
	if known := r.pos > 0 || r.resumed; known && f.Generation != r.generation {
		r.startAnew(f.Generation)
		return errRestored
	}
	r.generation = f.Generation
	r.entries(f.Entries, !r.resumed)
	r.pos = max(r.pos, f.Pos)
	if f.More {
		r.morePages(!r.resumed)
	}
	r.resumed = true
	r.l.meter.resumed()
	if fn := r.l.opt.Connected; fn != nil {
		fn(f)
	}
	r.l.out.goOnline()
	r.l.firstOnce.Do(func() { close(r.l.first) })
	return nil
}

// errRestored ends a connection whose answer began at a position that is void.
var errRestored = errors.New("client: the server was restored from a backup; starting anew")

// startAnew forgets all but what waits to be sent: the server numbers anew from
// an earlier state on.
func (r *receiver) startAnew(generation int64) {
	r.generation, r.pos, r.resumed = generation, 0, false
	clear(r.channels)
	clear(r.noticed)
	r.behind = nil
	if fn := r.l.opt.Restored; fn != nil {
		fn()
	}
}

// morePages reads the rest of the inbox in a goroutine of the Live.
func (r *receiver) morePages(first bool) {
	after := r.pos
	r.l.catchers.Go(func() {
		for {
			page, err := r.l.c.Inbox(r.ctx, after, 500)
			if err != nil {
				r.l.Drop() // the next resume begins at the last page that was applied
				return
			}
			r.mu.Lock()
			r.entries(page.Entries, first)
			r.pos = max(r.pos, page.Pos)
			after = r.pos
			if fn := r.l.opt.Inbox; fn != nil {
				fn(page.Entries)
			}
			r.mu.Unlock()
			if !page.More {
				return
			}
		}
	})
}

// entries notes what the inbox says. On the very first resume a channel begins
// at its present end.
func (r *receiver) entries(list []InboxEntry, first bool) {
	if r.l.opt.CatchUp < 0 {
		return
	}
	for i := range list {
		e := &list[i]
		f := r.channels[e.Channel]
		switch {
		case !e.Member:
			r.forget(e.Channel)
			continue
		case f == nil && first:
			r.channels[e.Channel] = &inflow{Cursor: Cursor{e.LastSeq, e.LastChange}, target: e.LastSeq, change: e.LastChange}
			continue
		case f == nil:
			f = &inflow{}
			r.channels[e.Channel] = f
		}
		r.ahead(e.Channel, f, e.LastSeq, e.LastChange)
	}
}

// forget drops what is kept of a channel the user is no member of.
func (r *receiver) forget(id ChannelID) {
	if r.channels[id] == nil {
		return
	}
	delete(r.channels, id)
	if fn := r.l.opt.Left; fn != nil {
		fn(id)
	}
}

// ahead notes that a channel has grown; what has not come by noticeWait later
// is fetched.
func (r *receiver) ahead(id ChannelID, f *inflow, seq Seq, change Change) {
	f.target = max(f.target, seq)
	f.change = max(f.change, change)
	if !r.lacks(f) || f.behind || r.closed {
		return
	}
	if r.noticed == nil {
		r.noticed = map[ChannelID]Cursor{}
	}
	if _, already := r.noticed[id]; already {
		return
	}
	if len(r.noticed) == 0 {
		if r.timer == nil {
			r.timer = time.AfterFunc(noticeWait, r.lookAtNoticed)
		} else {
			r.timer.Reset(noticeWait)
		}
	}
	r.noticed[id] = f.Cursor
}

// lacks tells whether something is known to exist that the device has not.
func (r *receiver) lacks(f *inflow) bool {
	return f.Seq < f.target || r.l.opt.Change != nil && f.Change < f.change
}

// lookAtNoticed fetches what has not moved since it was noticed; what moves is
// looked at again.
func (r *receiver) lookAtNoticed() {
	r.mu.Lock()
	defer r.mu.Unlock()
	noticed := r.noticed
	r.noticed = nil
	for id, then := range noticed {
		f := r.channels[id]
		switch {
		case f == nil || !r.lacks(f):
		case f.Seq < f.target && f.Seq == then.Seq, f.Change < f.change && f.Change == then.Change:
			r.fetch(id, f)
		default:
			r.ahead(id, f, f.target, f.change)
		}
	}
}
