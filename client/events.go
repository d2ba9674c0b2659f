package client

import (
	"encoding/json"
	"fmt"
)

// inbox takes live inbox entries. Only two numbers of each are needed unless
// somebody listens.
func (r *receiver) inbox(frame []byte, o object) error {
	if fn := r.l.opt.Inbox; fn == nil && r.l.opt.CatchUp < 0 {
		r.pos = max(r.pos, Pos(number(o.field("pos"))))
		return nil
	}
	var f struct {
		Pos     Pos          `json:"pos"`
		Entries []InboxEntry `json:"entries"`
	}
	if r.l.opt.Inbox == nil && scanInbox(o, &f.Pos, &f.Entries) {
		r.entries(f.Entries, false)
		r.pos = max(r.pos, f.Pos)
		return nil
	}
	f.Entries = nil
	if err := json.Unmarshal(frame, &f); err != nil {
		return fmt.Errorf("client: an inbox frame: %w", err)
	}
	r.entries(f.Entries, false)
	r.pos = max(r.pos, f.Pos)
	if fn := r.l.opt.Inbox; fn != nil {
		fn(f.Entries)
	}
	return nil
}

// others decodes the ops that only listeners need.
func (r *receiver) others(op string, frame []byte) error {
	ev := &r.l.opt.Events
	var err error
	switch op {
	case "presence":
		err = pass(frame, ev.Presence, func(f struct{ States []PresenceState }) []PresenceState { return f.States })
	case "typing":
		err = pass(frame, ev.Typing, func(f Typing) Typing { return f })
	case "read":
		err = pass(frame, ev.Read, func(f ReadMark) ReadMark { return f })
	case "user":
		err = pass(frame, ev.User, func(f struct{ User User }) User { return f.User })
	case "channel":
		err = pass(frame, ev.Channel, func(f struct{ Channel Channel }) Channel { return f.Channel })
	case "friend":
		if ev.Friend != nil {
			var f struct {
				Friend Friend
				User   User
			}
			if err = json.Unmarshal(frame, &f); err == nil {
				ev.Friend(f.Friend, f.User)
			}
		}
	}
	if err != nil {
		return fmt.Errorf("client: a frame %s: %w", op, err)
	}
	return nil // an op of a later server means nothing to this client
}

func pass[F, V any](frame []byte, listener func(V), take func(F) V) error {
	if listener == nil {
		return nil
	}
	var f F
	if err := json.Unmarshal(frame, &f); err != nil {
		return err
	}
	listener(take(f))
	return nil
}
