package torture

import (
	"fmt"
	"math/rand/v2"
	"time"

	"gori/client"
)

// Kind names a sort of fault.
type Kind string

// The faults.
const (
	KillNode   Kind = "kill-node"   // SIGKILL of a node
	KillShard  Kind = "kill-shard"  // SIGKILL of a PostgreSQL, again and again for a while
	FreezeNode Kind = "freeze-node" // SIGSTOP of a node for a while, then SIGCONT
	CutMesh    Kind = "cut-mesh"    // two nodes do not hear each other for a while
	Drain      Kind = "drain"       // SIGTERM of a node, or all of them one by one
	SlowClient Kind = "slow-client" // a device stops reading for a while
	CutShard   Kind = "cut-shard"   // a PostgreSQL lives, but the nodes do not reach it for a while
	DiskFull   Kind = "disk-full"   // a PostgreSQL has no space left for a while
	Reshard    Kind = "reshard"     // a shard is added, or one is taken away
	KillMover  Kind = "kill-mover"  // SIGKILL or SIGSTOP of what moves partitions
)

// How a shard is cut off.
const (
	CutRefuse = "refuse" // connections break, new ones are refused
	CutHang   = "hang"   // nothing passes; what was under way goes on afterwards
	CutMute   = "mute"   // requests pass and answers are lost
	CutBreak  = "break"  // connections break, new ones are fine
)

// How a mover is hit.
const (
	MoverKilled = "kill"
	MoverFrozen = "freeze"
)

// Kinds are all faults there are.
func Kinds() []Kind {
	return []Kind{KillNode, KillShard, FreezeNode, CutMesh, Drain, SlowClient, CutShard, DiskFull, Reshard, KillMover}
}

// All is the Target of a fault of all nodes.
const All = -1

// Fault is one fault of a plan.
type Fault struct {
	Kind   Kind
	At     time.Duration // after the beginning
	For    time.Duration
	Target int // place among the nodes, the shards or the people; All
	Other  int // of cut-mesh: the other node
	How    string

	Shard string  // the one it hits
	near  *nearby // what else it hurts
}

// nearby are the channels that a fault of a shard may hurt although another
// shard serves them: those on their way from or to it.
type nearby struct{ channels map[client.ChannelID]bool }

// ofShard tells whether a shard cannot be used because of f.
func (f Fault) ofShard() bool {
	return f.Kind == KillShard || f.Kind == CutShard || f.Kind == DiskFull
}

func (f Fault) String() string {
	s := fmt.Sprintf("%6.2f s  %s", f.At.Seconds(), f.Kind)
	switch {
	case f.Target == All:
		s += " all"
	case f.Shard != "":
		s += " " + f.Shard
	case f.Kind == Reshard || f.Kind == KillMover:
	case f.Kind == CutMesh:
		s += fmt.Sprintf(" %d-%d", f.Target+1, f.Other+1)
	default:
		s += fmt.Sprintf(" %d", f.Target+1)
	}
	if f.How != "" {
		s += " (" + f.How + ")"
	}
	if f.For > 50*time.Millisecond {
		s += fmt.Sprintf(" for %.1f s", f.For.Seconds())
	}
	return s
}

// Plan draws the faults of a run. Each kind comes in turn, in an order drawn
// anew each round; the last may still go on when people fall silent, so that
// nothing said later covers up what was missed.
func Plan(seed uint64, kinds []Kind, length time.Duration, nodes, shards, people int) []Fault {
	rng := rand.New(rand.NewPCG(seed, 0xfa017))
	var list []Fault
	for at := time.Second; at < length-500*time.Millisecond; {
		for _, i := range rng.Perm(len(kinds)) {
			f := draw(rng, kinds[i], length, nodes, shards, people)
			f.At = at
			if at < length-500*time.Millisecond && !(f.Kind == CutMesh && nodes < 2) {
				list = append(list, f)
				at += between(rng, 1200*time.Millisecond, 3500*time.Millisecond)
				if f.ofShard() {
					at += f.For // alone, so that it can be seen what else it does not hurt
				}
			}
		}
		at += time.Millisecond // a plan of nothing but what is left out ends as well
	}
	return list
}

func between(rng *rand.Rand, lo, hi time.Duration) time.Duration {
	return lo + time.Duration(rng.Int64N(int64(hi-lo)))
}

func draw(rng *rand.Rand, k Kind, length time.Duration, nodes, shards, people int) Fault {
	f := Fault{Kind: k, Target: rng.IntN(nodes)}
	f.Other = (f.Target + 1 + rng.IntN(max(1, nodes-1))) % nodes
	long, all := rng.IntN(6) == 0, rng.IntN(8) == 0
	switch k {
	case KillNode:
		if all {
			f.Target = All
		}
	case KillShard:
		f.Target = rng.IntN(shards)
		f.For = between(rng, 0, 3*time.Second)
	case CutShard:
		f.Target = rng.IntN(shards)
		f.How = [...]string{CutRefuse, CutHang, CutMute, CutBreak}[rng.IntN(4)]
		f.For = between(rng, time.Second, 5*time.Second)
	case DiskFull:
		f.Target = rng.IntN(shards)
		f.For = between(rng, 2*time.Second, 5*time.Second)
	case Reshard:
		f.Target = rng.IntN(1 << 16)
	case KillMover:
		f.Target = rng.IntN(1 << 16)
		f.How = [...]string{MoverKilled, MoverKilled, MoverFrozen}[rng.IntN(3)]
		f.For = between(rng, 0, 4*time.Second)
	case FreezeNode:
		f.For = between(rng, 2*time.Second, 6*time.Second)
		if long && length >= 2*time.Minute {
			f.For = 30 * time.Second
		}
	case CutMesh:
		f.For = between(rng, 2*time.Second, 8*time.Second)
	case Drain:
		if all {
			f.Target = All
		}
	case SlowClient:
		f.Target = rng.IntN(people)
		f.For = between(rng, 3*time.Second, 8*time.Second)
	}
	return f
}
