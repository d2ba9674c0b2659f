package torture

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"

	"gori/client"
)

// op is an operation on a channel's order: the rank-th send, or a read that saw
// rank sends.
type op struct {
	rank      int
	read      bool
	call, ret time.Duration
	seq       client.Seq
}

const (
	chunk   = 2_000 // operations given to porcupine at a time: what it keeps grows with the square
	forever = time.Duration(math.MaxInt64)
)

// ops are the operations of a channel as far as the server knows them. A send
// that was never answered may have happened at any time after its call.
func (ch *channel) ops() []op {
	var list []op
	var seqs []client.Seq
	for i, m := range ch.truth.messages {
		s := ch.byMsg[m.ClientMsgID]
		if s == nil {
			continue
		}
		seqs = append(seqs, client.Seq(i+1))
		o := op{rank: len(seqs), call: s.call, ret: s.ret, seq: m.Seq}
		if s.ret == 0 || s.refused != "" {
			o.ret = forever
		}
		list = append(list, o)
	}
	for _, l := range ch.reads {
		n, found := slices.BinarySearch(seqs, l.last)
		if found {
			n++
		}
		list = append(list, op{rank: n, read: true, call: l.call, ret: l.ret, seq: l.last})
	}
	slices.SortStableFunc(list, func(a, b op) int {
		if a.rank != b.rank {
			return a.rank - b.rank
		}
		if a.read == b.read {
			return 0
		}
		if a.read {
			return 1
		}
		return -1
	})
	return list
}

// orderModel is a channel: a send of some rank comes right after the one before,
// a read sees the last.
var orderModel = porcupine.Model{
	Init: func() any { return -1 },
	Step: func(state, input, _ any) (bool, any) {
		at, o := state.(int), input.(op)
		if at < 0 { // a chunk begins anywhere
			return true, o.rank
		}
		if o.read {
			return at == o.rank, at
		}
		return at+1 == o.rank, o.rank
	},
	Equal: func(a, b any) bool { return a.(int) == b.(int) },
}

// disorder finds what contradicts real time: an operation that must have
// happened before one that had ended before it was begun. All of it is found by
// the sweep; porcupine, which knows nothing of it, has to agree.
func (ch *channel) disorder() (wrong []op, verdict string) {
	ops := ch.ops()
	at := time.Duration(0) // the earliest moment at which everything so far can have happened
	reads := at
	for _, o := range ops {
		if !o.read {
			at = max(at, reads)
		}
		now := max(at, o.call)
		if now > o.ret {
			wrong = append(wrong, o)
			continue
		}
		if o.read {
			reads = max(reads, now)
		} else {
			at = now
		}
	}
	for from := 0; from < len(ops); from += chunk {
		part := ops[from:min(from+chunk, len(ops))]
		history := make([]porcupine.Operation, len(part))
		for i, o := range part {
			history[i] = porcupine.Operation{ClientId: i % 64, Input: o, Call: int64(o.call), Output: nil, Return: int64(o.ret)}
		}
		if porcupine.CheckOperationsTimeout(orderModel, history, 10*time.Second) == porcupine.Illegal {
			return wrong, "porcupine finds no order that fits real time"
		}
	}
	return wrong, ""
}

// overtaken are sends of one device that were stored after later ones of it.
func (ch *channel) overtaken() []*send {
	last := map[*device]*send{}
	var wrong []*send
	for _, m := range ch.truth.messages {
		s := ch.byMsg[m.ClientMsgID]
		if s == nil {
			continue
		}
		if before := last[s.from]; before != nil && before.k > s.k {
			wrong = append(wrong, s)
		} else {
			last[s.from] = s
		}
	}
	return wrong
}

// excerpt is the history of a channel around a seq: what was said, when, and
// what the server has.
func (ch *channel) excerpt(at client.Seq, began time.Duration) []string {
	const around = 6
	if ch.truth == nil {
		return nil
	}
	lines := []string{fmt.Sprintf("channel %s (%s) on shards %s, %d messages:", ch.name, ch.id, strings.Join(ch.homes, ", "), len(ch.truth.messages))}
	for i, m := range ch.truth.messages {
		if m.Seq < at-around || m.Seq > at+around {
			continue
		}
		line := fmt.Sprintf("  %5d  %s", i+1, short(m.Body))
		if m.System != nil {
			line = fmt.Sprintf("  %5d  (%s %v)", i+1, m.System.Event, m.System.Users)
		}
		if s := ch.byMsg[m.ClientMsgID]; s != nil {
			line += "  " + s.times(began)
		}
		lines = append(lines, line)
	}
	return lines
}

// times tells of a send in words.
func (s *send) times(began time.Duration) string {
	text := fmt.Sprintf("sent by %s at %.3f s", s.from.name, (s.call - began).Seconds())
	switch {
	case s.refused != "":
		return text + fmt.Sprintf(", refused at %.3f s: %s", (s.ret-began).Seconds(), s.refused)
	case s.ret == 0:
		return text + ", never answered"
	}
	return text + fmt.Sprintf(", acknowledged at %.3f s as %d", (s.ret-began).Seconds(), s.seq)
}
