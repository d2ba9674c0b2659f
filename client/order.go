package client

import (
	"encoding/json"
	"fmt"
	"time"
)

// catchWorkers is how many channels of one Live are fetched at a time.
const catchWorkers = 4

// message takes a live message: next in order it is handed over, an old one is
// a repetition, and one too far ahead shows a gap.
func (r *receiver) message(o object) error {
	if !o.find("message") {
		return fmt.Errorf("client: a frame without its message: %.80q", o.b)
	}
	d, ok := scanDelivery(o.b[o.i:])
	if !ok {
		return fmt.Errorf("client: a message that cannot be read: %.80q", o.b)
	}
	if r.l.opt.CatchUp < 0 {
		return r.give(d, o)
	}
	f := r.channels[d.Channel]
	if f == nil {
		f = &inflow{}
		if !r.resumed {
			f.Cursor.Seq = d.Seq - 1
		}
		r.channels[d.Channel] = f
	}
	f.target = max(f.target, d.Seq)
	switch {
	case d.Seq <= f.Seq:
		return nil
	case d.Seq == f.Seq+1:
		f.Seq = d.Seq
		if err := r.next(f, d, o); err != nil {
			return err
		}
		return r.release(f)
	}
	f.keep(d, o.value())
	if len(f.kept) == maxKept {
		r.fetch(d.Channel, f)
	} else {
		r.ahead(d.Channel, f, d.Seq, 0)
	}
	return nil
}

// keep keeps a message that came too early. The newest are kept: those before
// them will be fetched, and then these follow on without another fetch.
func (f *inflow) keep(d Delivery, raw []byte) {
	f.kept = append(f.kept, keptMessage{d, append([]byte(nil), raw...)})
	f.keptBytes += len(raw)
	for len(f.kept) > maxKept || f.keptBytes > maxKeptBytes {
		f.keptBytes -= len(f.kept[0].raw)
		f.kept = f.kept[1:]
	}
}

// release hands over kept messages that are next now.
func (r *receiver) release(f *inflow) error {
	for again := true; again && len(f.kept) > 0; {
		again = false
		rest := f.kept[:0]
		f.keptBytes = 0
		for _, k := range f.kept {
			switch {
			case k.d.Seq <= f.Seq:
			case k.d.Seq == f.Seq+1:
				f.Seq = k.d.Seq
				again = true
				if err := r.next(f, k.d, object{b: k.raw}); err != nil {
					return err
				}
			default:
				rest = append(rest, k)
				f.keptBytes += len(k.raw)
			}
		}
		f.kept = rest
	}
	if len(f.kept) == 0 {
		f.kept = nil
	}
	return nil
}

// give hands over the message that o stands on.
func (r *receiver) give(d Delivery, o object) error {
	if fn := r.l.opt.Delivery; fn != nil {
		fn(d)
	}
	if fn := r.l.opt.Message; fn != nil {
		var m Message
		if err := json.Unmarshal(o.value(), &m); err != nil {
			return fmt.Errorf("client: a message: %w", err)
		}
		fn(m)
	}
	return nil
}

// giveMessage hands over a message that came by history.
func (r *receiver) giveMessage(m Message) {
	if fn := r.l.opt.Delivery; fn != nil {
		fn(Delivery{Channel: m.Channel, Seq: m.Seq, Sender: m.Sender, ClientMsgID: m.ClientMsgID})
	}
	if fn := r.l.opt.Message; fn != nil {
		fn(m)
	}
}

// changed takes a live change.
func (r *receiver) changed(frame []byte) error {
	if r.l.opt.Change == nil {
		return nil
	}
	var v struct{ Message Message }
	if err := json.Unmarshal(frame, &v); err != nil {
		return fmt.Errorf("client: a change: %w", err)
	}
	m := v.Message
	if r.l.opt.CatchUp < 0 {
		r.l.opt.Change(m)
		return nil
	}
	f := r.channels[m.Channel]
	if f == nil || m.Change <= f.Change {
		return nil // of a channel not begun, whose messages will come as they are by then
	}
	f.change = max(f.change, m.Change)
	if f.behind || m.Seq > f.Seq || m.Change != f.Change+1 {
		// Changes are fetched after messages: one taken now could be followed by
		// the message's older state from a page under way.
		r.fetch(m.Channel, f)
		return nil
	}
	f.Change = m.Change
	r.l.opt.Change(m)
	return nil
}

// fetch has a channel fetched by a worker.
func (r *receiver) fetch(id ChannelID, f *inflow) {
	if f.behind || r.closed {
		return
	}
	f.behind = true
	r.queueFetch(id)
}

func (r *receiver) queueFetch(id ChannelID) {
	r.behind = append(r.behind, id)
	if r.catching < catchWorkers && !r.closed {
		r.catching++
		r.l.catchers.Go(r.catchWorker)
	}
}

// catchWorker fetches channels until none is behind.
func (r *receiver) catchWorker() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.behind) > 0 && !r.closed {
		id := r.behind[0]
		r.behind = r.behind[1:]
		r.mu.Unlock()
		err := r.catchUp(id)
		r.mu.Lock()
		if f := r.channels[id]; f != nil {
			r.afterCatchUp(id, f, err)
		}
	}
	r.catching--
}

func (r *receiver) afterCatchUp(id ChannelID, f *inflow, err error) {
	switch {
	case err == nil:
		f.back.Reset()
		f.behind = false
		if r.lacks(f) {
			r.fetch(id, f) // it has grown meanwhile
		}
	case CodeOf(err) == "not_member":
		r.forget(id)
	default: // do has tried several times; the worker goes on with other channels meanwhile
		r.later(f.back.Next(0), func() { r.queueFetch(id) })
	}
}

// catchUp fetches the messages after the cursor, then the changes.
func (r *receiver) catchUp(id ChannelID) error {
	for first := true; ; first = false {
		at, ok := r.at(id)
		if !ok {
			return nil
		}
		if first && r.skip(id) {
			continue
		}
		page, err := r.l.c.History(r.ctx, id, HistoryQuery{After: at.Seq, HasAfter: true, Limit: 200})
		if err != nil {
			return err
		}
		if err := r.applyPage(id, page); err != nil {
			return err
		}
		if !page.MoreAfter {
			break
		}
	}
	if r.l.opt.Change == nil {
		return nil
	}
	return r.catchChanges(id)
}

func (r *receiver) at(id ChannelID) (Cursor, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.channels[id]
	if f == nil || r.closed {
		return Cursor{}, false
	}
	return f.Cursor, true
}

// skip moves the cursor of a channel that is more than CatchUp behind.
func (r *receiver) skip(id ChannelID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.channels[id]
	if f == nil || f.target-f.Seq <= Seq(r.l.opt.CatchUp) {
		return false
	}
	from := f.Seq + 1
	f.Seq = f.target - Seq(r.l.opt.CatchUp)
	if fn := r.l.opt.Skipped; fn != nil {
		fn(id, from, f.Seq)
	}
	return true
}

func (r *receiver) applyPage(id ChannelID, page Page) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.channels[id]
	if f == nil {
		return nil
	}
	for _, m := range page.Messages {
		if m.Seq <= f.Seq {
			continue // came live meanwhile
		}
		if m.Seq != f.Seq+1 {
			return fmt.Errorf("client: channel %s: history goes from %d to %d", id, f.Seq, m.Seq)
		}
		f.Seq = m.Seq
		r.l.meter.fetched.Add(1)
		if newer, ok := f.takeFresh(m.Seq); ok && newer.Change > m.Change {
			m = newer
		}
		r.giveMessage(m)
	}
	if err := r.release(f); err != nil {
		return err
	}
	if !page.MoreAfter && page.LastSeq > f.Seq {
		return fmt.Errorf("client: channel %s: history ends at %d, but %d exists", id, f.Seq, page.LastSeq)
	}
	return nil
}

// later runs f under the lock after a pause, unless the Live has ended by then.
func (r *receiver) later(d time.Duration, f func()) {
	time.AfterFunc(d, func() { // holds nothing but memory when it fires late
		r.mu.Lock()
		defer r.mu.Unlock()
		if !r.closed {
			f()
		}
	})
}
