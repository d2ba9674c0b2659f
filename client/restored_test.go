package client

import (
	"errors"
	"testing"
)

// A server that was restored gives numbers again that the device knows: it
// begins anew, and says so.
func TestARestoredServerIsBegunAnew(t *testing.T) {
	restored := 0
	l := &Live{opt: LiveOptions{Pos: 7, Generation: 1, Cursors: map[ChannelID]Cursor{5: {Seq: 30, Change: 2}}, CatchUp: -1,
		Events: Events{Restored: func() { restored++ }}}, first: make(chan struct{})}
	l.out.init(l)
	l.recv.init(l, t.Context())
	resumed := func(text string) error {
		l.recv.mu.Lock()
		defer l.recv.mu.Unlock()
		return l.recv.onResumed([]byte(text))
	}
	if err := resumed(`{"op":"resumed","pos":8,"generation":1}`); err != nil || restored != 0 {
		t.Fatalf("the same generation: %v, told %d times", err, restored)
	}
	if err := resumed(`{"op":"resumed","pos":9,"generation":2}`); !errors.Is(err, errRestored) || restored != 1 {
		t.Fatalf("another generation: %v, told %d times", err, restored)
	}
	if pos, cursors := l.Cursors(); pos != 0 || len(cursors) != 0 || l.Generation() != 2 {
		t.Errorf("still at %d with %v of generation %d", pos, cursors, l.Generation())
	}
	if err := resumed(`{"op":"resumed","pos":3,"generation":2}`); err != nil || restored != 1 {
		t.Errorf("the next resume: %v, told %d times", err, restored)
	}
	if pos, _ := l.Cursors(); pos != 3 {
		t.Errorf("at %d", pos)
	}
}

// TestWhoWasInNoChannelIsNoNewDevice: a device whose last channel was left, and
// that was asked in again while it was away, gets that channel from its beginning.
func TestWhoWasInNoChannelIsNoNewDevice(t *testing.T) {
	for what, tc := range map[string]struct {
		opt  LiveOptions
		want Seq
	}{
		"an earlier device, in no channel": {LiveOptions{Pos: 7, Cursors: map[ChannelID]Cursor{}}, 0},
		"an earlier device, in another":    {LiveOptions{Pos: 7, Cursors: map[ChannelID]Cursor{6: {Seq: 2}}}, 0},
		"a new device":                     {LiveOptions{}, 30},
		"a new device with an empty list":  {LiveOptions{Cursors: map[ChannelID]Cursor{}}, 30},
	} {
		tc.opt.CatchUp = 100
		l := &Live{opt: tc.opt, first: make(chan struct{})}
		l.out.init(l)
		l.recv.init(l, t.Context())
		l.recv.locked(func() {
			frame := `{"op":"resumed","pos":9,"entries":[{"channel":"5","kind":2,"member":true,"pos":9,"last_seq":30,"read_seq":0}]}`
			if err := l.recv.onResumed([]byte(frame)); err != nil {
				t.Fatal(what, err)
			}
		})
		if _, at := l.Cursors(); at[5].Seq != tc.want {
			t.Errorf("%s: the channel begins after %d, want %d", what, at[5].Seq, tc.want)
		}
		l.recv.close()
	}
}
