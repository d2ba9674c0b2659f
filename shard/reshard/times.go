package reshard

import (
	"math"
	"sync"
	"time"

	"gori/shard"
)

// timeRanges and what the first one ends at make the last one begin at 3 s.
const (
	timeRanges = 90
	firstRange = 500 * time.Microsecond
	widerBy    = 1.1
)

// Times counts how long sends took, by ranges each of which is a tenth wider
// than the one before. Such counts of several nodes may be added up, which their
// percentiles may not.
type Times [timeRanges]int64

var logWider = math.Log(widerBy)

// Heard counts one.
func (t *Times) Heard(took time.Duration) {
	i := 0
	if took > firstRange {
		i = min(int(math.Ceil(math.Log(float64(took)/float64(firstRange))/logWider-1e-9)), timeRanges-1)
	}
	t[i]++
}

// Plus returns the sum.
func (t Times) Plus(o Times) Times {
	for i := range t {
		t[i] += o[i]
	}
	return t
}

// Minus returns what came to t after o.
func (t Times) Minus(o Times) Times {
	for i := range t {
		t[i] -= o[i]
	}
	return t
}

// N is how many were counted.
func (t Times) N() (n int64) {
	for _, c := range t {
		n += c
	}
	return n
}

// Over is how many took longer than limit, give or take a tenth.
func (t Times) Over(limit time.Duration) (n int64) {
	for i, c := range t {
		if i > 0 && endOf(i-1) >= limit {
			n += c
		}
	}
	return n
}

// P99 returns what 99 of 100 did not exceed, 0 if none was counted.
func (t Times) P99() time.Duration {
	rest := t.N() * 99 / 100
	for i, c := range t {
		if rest -= c; rest < 0 {
			return endOf(i)
		}
	}
	return 0
}

func endOf(i int) time.Duration {
	return time.Duration(float64(firstRange) * math.Pow(widerBy, float64(i)))
}

// Told is what a node tells of its sends.
type Told struct {
	Before Times // in the minutes before the reshard began
	All    Times // since the node began
}

const (
	recordEvery = 5 * time.Second
	recordsMost = 24 // two minutes
)

// Recorder counts a node's sends. Its methods may be called from any goroutine.
type Recorder struct {
	mu    sync.Mutex
	all   Times
	marks []mark // of the last minutes, in order
	begun int64
	told  Times // Before, as first told of the reshard begun then
}

// mark is what had been counted at a time.
type mark struct {
	at  time.Time
	all Times
}

// Heard counts a send that was acknowledged.
func (r *Recorder) Heard(took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	if n := len(r.marks); n == 0 || now.Sub(r.marks[n-1].at) >= recordEvery {
		if n == recordsMost {
			r.marks = append(r.marks[:0], r.marks[1:]...)
		}
		r.marks = append(r.marks, mark{now, r.all})
	}
	r.all.Heard(took)
}

// Tell returns what there is to tell while a plan is carried out. What was
// counted before it is the same each time.
func (r *Recorder) Tell(p *shard.Plan) Told {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.begun != p.BegunMS {
		r.begun, r.told = p.BegunMS, r.before(time.UnixMilli(p.BegunMS))
	}
	return Told{Before: r.told, All: r.all}
}

// before is what was counted in the minutes before a time, or until now if that
// is to come by this node's clock.
func (r *Recorder) before(begun time.Time) Times {
	if len(r.marks) == 0 {
		return Times{}
	}
	last := r.all
	for i := len(r.marks) - 1; i > 0 && r.marks[i].at.After(begun); i-- {
		last = r.marks[i].all
	}
	return last.Minus(r.marks[0].all)
}
