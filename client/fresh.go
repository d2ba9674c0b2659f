package client

import (
	"fmt"
	"math"
)

// maxFresh bounds the altered messages kept of a channel until the device has
// come to them.
const maxFresh = 1_000

// anySeq asks for changes of all messages.
const anySeq = Seq(math.MaxInt64)

// catchChanges fetches what was altered after the cursor. A message beyond the
// cursor may be on its way as it was before: its new state is kept and handed
// over instead, since the cursor then says that the change is known.
func (r *receiver) catchChanges(id ChannelID) error {
	for {
		at, ok := r.at(id)
		if !ok {
			return nil
		}
		page, err := r.l.c.Changes(r.ctx, id, at.Change, anySeq)
		if err != nil {
			return err
		}
		if err := r.applyChanges(id, page); err != nil {
			return err
		}
		if !page.MoreAfter {
			return nil
		}
	}
}

func (r *receiver) applyChanges(id ChannelID, page Page) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	f := r.channels[id]
	if f == nil {
		return nil
	}
	for _, m := range page.Messages {
		if m.Change <= f.Change {
			continue
		}
		if m.Seq > f.Seq && len(f.fresh) >= maxFresh {
			return fmt.Errorf("client: channel %s: more than %d messages were altered before they came", id, maxFresh)
		}
		f.Change = m.Change
		if m.Seq <= f.Seq {
			r.l.opt.Change(m)
			continue
		}
		if f.fresh == nil {
			f.fresh = map[Seq]Message{}
		}
		f.fresh[m.Seq] = m
	}
	if !page.MoreAfter {
		f.Change = max(f.Change, page.LastChange)
		f.change = max(f.change, f.Change)
	}
	return nil
}

// takeFresh takes the kept new state of a message, if there is one.
func (f *inflow) takeFresh(seq Seq) (Message, bool) {
	m, ok := f.fresh[seq]
	delete(f.fresh, seq)
	return m, ok
}

// next hands over the live message that o stands on, or its newer state.
func (r *receiver) next(f *inflow, d Delivery, o object) error {
	if m, ok := f.takeFresh(d.Seq); ok {
		r.giveMessage(m)
		return nil
	}
	return r.give(d, o)
}
