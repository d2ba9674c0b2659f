package shard

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
)

// Seat is a shard's place in the ring.
type Seat struct {
	ID ID `json:"id"`
	// Addr is where its primary is: a DSN without a password, or "@NAME", an
	// instance whose address the nodes' configuration holds.
	Addr string `json:"addr"`
	// Standby is where its standby is, in the same form; empty: it has none.
	Standby string `json:"standby,omitempty"`
	// Sync says that the standby has every acknowledged write, so it may be
	// promoted without loss.
	Sync bool `json:"sync,omitempty"`
	// Term grows by one with each promotion. Nodes refuse a primary whose own
	// term (control.shard_self) is another.
	Term int64 `json:"term"`
	// Leaving says that the Map gives it nothing any more and it is to go once
	// it is empty.
	Leaving bool `json:"leaving,omitempty"`
}

// PlanKind is what a reshard is for.
type PlanKind string

// The kinds of reshard.
const (
	PlanAdd     PlanKind = "add"
	PlanRemove  PlanKind = "remove"
	PlanReverse PlanKind = "reverse" // back to the Map before
)

// Plan is a reshard under way. Which partitions are still to move is not in it:
// that is the difference between the Map and the rows of the shards.
type Plan struct {
	ID   string   `json:"id"` // names its receipts
	Kind PlanKind `json:"kind"`
	// Shard is the one that comes or goes.
	Shard ID `json:"shard"`
	// By says who began it, for people: user@host.
	By string `json:"by,omitempty"`
	// Turn is the version in which somebody began it or took it over. Who carries it
	// out in an earlier turn has to end.
	Turn int64 `json:"turn,omitempty"`
	// TakenBy says who took it over last, for people; empty: nobody has.
	TakenBy string `json:"taken_by,omitempty"`
	// Detached says that the nodes carry it out, not a command.
	Detached bool `json:"detached,omitempty"`
	Paused   bool `json:"paused,omitempty"`
	// Why says why it is paused, if a runner and not a person did it.
	Why string `json:"why,omitempty"`
	// Cause says it for programs, without a text.
	Cause *Cause `json:"cause,omitempty"`
	// MBps bounds the bytes copied in a second, in MB of 10⁶; 0: no bound of its own.
	MBps float64 `json:"mbps,omitempty"`
	// Slowdown bounds the latency of live writes: p99 at most this many times
	// what it was before.
	Slowdown float64 `json:"slowdown"`
	BegunMS  int64   `json:"begun_ms"` // Unix time in milliseconds, for people
}

// Ring is the ring document: which shards there are, where, and what the Map
// gives them. It is agreed by a majority of its Acceptors (see package reshard), and
// it is a plan: the authority over a partition is its row in the shard that
// owns it, so no message depends on the document. A Ring is never changed;
// every change makes the next Version.
type Ring struct {
	Version int64  `json:"version"` // 1, 2, 3 …
	Prev    string `json:"prev"`    // Hash of the version before; empty for the first
	Map     *Map   `json:"map"`
	// Before is the Map before the last reshard; nil if there was none.
	Before *Map   `json:"before,omitempty"`
	Seats  []Seat `json:"seats"` // by ID
	// Acceptors keep the document: names of shards, or "witness:NAME".
	Acceptors []string `json:"acceptors"`
	// OldAcceptors are those before, in a version that changes them: then a
	// majority of both agrees. The next version has none.
	OldAcceptors []string `json:"old_acceptors,omitempty"`
	Plan         *Plan    `json:"plan,omitempty"`
}

// FirstRing is the document of a new system: every seat is found by its name in
// the nodes' configuration.
func FirstRing(m *Map) *Ring {
	r := &Ring{Version: 1, Map: m}
	for _, id := range m.shards {
		r.Seats = append(r.Seats, Seat{ID: id, Addr: "@" + string(id), Term: 1})
		r.Acceptors = append(r.Acceptors, string(id))
	}
	return r
}

// Seat finds a shard's seat.
func (r *Ring) Seat(id ID) (Seat, bool) {
	i := slices.IndexFunc(r.Seats, func(s Seat) bool { return s.ID == id })
	if i < 0 {
		return Seat{}, false
	}
	return r.Seats[i], true
}

// Hash names the exact content, in hex of sha256.
func (r *Ring) Hash() string {
	text, err := json.Marshal(r)
	if err != nil {
		panic("shard: a Ring always has a JSON form: " + err.Error())
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}
