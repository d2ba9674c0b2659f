package reshard

import (
	"cmp"
	"slices"

	"gori/shard"
)

// job is a Group and what is to be done with it.
type job struct {
	Group
	rows int64 // estimated
	kind jobKind
}

type jobKind int

const (
	_ jobKind = iota // to move
	// forwarding: the target is active, and the source does not say so yet, since
	// the mover died between.
	forwarding
	// stray: nothing is to move. The target has the beginning of a move that the
	// ring does not want (any more), and it is to be released.
	stray
)

// todo is what is left to do until the rows of the shards are as the map wants
// them.
type todo struct {
	jobs []job
	// stuck are partitions that nothing can be done about while a shard is down;
	// lost are those that no shard serves although all answer.
	stuck, lost []shard.Partition
	// owners says who serves each partition; complete unless some are stuck or
	// lost.
	owners shard.Owners
}

func (t *todo) done() bool { return len(t.jobs)+len(t.stuck)+len(t.lost) == 0 }

// Bounds limits what moves together.
type Bounds struct {
	Partitions int   // of a group; 0: 128
	Rows       int64 // of a group of several; 0: 200,000
}

type way struct {
	from, to shard.ID
	kind     jobKind
}

// look compares the rows with the map. release wants nothing moved any more:
// what is under way is to be released.
func look(m *shard.Map, pic *Picture, b Bounds, release bool) *todo {
	t := &todo{}
	ways := map[way][]shard.Partition{}
	for p := range shard.Partition(shard.Partitions) {
		now, ok := pic.Serving(p)
		if !ok {
			if len(pic.Down) > 0 {
				t.stuck = append(t.stuck, p)
			} else {
				t.lost = append(t.lost, p)
			}
			continue
		}
		if now.State == Active {
			t.owners[p] = now.Shard
		} else if slices.Contains(pic.Down, now.Peer) {
			// It may have passed to that shard, which alone can tell.
			t.stuck = append(t.stuck, p)
			continue
		}
		want := m.Owner(p)
		if release {
			want = now.Shard
		}
		w, some := next(p, now, want, pic)
		switch {
		case !some && now.State != Active: // fenced, and by no move
			t.lost = append(t.lost, p)
		case !some:
		case slices.Contains(pic.Down, w.from) || slices.Contains(pic.Down, w.to):
			t.stuck = append(t.stuck, p)
		default:
			ways[w] = append(ways[w], p)
		}
	}
	for w, ps := range ways {
		t.jobs = append(t.jobs, group(w, ps, pic, b)...)
	}
	slices.SortFunc(t.jobs, func(a, b job) int {
		return cmp.Or(cmp.Compare(a.largest(pic), b.largest(pic)), cmp.Compare(a.Partitions[0], b.Partitions[0]))
	})
	return t
}

// next says what is to be done with one partition.
func next(p shard.Partition, now Owner, want shard.ID, pic *Picture) (way, bool) {
	for _, o := range pic.Owners[p] {
		switch {
		case o.Shard == now.Shard:
		case o.State == Fencing:
			return way{from: o.Shard, to: now.Shard, kind: forwarding}, true
		case o.State == Incoming && (o.Shard != want || now.Shard == want):
			return way{from: now.Shard, to: o.Shard, kind: stray}, true
		}
	}
	if now.State == Fencing && now.Shard == want {
		// Fenced for a move that is not wanted, and its target has no trace of it.
		return way{from: now.Shard, to: now.Peer, kind: stray}, now.Peer != ""
	}
	return way{from: now.Shard, to: want}, now.Shard != want
}

func (j job) largest(pic *Picture) int64 {
	most := int64(0)
	for _, p := range j.Partitions {
		most = max(most, pic.Rows[p])
	}
	return most
}

// group packs partitions that go the same way, the smallest first.
func group(w way, ps []shard.Partition, pic *Picture, b Bounds) []job {
	slices.SortStableFunc(ps, func(x, y shard.Partition) int { return cmp.Compare(pic.Rows[x], pic.Rows[y]) })
	var jobs []job
	for _, p := range ps {
		n := len(jobs) - 1
		if n < 0 || len(jobs[n].Partitions) >= b.Partitions || jobs[n].rows+pic.Rows[p] > b.Rows {
			jobs = append(jobs, job{Group: Group{From: w.from, To: w.to}, kind: w.kind})
			n++
		}
		jobs[n].Partitions = append(jobs[n].Partitions, p)
		jobs[n].rows += pic.Rows[p]
	}
	for i := range jobs {
		slices.Sort(jobs[i].Partitions)
	}
	return jobs
}
