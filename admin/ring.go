package admin

import (
	"context"
	"math"

	"gori/api"
	"gori/chat"
	"gori/shard"
	"gori/store/board"
)

// ringLook is what all shards say at one time.
type ringLook struct {
	ring   *shard.Ring // the newest that any shard has accepted; nil: none
	shards []board.Answer[board.Look]
	owners [shard.Partitions]map[shard.ID]board.Owner
	rows   [shard.Partitions]int64 // estimated, where they are served
	bytes  [shard.Partitions]int64
}

// look asks the shards, or gives what they said a moment ago.
func (b *Board) look(ctx context.Context) (*ringLook, error) {
	return b.looked.get(b.now, ringAge, func() (*ringLook, error) {
		l := newRingLook(b.board.Look(ctx))
		for _, a := range l.shards {
			if a.Err != nil {
				b.log.Debug("the board has no answer of a shard", "shard", a.Shard, "error", a.Err)
			}
		}
		return l, ctx.Err()
	})
}

func newRingLook(answers []board.Answer[board.Look]) *ringLook {
	l := &ringLook{shards: answers}
	for p := range l.owners {
		l.owners[p] = map[shard.ID]board.Owner{}
	}
	for _, a := range answers {
		if r := a.Value.Ring; r != nil && (l.ring == nil || r.Version > l.ring.Version) {
			l.ring = r
		}
		for _, o := range a.Value.Owners {
			l.owners[o.Partition][a.Shard] = o
		}
	}
	for _, a := range answers {
		served := 0
		for _, o := range a.Value.Owners {
			if serves(o) {
				served++
			}
		}
		for _, o := range a.Value.Owners {
			if _, owner := l.owner(o.Partition); owner != a.Shard {
				continue
			}
			part := a.Value.Weight[o.Partition]
			if len(a.Value.Weight) == 0 && served > 0 {
				part = 1 / float64(served)
			}
			l.rows[o.Partition] = int64(part * float64(a.Value.Rows))
			l.bytes[o.Partition] = int64(part * float64(a.Value.Bytes))
		}
	}
	return l
}

func serves(o board.Owner) bool { return o.State == "active" || o.State == "fenced" }

// owner returns how many shards serve p, and which. Right after the commit point
// of a move the source is still fenced: then it is the target alone.
func (l *ringLook) owner(p shard.Partition) (n int, id shard.ID) {
	for _, state := range []string{"active", "fenced"} {
		for at, o := range l.owners[p] {
			if o.State == state {
				n++
				id = at
			}
		}
		if n > 0 {
			return n, id
		}
	}
	return 0, ""
}

// settled tells whether every partition is served by exactly one shard.
func (l *ringLook) settled() bool {
	for p := range shard.Partition(shard.Partitions) {
		if n, _ := l.owner(p); n != 1 {
			return false
		}
	}
	return true
}

// Ring implements api.Board.
func (b *Board) Ring(ctx context.Context) (api.RingView, error) {
	l, err := b.look(ctx)
	if err != nil {
		return api.RingView{}, err
	}
	return l.view(), nil
}

func (l *ringLook) view() api.RingView {
	v := api.RingView{Seats: []api.SeatView{}, Owner: make([]int, shard.Partitions), Rows: l.rows[:], Moving: []api.MovingView{}}
	if l.ring != nil {
		v.Version, v.Epoch, v.Digest = l.ring.Version, int64(l.ring.Map.Epoch()), l.ring.Hash()
		v.Plan = planView(l.ring.Plan)
	}
	index := map[shard.ID]int{}
	for _, s := range l.seats() {
		index[s.ID] = len(v.Seats)
		v.Seats = append(v.Seats, l.seatView(s))
	}
	most, all := 0, 0
	for p := range shard.Partition(shard.Partitions) {
		n, id := l.owner(p)
		i, known := index[id]
		switch {
		case n > 1:
			v.Owner[p] = -2
		case n == 0 || !known:
			v.Owner[p] = -1
		default:
			v.Owner[p] = i
			s := &v.Seats[i]
			s.Partitions++
			s.Rows += l.rows[p]
			s.Bytes += l.bytes[p]
			most, all = max(most, s.Partitions), all+1
		}
		if m, ok := l.moving(p); ok {
			v.Moving = append(v.Moving, m)
		}
	}
	if all > 0 {
		v.Spread = math.Round(float64(most)*float64(l.staying())/float64(all)*1000) / 1000
	}
	return v
}

// seats are those of the document; without one, the shards that are known.
func (l *ringLook) seats() []shard.Seat {
	if l.ring != nil {
		return l.ring.Seats
	}
	var seats []shard.Seat
	for _, a := range l.shards {
		seats = append(seats, shard.Seat{ID: a.Shard, Addr: "@" + string(a.Shard), Term: 1})
	}
	return seats
}

// staying counts the shards among which the partitions are to be spread.
func (l *ringLook) staying() int {
	n := 0
	for _, s := range l.seats() {
		if !s.Leaving {
			n++
		}
	}
	return n
}

func (l *ringLook) seatView(s shard.Seat) api.SeatView {
	v := api.SeatView{ID: string(s.ID), Addr: shownAddr(s.Addr), Term: s.Term, Leaving: s.Leaving, Standby: shownAddr(s.Standby), Sync: s.Sync}
	for _, a := range l.shards {
		if a.Shard != s.ID {
			continue
		}
		v.Up = a.Err == nil
		for _, o := range a.Value.Owners {
			if o.State == "gone" && !o.Cleaned {
				v.Left++
			}
		}
	}
	if l.ring != nil {
		v.Planned = l.ring.Map.Counts()[s.ID]
	}
	return v
}

// shownAddr is an address without what might be secret in it: the ring refuses
// passwords, and this is in case one was put there by hand.
func shownAddr(addr string) string {
	if addr != "" && shard.CheckAddr(addr) != nil {
		return "…"
	}
	return addr
}

// moving says what is under way with p.
func (l *ringLook) moving(p shard.Partition) (api.MovingView, bool) {
	_, from := l.owner(p)
	to := from
	if l.ring != nil {
		to = l.ring.Map.Owner(p)
	}
	if from == to || from == "" {
		return api.MovingView{}, false
	}
	m := api.MovingView{Partition: int(p), From: string(from), To: string(to), State: "planned"}
	for _, a := range l.shards {
		state, known := a.Value.Moves[p]
		_, there := l.owners[p][to]
		if (a.Shard == from || a.Shard == to) && known && there {
			m.State = state
		}
	}
	if l.owners[p][from].State == "fenced" {
		m.State = "fenced"
	}
	return m, true
}

func planView(p *shard.Plan) *api.PlanView {
	if p == nil {
		return nil
	}
	return &api.PlanView{ID: p.ID, Kind: string(p.Kind), Shard: string(p.Shard), Detached: p.Detached, Paused: p.Paused, Why: p.Why, Reason: reasonOf(p.Cause), MBps: p.MBps,
		Slowdown: p.Slowdown, BegunAt: chat.Millis(p.BegunMS)}
}
