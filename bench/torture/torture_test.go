package torture

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"gori/client"
)

func TestPlanFollowsFromTheSeed(t *testing.T) {
	draw := func(seed uint64) []Fault { return Plan(seed, Kinds(), time.Minute, 3, 3, 12) }
	a := draw(1)
	if !reflect.DeepEqual(a, draw(1)) || reflect.DeepEqual(a, draw(2)) {
		t.Error("the plan is not a function of the seed")
	}
	for _, k := range Kinds() {
		if !slices.ContainsFunc(a, func(f Fault) bool { return f.Kind == k }) {
			t.Errorf("a minute has no %s", k)
		}
	}
	for i, f := range a {
		if f.At >= time.Minute || i > 0 && f.At <= a[i-1].At || f.Kind == CutMesh && f.Target == f.Other {
			t.Errorf("fault %d: %+v", i, f)
		}
	}
	if alone := Plan(1, []Kind{CutMesh}, 5*time.Second, 1, 1, 12); len(alone) > 0 {
		t.Errorf("one node is cut off from itself: %v", alone)
	}
}

// heard makes a channel whose server has the given sends in this order.
func heard(sends ...*send) *channel {
	ch := &channel{w: &world{}, byMsg: map[client.ClientMsgID]*send{}, truth: &truth{}}
	for i, s := range sends {
		s.ch, s.id, s.seq = ch, client.NewClientMsgID(), client.Seq(i+1)
		ch.sends, ch.byMsg[s.id] = append(ch.sends, s), s
		ch.truth.messages = append(ch.truth.messages, client.Message{Seq: s.seq, ClientMsgID: s.id, Sender: 1})
	}
	return ch
}

func TestDisorder(t *testing.T) {
	at := func(call, ret time.Duration) *send { return &send{call: call, ret: ret} }
	for name, tc := range map[string]struct {
		ch    *channel
		reads []lookup
		wrong int
	}{
		"one after the other":         {ch: heard(at(1, 2), at(3, 4), at(5, 6))},
		"at the same time, any order": {ch: heard(at(1, 9), at(2, 8), at(1, 3))},
		"the later one before":        {ch: heard(at(5, 6), at(1, 2)), wrong: 1},
		"never answered, any time":    {ch: heard(at(1, 2), at(1, 0), at(5, 6))},
		"a read of what is there":     {ch: heard(at(1, 2), at(5, 6)), reads: []lookup{{3, 4, 1}, {7, 8, 2}, {0, 9, 1}}},
		"a read before an ack":        {ch: heard(at(1, 2), at(1, 2)), reads: []lookup{{3, 4, 1}}, wrong: 1},
		"a read of the future":        {ch: heard(at(5, 6)), reads: []lookup{{1, 2, 1}}, wrong: 1},
	} {
		tc.ch.reads = tc.reads
		wrong, verdict := tc.ch.disorder()
		if (len(wrong) > 0) != (tc.wrong > 0) || (verdict != "") != (tc.wrong > 0) {
			t.Errorf("%s: %v, porcupine: %q", name, wrong, verdict)
		}
	}
}

func TestOvertaken(t *testing.T) {
	d, e := &device{}, &device{}
	ch := heard(&send{from: d, k: 0}, &send{from: e, k: 5}, &send{from: d, k: 2}, &send{from: d, k: 1}, &send{from: e, k: 6})
	if got := ch.overtaken(); len(got) != 1 || got[0].k != 1 {
		t.Errorf("%v", got)
	}
}

func TestRecount(t *testing.T) {
	me, you := &person{id: 1}, &person{id: 2, i: 1}
	said := func(mentions ...client.UserID) *send { return &send{mentions: mentions} }
	ch := heard(said(), said(), said(1), said(), said(1), said(2), &send{all: true})
	for i, sender := range []client.UserID{2, 0, 2, 1, 2, 2, 2} {
		ch.truth.messages[i].Sender = sender
	}
	ch.truth.messages[1] = client.Message{Seq: 2, Kind: 1, System: &client.System{Event: "added", Users: []client.UserID{1}}}
	ch.truth.messages[5].Thread = 1
	ch.seats = map[*person]*seat{me: {}, you: {read: 3}}
	if unread, mentions := ch.recount(me); unread != 2 || mentions != 2 { // 5 and 7: writing 4 read all before
		t.Errorf("mine: %d, %d", unread, mentions)
	}
	if unread, mentions := ch.recount(you); unread != 0 || mentions != 0 { // 7 is one's own
		t.Errorf("yours: %d, %d", unread, mentions)
	}
}

func TestAShortDropIsNoAbsenceAndAGoodbyeIs(t *testing.T) {
	const s = time.Second
	got := mergeSpans([]span{{from: 1 * s, to: 5 * s}, {from: 2 * s, to: 4 * s, over: true}, {from: 6 * s, to: 9 * s, over: true}, {from: 10 * s, to: 20 * s}, {from: 40 * s, to: 41 * s}})
	want := []span{{from: 1 * s, to: 9 * s, over: true}, {from: 10 * s, to: 20 * s}, {from: 40 * s, to: 41 * s}}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestMinus(t *testing.T) {
	got := minus(span{from: 10, to: 50}, []span{{from: 0, to: 15}, {from: 20, to: 30}, {from: 45, to: 99}, {from: 60, to: 70}})
	if want := []span{{from: 15, to: 20, over: true}, {from: 30, to: 45, over: true}}; !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestAltered(t *testing.T) {
	for name, tc := range map[string]struct {
		s  send
		m  client.Message
		ok bool
	}{
		"as written":           {send{bodies: []string{"a"}, clean: true}, client.Message{Body: "a"}, true},
		"the last edit":        {send{bodies: []string{"a", "b"}, clean: true}, client.Message{Body: "b"}, true},
		"the edit is lost":     {send{bodies: []string{"a", "b"}, clean: true}, client.Message{Body: "a"}, false},
		"a doubtful edit":      {send{bodies: []string{"a", "b"}}, client.Message{Body: "a"}, true},
		"nobody's words":       {send{bodies: []string{"a"}}, client.Message{Body: "x"}, false},
		"deleted":              {send{bodies: []string{"a"}, deleted: true, undone: true}, client.Message{Deleted: true}, true},
		"there again":          {send{bodies: []string{"a"}, deleted: true, undone: true}, client.Message{Body: "a"}, false},
		"deleted by no person": {send{bodies: []string{"a"}}, client.Message{Deleted: true}, false},
	} {
		if what := tc.s.altered(tc.m); (what == "") != tc.ok {
			t.Errorf("%s: %q", name, what)
		}
	}
}

func TestReport(t *testing.T) {
	r := &Report{Seed: 7, Log: []string{"a fault"}, Acked: 3}
	var table bytes.Buffer
	if err := r.WriteTable(&table); err != nil || !r.Clean() || !strings.Contains(table.String(), "All promises kept.") {
		t.Errorf("%v %s", err, table.String())
	}
	r.Lost, r.problems = 1, []problem{{"P1", "gone", []string{"a line of history"}}}
	table.Reset()
	if err := r.WriteTable(&table); err != nil || r.Clean() {
		t.Error(err)
	}
	for _, want := range []string{"1 WRONG", "gone", "a line of history", "a fault", "--seed 7"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("the report lacks %q:\n%s", want, table.String())
		}
	}
	var out bytes.Buffer
	if err := r.WriteJSON(&out); err != nil || !strings.Contains(out.String(), `"lost":1`) || !strings.Contains(out.String(), "P1: gone") {
		t.Errorf("%v %s", err, out.String())
	}
}
