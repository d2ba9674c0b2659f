package mesh

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"gori/chat"
)

// Whatever is queued comes out of the parts as it went in, in messages of
// bounded size.
func TestPartsPutTogether(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var p, receiver peer
		sizes := rapid.SliceOfN(rapid.SampledFrom([]int{0, 1, 100, 5000, maxChunk / 2, maxChunk - 20, maxChunk, 3*maxChunk + 7}), 1, 6).Draw(t, "sizes")
		var want []string
		for i, size := range sizes {
			body := bytes.Repeat([]byte{byte(i)}, size)
			users := make([]chat.UserID, i)
			for k := range users {
				users[k] = chat.UserID(1<<62 + k)
			}
			p.addLocked(func(b []byte) []byte {
				return appendTiding(b, users, chat.Tiding{Kind: chat.TidingKind(i + 1), Body: body})
			})
			want = append(want, fmt.Sprint(i+1, users, len(body)))
		}
		var got []string
		parts(p.queue, p.ends, func(part []byte, flags byte) {
			if len(part) > maxChunk {
				t.Fatalf("a message of %d bytes", len(part))
			}
			whole := receiver.whole(flags, slices.Clone(part))
			if whole == nil {
				return
			}
			for it, err := range items(whole) {
				if err != nil {
					t.Fatal(err)
				}
				if i := int(it.tiding.Kind) - 1; !bytes.Equal(it.tiding.Body, bytes.Repeat([]byte{byte(i)}, len(it.tiding.Body))) {
					t.Fatal("another body")
				}
				got = append(got, fmt.Sprint(it.tiding.Kind, it.users, len(it.tiding.Body)))
			}
		})
		for i := range want {
			if i == 0 {
				want[i] = fmt.Sprint(1, []chat.UserID(nil), sizes[0])
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}

// A batch whose middle was lost is not put together of what is left.
func TestALostPartLosesItsBatchOnly(t *testing.T) {
	var p peer
	hear := func(number uint64, flags byte, part string) (missed bool, whole string) {
		missed, fresh := p.number(header{kind: kindBatch, link: 1, number: number})
		if !fresh {
			return missed, "stale"
		}
		return missed, string(p.whole(flags, []byte(part)))
	}
	for i, c := range []struct {
		number uint64
		flags  byte
		part   string
		missed bool
		whole  string
	}{
		{1, flagFirst, "a", true, ""}, {2, 0, "b", false, ""}, {3, flagLast, "c", false, "abc"},
		{4, flagFirst, "d", false, ""}, {6, flagLast, "f", true, ""},
		{7, flagFirst | flagLast, "g", false, "g"},
		{7, flagFirst | flagLast, "again", false, "stale"}, {5, 0, "late", false, "stale"},
		{8, flagFirst, "h", false, ""}, {9, flagFirst | flagLast, "i", false, "i"}, {10, flagLast, "j", false, ""},
	} {
		if missed, whole := hear(c.number, c.flags, c.part); missed != c.missed || whole != c.whole {
			t.Errorf("%d: number %d: missed %v, whole %q", i, c.number, missed, whole)
		}
	}
	if missed, _ := p.number(header{kind: kindBeat, link: 1, number: 10}); missed {
		t.Error("a beat that says what has come")
	}
	if missed, _ := p.number(header{kind: kindBeat, link: 1, number: 11}); !missed {
		t.Error("a beat that says more than has come")
	}
	if missed, fresh := p.number(header{kind: kindBatch, link: 2, number: 1}); !missed || !fresh {
		t.Error("a new acquaintance")
	}
}

// A full queue drops what comes, and the peer is told within a beat.
func TestAFullQueueIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var e ether
		a, b := e.node(t, "a", "1", nil), e.node(t, "b", "2", nil)
		settle(3 * time.Second)
		_, before := b.ear.counts()
		big := make([]byte, 1<<20)
		// All in one go, so that the sender has no turn between.
		a.mu.Lock()
		for range 20 {
			for _, p := range a.peers {
				a.queueLocked(p, func(b []byte) []byte { return appendTiding(b, nil, chat.Tiding{Kind: 1, Body: big}) })
			}
		}
		a.mu.Unlock()
		settle(chat.NodeBeatEvery + time.Second)
		tidings, missed := b.ear.counts()
		dropped := a.Stats().Dropped
		if tidings != maxQueueBytes>>20 || dropped != uint64(20-tidings) || missed == before {
			t.Errorf("%d heard, %d dropped, missed %d times more", tidings, dropped, missed-before)
		}
	})
}

// What waits shares a message.
func TestABatchIsOneMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var e ether
		a, b := e.node(t, "a", "1", nil), e.node(t, "b", "2", nil)
		settle(3 * time.Second)
		before := a.Stats().Sent
		a.mu.Lock()
		for range 1000 {
			for _, p := range a.peers {
				a.queueLocked(p, func(b []byte) []byte {
					return appendTiding(b, []chat.UserID{1}, chat.Tiding{Kind: 1, Body: []byte("x")})
				})
			}
		}
		a.mu.Unlock()
		a.poke()
		synctest.Wait()
		if n, _ := b.ear.counts(); n != 1000 {
			t.Errorf("%d heard at once", n)
		}
		if sent := a.Stats().Sent - before; sent != 1 {
			t.Errorf("in %d messages", sent)
		}
	})
}

// After a cut both sides look, and hear each other again.
func TestACutHeals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var e ether
		a, b, c := e.node(t, "a", "1", nil), e.node(t, "b", "2", nil), e.node(t, "c", "3", nil)
		settle(3 * time.Second)
		a.Cut("b", 20*time.Second)
		b.Cut("a", 20*time.Second)
		settle(10 * time.Second)
		_, missedA := a.ear.counts()
		_, missedB := b.ear.counts()
		a.ToAll(chat.Tiding{Kind: 1})
		settle(time.Second)
		if n, _ := b.ear.counts(); n != 0 {
			t.Error("heard through the cut")
		}
		if n, _ := c.ear.counts(); n != 1 {
			t.Error("the third node does not hear")
		}
		if got := c.ear.heardGossip(); len(got) != 2 {
			t.Errorf("the third node heard %q", got)
		}
		settle(15 * time.Second)
		for name, ear := range map[string]*ear{"a": a.ear, "b": b.ear} {
			got := ear.heardGossip()
			other := map[string]string{"a": "b", "b": "a"}[name]
			mine := slices.DeleteFunc(got, func(s string) bool { return s[1:] != other })
			if !slices.Equal(mine, []string{"+" + other, "-" + other, "+" + other}) {
				t.Errorf("%s heard %q", name, mine)
			}
		}
		if _, now := a.ear.counts(); now == missedA {
			t.Error("a does not look")
		}
		if _, now := b.ear.counts(); now == missedB {
			t.Error("b does not look")
		}
		b.ToAll(chat.Tiding{Kind: 1})
		settle(time.Second)
		if n, _ := a.ear.counts(); n != 1 {
			t.Error("not heard after the cut")
		}
	})
}

// A node that was frozen does not take the others for dead, and looks.
func TestAFrozenNodeBlamesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var e ether
		var gate atomic.Pointer[chan struct{}] // nothing passes here while it is frozen
		open := make(chan struct{})
		close(open)
		gate.Store(&open)
		a := e.node(t, "a", "1", func(c *Config) {
			c.Now = func() time.Time { <-*gate.Load(); return time.Now() }
		})
		b := e.node(t, "b", "2", nil)
		settle(3 * time.Second)
		_, before := a.ear.counts()
		frozen := make(chan struct{})
		gate.Store(&frozen)
		settle(30 * time.Second)
		wantGossip(t, b.ear, "+a", "-a")
		close(frozen)
		settle(3 * time.Second)
		wantGossip(t, a.ear, "+b")
		wantGossip(t, b.ear, "+a", "-a", "+a")
		if _, now := a.ear.counts(); now == before {
			t.Error("it does not look")
		}
	})
}

// Bytes of nobody's are refused whole, whatever they are.
func FuzzHeard(f *testing.F) {
	f.Add(appendHeader(nil, header{kind: kindBatch, flags: 3, name: "b", run: "2", link: 1, number: 1}))
	f.Add(append(appendHeader(nil, header{kind: kindBatch, flags: 3, name: "b", run: "2", link: 1, number: 1}),
		appendTiding(nil, []chat.UserID{1, 2}, chat.Tiding{Kind: 1, Body: []byte("x")})...))
	f.Add(appendHeader(nil, header{kind: kindBeat, name: "b", run: "2"}))
	f.Fuzz(func(t *testing.T, data []byte) {
		h, rest, err := parse(data)
		if err != nil {
			if !errors.Is(err, errMessage) {
				t.Fatal(err)
			}
			return
		}
		if h.name == "" || h.run == "" {
			t.Fatal("nobody's")
		}
		total := 0
		for it, err := range items(rest) {
			if err != nil {
				break
			}
			total += len(it.tiding.Body) + 8*len(it.users)
		}
		if total > len(rest) {
			t.Fatal("more than there is")
		}
	})
}
