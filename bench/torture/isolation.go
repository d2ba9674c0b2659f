package torture

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"gori/client"
)

// refusedLate is a send to a shard that was down, refused later than promised.
type refusedLate struct {
	device string
	why    string
	after  time.Duration
	at     time.Duration
}

const (
	refuseWithin = time.Second
	refuseSlack  = 500 * time.Millisecond
	// isolated is the time within which sends to other shards must be answered
	// while one is down, and all sends when a mover has died: what it fenced is
	// free again after 2 s. On two cores, with PostgreSQL recovering beside, it is
	// far more than they take.
	isolated  = 3 * time.Second
	aftermath = 2 * time.Second // of a fault
	healing   = 3 * time.Second // more, while what a dead mover fenced is freed beside
	restart   = 5 * time.Second // of a PostgreSQL that could not begin
)

// lasts is how long a fault is felt: a node dies or is asked to drain in a moment,
// but it goes, and comes back, and devices that met several such nodes in a row
// come back later each time, or cannot while their home shard is the one that is
// down.
func (f Fault) lasts() time.Duration {
	switch {
	case (f.Kind == Drain || f.Kind == KillNode) && f.Target == All:
		return 15 * time.Second
	case f.Kind == Drain || f.Kind == KillNode:
		return 5 * time.Second
	case f.Kind == DiskFull || f.Kind == KillShard:
		return f.For + restart // PostgreSQL is tried again and again, less and less often, and recovers
	}
	return f.For
}

// refused hears of sends that wait in the outbox.
func (d *device) refused(id client.ClientMsgID, why *client.Error, after time.Duration) {
	w := d.p.w
	d.note("send %s is to wait: %s after %.0f ms", id, why.Code, after.Seconds()*1000)
	if why.Code != "shard_unavailable" || after <= refuseWithin+refuseSlack {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.slow) < maxSuspects {
		w.slow = append(w.slow, refusedLate{d.name, why.Code, after, w.now()})
	}
}

// locate asks where all channels are, and remembers where they have been.
func (w *world) locate(ctx context.Context) map[client.ChannelID][]string {
	ids := make([]client.ChannelID, len(w.channels))
	for i, ch := range w.channels {
		ids[i] = ch.id
	}
	homes := w.sys.Homes(ctx, ids)
	for _, ch := range w.channels {
		ch.mu.Lock()
		for _, s := range homes[ch.id] {
			if n := len(ch.homes); n == 0 || ch.homes[n-1] != s {
				ch.homes = append(ch.homes, s)
			}
		}
		ch.mu.Unlock()
	}
	return homes
}

// around finds the channels that a fault of a shard hurts.
func (w *world) around(ctx context.Context, f Fault) *nearby {
	if f.Shard == "" {
		return nil
	}
	n := &nearby{channels: map[client.ChannelID]bool{}}
	w.hurt(ctx, f.Shard, n)
	return n
}

// afterwards adds those that have come to the shard meanwhile.
func (w *world) afterwards(ctx context.Context, f Fault) {
	if f.near != nil {
		w.hurt(ctx, f.Shard, f.near)
	}
}

func (w *world) hurt(ctx context.Context, victim string, n *nearby) {
	for id, homes := range w.locate(ctx) {
		if slices.Contains(homes, victim) {
			n.channels[id] = true
		}
	}
}

// disturbed tells whether something else was wrong during the i-th fault that
// may delay sends. A reshard may not, whatever becomes of who carries it out.
func disturbed(log []Fault, i int) bool {
	f := log[i]
	for j, o := range log {
		switch o.Kind {
		case SlowClient, CutMesh, Reshard, KillMover:
			continue
		}
		if j != i && o.At < f.At+f.For && f.At < o.At+o.lasts()+aftermath {
			return true
		}
	}
	return false
}

// moving tells whether partitions moved during the i-th fault.
func moving(log []Fault, i int) bool {
	f := log[i]
	return slices.ContainsFunc(log, func(o Fault) bool {
		return (o.Kind == Reshard || o.Kind == KillMover) && o.At < f.At+f.For && f.At < o.At+o.For+aftermath
	})
}

// waits yields the sends of a channel with the time for which each waited for the
// system: a device writes one at a time, so one that was behind others of its
// device in this channel waits only since those were answered.
func (ch *channel) waits(now time.Duration) iter.Seq2[*send, span] {
	return func(yield func(*send, span) bool) {
		answered := map[*device]time.Duration{}
		for _, s := range ch.sends {
			ret := s.ret
			if ret == 0 {
				ret = now
			}
			wait := span{from: max(s.call, answered[s.from]), to: ret}
			answered[s.from] = max(answered[s.from], ret)
			if !yield(s, wait) {
				return
			}
		}
	}
}

// isolation looks at sends to healthy shards while another one could not be
// used and nothing else was wrong, and at all sends after a mover was hit.
func (w *world) isolation(log []Fault, r *Report) {
	var took []time.Duration
	for i, f := range log {
		if !f.ofShard() && f.Kind != KillMover || disturbed(log, i) {
			continue
		}
		limit := isolated
		if moving(log, i) {
			limit += healing
		}
		for _, ch := range w.channels {
			if f.near != nil && f.near.channels[ch.id] {
				continue
			}
			for s, wait := range ch.waits(w.now()) {
				if wait.from > f.At+f.For || wait.to < f.At || s.refused != "" || !s.from.steady {
					continue
				}
				during := wait.to - max(wait.from, f.At)
				took = append(took, during)
				if during > limit+w.lag {
					r.Isolation++
					w.problemWith("P6: a send waited because of what it has nothing to do with",
						fmt.Sprintf("%s was on %s during %s: %s, as %s", ch.name, strings.Join(ch.homes, ", "), f, s.times(w.began), s.id),
						func() []string {
							return append(ch.excerpt(s.seq, w.began), s.from.trail(wait.from-20*time.Second, wait.to+time.Second)...)
						})
				}
			}
		}
	}
	slices.Sort(took)
	if n := len(took); n > 0 {
		r.IsolatedSends, r.IsolatedP99MS = int64(n), took[n*99/100].Milliseconds()
	}
	for _, s := range w.slow {
		if s.after > refuseWithin+refuseSlack+w.lag && !w.frozenAt(log, s.at-s.after, s.at) {
			r.Isolation++
			w.problem("P6: a send to a shard that is down was refused late", fmt.Sprintf("%s at %.3f s: %s after %.0f ms", s.device, (s.at-w.began).Seconds(), s.why, s.after.Seconds()*1000))
		}
	}
}

// frozenAt tells whether some node was frozen within a time: its clients wait
// for it, whatever shards do.
func (w *world) frozenAt(log []Fault, from, to time.Duration) bool {
	return slices.ContainsFunc(log, func(f Fault) bool {
		return f.Kind == FreezeNode && f.At < to && from < f.At+f.For+aftermath
	})
}
