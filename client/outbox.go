package client

import (
	"context"
	"encoding/json"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"
)

const (
	maxInFlight = 60      // sends of one session not answered; the server takes 64
	idleLanes   = 16      // empty lanes kept for the next message
	maxOutbox   = 8 << 20 // bytes waiting in an outbox
	// mostHeld bounds the back-off of a refused send: a node refuses at once what
	// it cannot store, so asking often is cheap, and when it can the message is not
	// to wait for long.
	mostHeld = 4 * time.Second
)

// outbox keeps what is not yet stored, per channel in the order of Enqueue. It
// is written again after every reconnection until the server answers.
type outbox struct {
	l *Live

	mu       sync.Mutex
	closed   error
	online   bool
	lanes    map[ChannelID]*lane
	inFlight map[ClientMsgID]*item
	waiting  []*lane // lanes that wait for a place in flight
	count    int
	bytes    int
}

// lane is the outbox of one channel.
type lane struct {
	items  []*item // in order
	queued bool    // in outbox.waiting
	held   bool    // a refused send waits for its time
	back   Backoff
}

type item struct {
	id    ClientMsgID
	lane  *lane
	chanl ChannelID
	frame []byte
	since time.Time // when it was enqueued
	sent  time.Time // zero: not in flight
	done  func(Receipt, error)
}

func (o *outbox) init(l *Live) {
	o.l = l
	o.lanes = map[ChannelID]*lane{}
	o.inFlight = map[ClientMsgID]*item{}
}

// Send sends a message and waits until it is stored or refused for good. When
// ctx ends first the message may still be stored; Send with the same
// ClientMsgID tells.
func (l *Live) Send(ctx context.Context, m Outgoing) (Receipt, error) {
	if m.ClientMsgID == (ClientMsgID{}) {
		m.ClientMsgID = NewClientMsgID()
	}
	type result struct {
		r   Receipt
		err error
	}
	c := make(chan result, 1)
	if err := l.Enqueue(m, func(r Receipt, err error) { c <- result{r, err} }); err != nil {
		return Receipt{}, err
	}
	select {
	case got := <-c:
		return got.r, got.err
	case <-ctx.Done():
		l.out.withdraw(m.ClientMsgID, m.Channel)
		return Receipt{}, ctx.Err()
	}
}

// Enqueue puts a message in the outbox and returns. done, which may be nil, is
// called once, under the rules of Events, with the receipt or the refusal. An
// id that is in the outbox already must not be enqueued again before its done.
func (l *Live) Enqueue(m Outgoing, done func(Receipt, error)) error {
	if m.ClientMsgID == (ClientMsgID{}) {
		m.ClientMsgID = NewClientMsgID()
	}
	if !utf8.ValidString(m.Body) {
		return &Error{Code: "bad_text", Message: "the body is not UTF-8"}
	}
	it := &item{id: m.ClientMsgID, chanl: m.Channel, frame: sendFrame(m), since: time.Now(), done: done}
	return l.out.add(it, l.opt.Queue)
}

func (o *outbox) add(it *item, limit int) error {
	defer o.flush()
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed != nil {
		return o.closed
	}
	if o.count >= limit || o.bytes+len(it.frame) > maxOutbox {
		return ErrOutboxFull
	}
	ln := o.lanes[it.chanl]
	if ln == nil {
		ln = &lane{back: Backoff{Cap: mostHeld}}
		o.lanes[it.chanl] = ln
	}
	it.lane = ln
	ln.items = append(ln.items, it)
	o.count++
	o.bytes += len(it.frame)
	o.pumpLocked(ln)
	return nil
}

// pumpLocked queues on the connection what the windows allow; flush, without
// the lock, then writes it in the same order.
func (o *outbox) pumpLocked(ln *lane) {
	w := o.l.wire.Load()
	if !o.online || w == nil || ln.held {
		return
	}
	for i := 0; i < len(ln.items) && i < o.l.opt.Window; i++ {
		it := ln.items[i]
		if !it.sent.IsZero() {
			continue
		}
		if len(o.inFlight) >= maxInFlight {
			if !ln.queued {
				ln.queued = true
				o.waiting = append(o.waiting, ln)
			}
			return
		}
		it.sent = time.Now()
		o.inFlight[it.id] = it
		w.enqueue(it.frame)
	}
}

func (o *outbox) flush() {
	if w := o.l.wire.Load(); w != nil {
		w.flush()
	}
}

// nextLocked gives a free place in flight to a lane that waits.
func (o *outbox) nextLocked(ln *lane) {
	o.pumpLocked(ln)
	for len(o.waiting) > 0 && len(o.inFlight) < maxInFlight {
		first := o.waiting[0]
		o.waiting = o.waiting[1:]
		first.queued = false
		o.pumpLocked(first)
	}
}

// ack settles a send that is stored.
func (o *outbox) ack(r Receipt) {
	o.settle(r.ClientMsgID, func(it *item) {
		o.l.meter.sent(time.Since(it.since))
		it.finish(r, nil)
	})
}

// settle removes an item in flight, gives its place on and then calls f.
func (o *outbox) settle(id ClientMsgID, f func(*item)) {
	o.mu.Lock()
	it := o.inFlight[id]
	if it != nil {
		o.removeLocked(it)
		it.lane.back.Reset()
		o.nextLocked(it.lane)
	}
	o.mu.Unlock()
	if it != nil {
		o.flush()
		f(it)
	}
}

func (it *item) finish(r Receipt, err error) {
	if it.done != nil {
		it.done(r, err)
	}
}

func (o *outbox) removeLocked(it *item) {
	delete(o.inFlight, it.id)
	ln := it.lane
	for i, other := range ln.items {
		if other == it {
			copy(ln.items[i:], ln.items[i+1:])
			ln.items[len(ln.items)-1] = nil
			ln.items = ln.items[:len(ln.items)-1]
			break
		}
	}
	o.count--
	o.bytes -= len(it.frame)
	if len(ln.items) == 0 && !ln.queued && !ln.held && len(o.lanes) > idleLanes {
		delete(o.lanes, it.chanl)
	}
}

// nack settles a refused send, or holds its channel until it may be tried again.
func (o *outbox) nack(id ClientMsgID, refused *Error) {
	if !refused.Retry {
		o.settle(id, func(it *item) { it.finish(Receipt{}, refused) })
		return
	}
	after, held := o.hold(id, refused)
	o.flush()
	if fn := o.l.opt.Refused; fn != nil && held {
		fn(id, refused, after)
	}
}

// hold takes a refused send out of flight and holds its channel for a while. It
// returns how long the refusal took.
func (o *outbox) hold(id ClientMsgID, refused *Error) (after time.Duration, held bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	it := o.inFlight[id]
	if it == nil {
		return 0, false
	}
	after = time.Since(it.sent)
	delete(o.inFlight, id)
	it.sent = time.Time{}
	ln := it.lane
	if !ln.held {
		ln.held = true
		time.AfterFunc(ln.back.Next(refused.After), func() { // holds nothing but memory when it fires late
			defer o.flush()
			o.mu.Lock()
			defer o.mu.Unlock()
			ln.held = false
			o.pumpLocked(ln)
		})
	}
	o.nextLocked(ln)
	return after, true
}

// goOnline writes again everything that was not answered, in order.
func (o *outbox) goOnline() {
	defer o.flush()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.online = true
	for _, ln := range o.lanes {
		o.pumpLocked(ln)
	}
}

func (o *outbox) offline() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.online = false
	for id, it := range o.inFlight {
		it.sent = time.Time{}
		delete(o.inFlight, id)
	}
	for _, ln := range o.waiting {
		ln.queued = false
	}
	o.waiting = nil
}

// withdraw takes back a message that is not in flight.
func (o *outbox) withdraw(id ClientMsgID, channel ChannelID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	ln := o.lanes[channel]
	if ln == nil {
		return
	}
	for _, it := range ln.items {
		if it.id == id && it.sent.IsZero() {
			o.removeLocked(it)
			return
		}
	}
}

// overdue tells whether a send has waited too long for its answer.
func (o *outbox) overdue(d time.Duration) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, it := range o.inFlight {
		if time.Since(it.sent) > d {
			return true
		}
	}
	return false
}

// fail ends everything in the outbox.
func (o *outbox) fail(err error) {
	o.mu.Lock()
	o.closed = err
	var all []*item
	for _, ln := range o.lanes {
		all = append(all, ln.items...)
		ln.items = nil
	}
	clear(o.inFlight)
	o.mu.Unlock()
	for _, it := range all {
		it.finish(Receipt{}, err)
	}
}

// sendFrame encodes a send.
func sendFrame(m Outgoing) []byte {
	b := make([]byte, 0, len(m.Body)+len(m.Body)/8+160)
	b = append(b, `{"op":"send","channel":"`...)
	b = strconv.AppendInt(b, int64(m.Channel), 10)
	b = append(b, `","client_msg_id":"`...)
	b = m.ClientMsgID.append(b)
	b = append(b, `","body":`...)
	b = appendString(b, m.Body)
	for _, ref := range [...]struct {
		name string
		seq  Seq
	}{{`,"reply_to":`, m.ReplyTo}, {`,"thread":`, m.Thread}} {
		if ref.seq != 0 {
			b = append(b, ref.name...)
			b = strconv.AppendInt(b, int64(ref.seq), 10)
		}
	}
	for i, u := range m.Mentions {
		if i == 0 {
			b = append(b, `,"mentions":["`...)
		} else {
			b = append(b, `","`...)
		}
		b = strconv.AppendInt(b, int64(u), 10)
	}
	if len(m.Mentions) > 0 {
		b = append(b, `"]`...)
	}
	if m.MentionAll {
		b = append(b, `,"mention_all":true`...)
	}
	return append(b, '}')
}

// appendString encodes a JSON string; plain text is copied as it is.
func appendString(b []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < 0x20 || c == '"' || c == '\\' {
			q, _ := json.Marshal(s) // a string always encodes
			return append(b, q...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}
