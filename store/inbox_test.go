package store

import (
	"fmt"
	"sync"
	"testing"

	"gori/chat"
)

func TestReadMarks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	ctx := t.Context()
	ids := w.people(2)
	id := w.group(ids[0], ids[1])
	for i := range 5 { // 2 to 6
		w.say(id, ids[0], fmt.Sprint(i))
	}
	mark := func(seq chat.Seq) (chat.InboxEntry, bool) {
		t.Helper()
		e, moved, err := w.MarkRead(ctx, chat.ReadMark{User: ids[1], Channel: id, Seq: seq})
		if err != nil {
			t.Fatal(err)
		}
		return e, moved
	}
	w.quiet()
	if e, _ := w.entry(ids[1], id); e.LastCount-e.ReadCount != 5 {
		t.Fatalf("unread: %+v", e)
	}
	e, moved := mark(4)
	if !moved || e.ReadSeq != 4 || e.LastCount-e.ReadCount != 2 {
		t.Fatalf("moved %v to %+v", moved, e)
	}
	if e, moved = mark(3); moved || e.ReadSeq != 4 {
		t.Fatalf("went back: %+v", e)
	}
	if e, moved = mark(1000); !moved || e.ReadSeq != 6 || e.ReadCount != e.LastCount {
		t.Fatalf("beyond the last: %+v", e)
	}
	if _, moved = mark(0); moved {
		t.Fatal("moved to nothing")
	}
	pos := e.Pos
	if !w.told(func(n chat.InboxNotice) bool { return n.User == ids[1] && n.Entry.Pos == pos && n.Entry.ReadSeq == 6 }) {
		t.Error("the other devices did not hear")
	}
	eventually(t, "the channel knows the mark", func() bool {
		for _, m := range sure(w.Members(ctx, ids[0], id)) {
			if m.User == ids[1] {
				return m.ReadSeq == 6
			}
		}
		return false
	})
	w.quiet()
	_, _, err := w.MarkRead(ctx, chat.ReadMark{User: 99, Channel: id, Seq: 1})
	wantCode(t, err, chat.CodeNotMember)
}

// A mark that comes before the inbox has heard of the channel is not lost.
func TestReadMarkBeforeTheFanOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	ctx := t.Context()
	ids := w.people(2)
	c := sure(w.OpenDirect(ctx, ids[0], ids[1]))
	if _, ok := w.entry(ids[1], c.ID); ok {
		t.Fatal("the peer has an entry already")
	}
	r := w.say(c.ID, ids[0], "one")
	e, _, err := w.MarkRead(ctx, chat.ReadMark{User: ids[1], Channel: c.ID, Seq: r.Seq})
	if err != nil || e.ReadSeq != r.Seq || e.Peer != ids[0] {
		t.Fatalf("%+v, %v", e, err)
	}
	w.quiet()
	if e, _ := w.entry(ids[1], c.ID); e.LastCount != 1 || e.ReadCount != 1 || e.Preview != "one" {
		t.Fatalf("%+v", e)
	}
}

func TestInboxPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	ctx := t.Context()
	u := w.person("ann")
	for i := range 5 {
		w.group(u)
		_ = i
	}
	w.quiet()
	var pos chat.Pos
	var seen []chat.Pos
	for {
		p := sure(w.Inbox(ctx, u, pos, 2))
		for _, e := range p.Entries {
			seen = append(seen, e.Pos)
		}
		if p.Pos < pos || p.More && p.Pos != p.Entries[len(p.Entries)-1].Pos {
			t.Fatalf("pos %d after %d", p.Pos, pos)
		}
		pos = p.Pos
		if !p.More {
			break
		}
	}
	if len(seen) != 5 {
		t.Fatalf("%d entries in pages", len(seen))
	}
	if p := sure(w.Inbox(ctx, u, pos, 10)); len(p.Entries) != 0 || p.Pos != pos || p.Entries == nil {
		t.Fatalf("after the end: %+v", p)
	}
	_, err := w.Inbox(ctx, 99, 0, 10)
	wantCode(t, err, chat.CodeNotFound)
}

func TestPreferences(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	ctx := t.Context()
	u := w.person("ann")
	id := w.group(u)
	w.quiet()
	level, pin := chat.LevelMentions, true
	e, err := w.Prefer(ctx, u, id, chat.Preference{Level: &level})
	if err != nil || e.Level != level || e.Pinned {
		t.Fatalf("%+v, %v", e, err)
	}
	e2, err := w.Prefer(ctx, u, id, chat.Preference{Pinned: &pin})
	if err != nil || e2.Level != level || !e2.Pinned || e2.Pos <= e.Pos {
		t.Fatalf("%+v, %v", e2, err)
	}
	if e3, err := w.Prefer(ctx, u, id, chat.Preference{Pinned: &pin}); err != nil || e3.Pos != e2.Pos {
		t.Fatalf("nothing changed, but %+v, %v", e3, err)
	}
	if !w.told(func(n chat.InboxNotice) bool { return n.User == u && n.Entry.Pinned }) {
		t.Error("the other devices did not hear")
	}
	_, err = w.Prefer(ctx, u, 12345, chat.Preference{Pinned: &pin})
	wantCode(t, err, chat.CodeNotMember)
}

// Positions of one inbox are committed in their order: who reads up to one has
// seen all before.
func TestInboxPositionsHaveNoHoles(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	ctx := t.Context()
	ids := w.people(4)
	var channels []chat.ChannelID
	for range 4 {
		channels = append(channels, w.group(ids[0], ids[1:]...))
	}
	known := map[chat.ChannelID]chat.InboxEntry{}
	var pos chat.Pos
	var wg sync.WaitGroup
	for _, u := range ids[1:] {
		wg.Go(func() {
			for i := range 25 {
				w.say(channels[i%4], u, "x")
				level := chat.Level(i % 3)
				if _, err := w.Prefer(ctx, ids[0], channels[i%4], chat.Preference{Level: &level}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	read := func() {
		p := sure(w.Inbox(ctx, ids[0], pos, 3))
		for _, e := range p.Entries {
			known[e.Channel] = e
		}
		pos = p.Pos
	}
	for running := true; running; read() {
		select {
		case <-done:
			running = false
		default:
		}
	}
	w.quiet()
	for range 10 {
		read()
	}
	for _, e := range sure(w.Inbox(ctx, ids[0], 0, 10)).Entries {
		if k := known[e.Channel]; fmt.Sprint(k) != fmt.Sprint(e) {
			t.Fatalf("a device that followed has %+v, the inbox %+v", k, e)
		}
	}
}
