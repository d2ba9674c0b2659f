package torture

import (
	"fmt"
	"slices"
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
	// while one is down. On two cores, with PostgreSQL recovering beside, it is
	// far more than they take.
	isolated  = 3 * time.Second
	aftermath = 2 * time.Second // of a fault
)

// lasts is how long a fault is felt: a drain is asked for in a moment, but its
// node goes, and comes back, and devices that met several such nodes in a row
// come back later each time.
func (f Fault) lasts() time.Duration {
	switch {
	case f.Kind == Drain && f.Target == All:
		return 15 * time.Second
	case f.Kind == Drain:
		return 5 * time.Second
	}
	return f.For
}

// refused hears of sends that wait in the outbox.
func (d *device) refused(_ client.ClientMsgID, why *client.Error, after time.Duration) {
	w := d.p.w
	if why.Code != "shard_unavailable" || after <= refuseWithin+refuseSlack {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.slow) < maxSuspects {
		w.slow = append(w.slow, refusedLate{d.name, why.Code, after, w.now()})
	}
}

// isolation looks at sends to healthy shards while another one was down and
// nothing else was wrong.
func (w *world) isolation(log []Fault, r *Report) {
	shards := w.sys.Shards()
	var took []time.Duration
	for i, f := range log {
		if f.Kind != KillShard || slices.ContainsFunc(log, func(o Fault) bool {
			return o != log[i] && o.Kind != SlowClient && o.Kind != CutMesh && o.At < f.At+f.For && f.At < o.At+o.lasts()+aftermath
		}) {
			continue
		}
		down := shards[f.Target%len(shards)]
		for _, ch := range w.channels {
			if ch.shard == down {
				continue
			}
			for _, s := range ch.sends {
				if s.call < f.At || s.call > f.At+f.For || s.refused != "" || !s.from.steady {
					continue
				}
				ret := s.ret
				if ret == 0 {
					ret = w.now()
				}
				took = append(took, ret-s.call)
				if ret-s.call > isolated+w.lag {
					r.Isolation++
					w.problemIn("P6: a send waited because of another shard", fmt.Sprintf("%s is on %s, %s was down: %s", ch.name, ch.shard, down, s.times(w.began)), ch, s.seq)
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
