package admin

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"gori/api"
	"gori/chat"
	"gori/shard"
	"gori/shard/reshard"
	"gori/store/board"
)

// lookOf is what shards say that serve what a document gives them.
func lookOf(ring *shard.Ring, edit func(owners map[shard.ID][]board.Owner)) *ringLook {
	owners := map[shard.ID][]board.Owner{}
	for p := range shard.Partition(shard.Partitions) {
		id := ring.Map.Owner(p)
		owners[id] = append(owners[id], board.Owner{Partition: p, State: "active", Epoch: 1})
	}
	if edit != nil {
		edit(owners)
	}
	var answers []board.Answer[board.Look]
	for _, seat := range ring.Seats {
		answers = append(answers, board.Answer[board.Look]{Shard: seat.ID,
			Value: board.Look{Ring: ring, Owners: owners[seat.ID], Rows: 1000, Bytes: 10_000, Moves: map[shard.Partition]string{}}})
	}
	return newRingLook(answers)
}

func testRing(t *testing.T, ids ...shard.ID) *shard.Ring {
	t.Helper()
	m, err := shard.First(ids)
	if err != nil {
		t.Fatal(err)
	}
	return shard.FirstRing(m)
}

// setOwner changes what a shard says of a partition.
func setOwner(owners map[shard.ID][]board.Owner, id shard.ID, p shard.Partition, state string) {
	list := slices.DeleteFunc(owners[id], func(o board.Owner) bool { return o.Partition == p })
	if state != "" {
		list = append(list, board.Owner{Partition: p, State: state, Epoch: 1})
	}
	owners[id] = list
}

func TestRingViewOfARestingRing(t *testing.T) {
	ring := testRing(t, "a", "b", "c")
	v := lookOf(ring, nil).view()
	if v.Version != 1 || len(v.Owner) != shard.Partitions || len(v.Moving) != 0 || v.Plan != nil || v.Spread < 1 || v.Spread > 1.03 {
		t.Errorf("the view is %+v", v)
	}
	for i, s := range v.Seats {
		if s.Partitions != s.Planned || !s.Up || s.Partitions != len(ring.Map.Owned(shard.ID(s.ID))) || s.Rows == 0 {
			t.Errorf("seat %d is %+v", i, s)
		}
	}
}

func TestRingViewOfAMovingRing(t *testing.T) {
	ring, err := testRing(t, "a", "b").Add("c", "@c", shard.Plan{ID: "r1", Slowdown: 2, Detached: true})
	if err != nil {
		t.Fatal(err)
	}
	ps := ring.Map.Owned("c")
	from := ring.Before.Owner(ps[0])
	l := lookOf(ring, func(owners map[shard.ID][]board.Owner) {
		for _, p := range ps {
			setOwner(owners, "c", p, "")
			setOwner(owners, ring.Before.Owner(p), p, "active")
		}
		// The first is past its commit point and not forwarded; nobody serves the
		// second; two serve the third, which must never be; the fourth is fenced.
		setOwner(owners, from, ps[0], "fenced")
		setOwner(owners, "c", ps[0], "active")
		setOwner(owners, ring.Before.Owner(ps[1]), ps[1], "")
		setOwner(owners, "c", ps[2], "active")
		setOwner(owners, ring.Before.Owner(ps[3]), ps[3], "fenced")
		setOwner(owners, "c", ps[3], "incoming")
	})
	v := l.view()
	if v.Owner[ps[0]] != 2 || v.Owner[ps[1]] != -1 || v.Owner[ps[2]] != -2 {
		t.Errorf("the owners are %d %d %d", v.Owner[ps[0]], v.Owner[ps[1]], v.Owner[ps[2]])
	}
	state := map[int]string{}
	for _, m := range v.Moving {
		state[m.Partition] = m.State
		if m.To != "c" {
			t.Errorf("partition %d goes to %s", m.Partition, m.To)
		}
	}
	if _, moves := state[int(ps[0])]; moves || state[int(ps[3])] != "fenced" || state[int(ps[4])] != "planned" {
		t.Errorf("the states are %v", state)
	}
	if l.settled() || v.Plan == nil || v.Plan.ID != "r1" {
		t.Errorf("settled %v, plan %v", l.settled(), v.Plan)
	}
}

func TestPreviewAddsUp(t *testing.T) {
	l := lookOf(testRing(t, "a", "b", "c", "d"), nil)
	next, err := l.ring.Map.Add("e")
	if err != nil {
		t.Fatal(err)
	}
	v := l.preview(next)
	moved, after := 0, 0
	for _, m := range v.Moves {
		moved += m.Partitions
	}
	for _, s := range v.After {
		after += s.Partitions
	}
	if v.Partitions != shard.Partitions/5 || moved != v.Partitions || after != shard.Partitions || len(v.Before) != 4 || v.Spread > 1.03 || v.Rows == 0 {
		t.Errorf("the preview is %+v", v)
	}
	for p, i := range v.Owner {
		if v.After[i].Shard != string(next.Owner(shard.Partition(p))) {
			t.Fatalf("partition %d is shown on %s", p, v.After[i].Shard)
		}
	}
}

func TestSumOfReceipts(t *testing.T) {
	at := time.UnixMilli(1_000)
	var list []board.Receipt
	for i := range 100 {
		list = append(list, board.Receipt{Partition: shard.Partition(i), At: at.Add(time.Duration(i) * time.Second), From: shard.ID("ab"[i%2 : i%2+1]), To: "c",
			Rows: 2, Bytes: 3, Channels: 1, PauseUS: int64(100 - i)})
	}
	s := sumReceipts("r1", list)
	if s.Partitions != 100 || s.Rows != 200 || s.Bytes != 300 || s.Channels != 100 || s.BegunAt != 1_000 || s.EndedAt != 100_000 ||
		s.PauseP50 != 51 || s.PauseP99 != 100 || s.PauseMax != 100 || !slices.Equal(s.From, []string{"a", "b"}) || !slices.Equal(s.To, []string{"c"}) {
		t.Errorf("they add up to %+v", s)
	}
	if s := sumReceipts("r0", nil); s.Partitions != 0 || s.From == nil {
		t.Errorf("none add up to %+v", s)
	}
}

func TestAnAnswerIsKeptForAWhile(t *testing.T) {
	now, asked := time.UnixMilli(1), 0
	var r recently[int]
	ask := func() (int, error) {
		asked++
		if asked == 2 {
			return 0, errors.New("no answer")
		}
		return asked, nil
	}
	get := func() (int, error) { return r.get(func() time.Time { return now }, time.Second, ask) }
	for range 3 {
		if v, err := get(); v != 1 || err != nil {
			t.Fatal(v, err)
		}
	}
	now = now.Add(time.Second)
	if _, err := get(); err == nil {
		t.Error("an old answer was given")
	}
	if v, err := get(); v != 3 || err != nil {
		t.Errorf("after an error: %d %v", v, err)
	}
}

// paperRing is a ring document that nobody else changes.
type paperRing struct{ ring *shard.Ring }

func (p *paperRing) Read(context.Context) (*shard.Ring, error) { return p.ring, nil }
func (p *paperRing) Change(_ context.Context, from, to *shard.Ring) error {
	if from.Version != p.ring.Version {
		return &reshard.ConflictError{Now: p.ring}
	}
	p.ring = to
	return nil
}

func TestOrdersChangeTheRing(t *testing.T) {
	paper := &paperRing{testRing(t, "a", "b")}
	made, aborted := "", 0
	d := &Desk{Ring: paper, Now: time.Now, Make: func(_ context.Context, id shard.ID) error { made += string(id); return nil },
		Abort: func(context.Context) error { aborted++; return nil }}
	give := func(want chat.Code, o api.ReshardOrder) {
		t.Helper()
		o.Version = paper.ring.Version
		err := d.Order(t.Context(), o)
		if (err == nil) != (want == "") || err != nil && chat.ErrorOf(err).Code != want {
			t.Errorf("%s: %v, want %q", o.Action, err, want)
		}
	}
	if err := d.Order(t.Context(), api.ReshardOrder{Action: "pause", Version: 9}); chat.ErrorOf(err).Code != chat.CodeConflict {
		t.Errorf("an order for another version: %v", err)
	}
	for _, action := range []string{"pause", "resume", "set", "abort", "reverse"} {
		give(chat.CodeConflict, api.ReshardOrder{Action: action})
	}
	give(chat.CodeConflict, api.ReshardOrder{Action: "remove", Shard: "x"})
	give(chat.CodeConflict, api.ReshardOrder{Action: "add", Shard: "a"})
	give(chat.CodeBadRequest, api.ReshardOrder{Action: "add", Shard: "c", Addr: "postgres://u:secret@h/d"})
	if made != "" {
		t.Errorf("%s was made for an order that was refused", made)
	}
	give("", api.ReshardOrder{Action: "add", Shard: "c"})
	if p := paper.ring.Plan; p == nil || p.ID != "v2-add-c" || !p.Detached || p.Slowdown != DefaultSlowdown || made != "c" {
		t.Fatalf("the plan is %+v, made was %q", p, made)
	}
	give(chat.CodeConflict, api.ReshardOrder{Action: "add", Shard: "d"})
	give("", api.ReshardOrder{Action: "pause"})
	rate := 5.0
	give("", api.ReshardOrder{Action: "set", MBps: &rate})
	if p := paper.ring.Plan; !p.Paused || p.MBps != 5 {
		t.Errorf("the plan is %+v", p)
	}
	give("", api.ReshardOrder{Action: "resume"})
	give("", api.ReshardOrder{Action: "abort"})
	give("", api.ReshardOrder{Action: "reverse"})
	if p := paper.ring.Plan; aborted != 1 || p.Kind != shard.PlanReverse || p.Paused {
		t.Errorf("aborted %d times, the plan is %+v", aborted, p)
	}
	d.Make = nil
	paper.ring = testRing(t, "a", "b")
	give(chat.CodeNoInstance, api.ReshardOrder{Action: "add", Shard: "c"})
	if paper.ring.Plan != nil {
		t.Error("the ring was changed though there is nothing to put there")
	}
}
