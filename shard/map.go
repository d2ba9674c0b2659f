package shard

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
)

// Map says which shard owns which partition. It is immutable: a change makes a
// new Map with the next epoch, which names the hash of the one before.
type Map struct {
	epoch  Epoch
	prev   string // Hash of the Map before; empty for the first
	shards []ID   // sorted, without doubles
	owner  [Partitions]uint16
}

// Epoch returns the version of the Map.
func (m *Map) Epoch() Epoch { return m.epoch }

// Prev returns the Hash of the Map this one was made from, "" for a first one.
func (m *Map) Prev() string { return m.prev }

// Shards returns the ids of the shards, sorted. The caller may keep it.
func (m *Map) Shards() []ID { return slices.Clone(m.shards) }

// Has says whether id is one of the shards.
func (m *Map) Has(id ID) bool {
	_, ok := slices.BinarySearch(m.shards, id)
	return ok
}

// Owner returns the shard that owns p, which must be valid.
func (m *Map) Owner(p Partition) ID { return m.shards[m.owner[p]] }

// Owned returns the partitions of a shard in order; none for a stranger.
func (m *Map) Owned(id ID) []Partition {
	var ps []Partition
	for p := range Partition(Partitions) {
		if m.Owner(p) == id {
			ps = append(ps, p)
		}
	}
	return ps
}

// Counts returns how many partitions each shard owns.
func (m *Map) Counts() map[ID]int {
	n := make(map[ID]int, len(m.shards))
	for _, id := range m.shards {
		n[id] = 0
	}
	for p := range Partition(Partitions) {
		n[m.Owner(p)]++
	}
	return n
}

// Spread returns the largest number of partitions a shard owns, divided by the
// average: 1 is perfect.
func (m *Map) Spread() float64 {
	most := 0
	for _, n := range m.Counts() {
		most = max(most, n)
	}
	return float64(most) * float64(len(m.shards)) / Partitions
}

// Hash returns the hexadecimal SHA-256 of the Map's JSON form, by which the
// next Map refers to it.
func (m *Map) Hash() string {
	text, err := json.Marshal(m)
	if err != nil {
		panic("shard: a Map always has a JSON form: " + err.Error())
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// wireMap is the kept form. The planner's settings are written down so that
// the origin of an old layout can be told; they are never read back.
type wireMap struct {
	Epoch   Epoch  `json:"epoch"`
	Prev    string `json:"prev"`
	Planner string `json:"planner"`
	Shards  []ID   `json:"shards"`
	Owner   []int  `json:"owner"` // for each partition an index into Shards
}

// MarshalJSON writes the kept form.
func (m *Map) MarshalJSON() ([]byte, error) {
	w := wireMap{Epoch: m.epoch, Prev: m.prev, Planner: plannerName, Shards: m.shards, Owner: make([]int, Partitions)}
	for p, i := range m.owner {
		w.Owner[p] = int(i)
	}
	return json.Marshal(w)
}

// UnmarshalJSON reads the kept form and refuses one that is not whole.
func (m *Map) UnmarshalJSON(text []byte) error {
	var w wireMap
	if err := json.Unmarshal(text, &w); err != nil {
		return err
	}
	if err := checkIDs(w.Shards); err != nil {
		return err
	}
	if w.Epoch < 1 || !slices.IsSorted(w.Shards) || len(w.Owner) != Partitions {
		return fmt.Errorf("not a map: epoch %d, %d partitions instead of %d, or its shards are out of order", w.Epoch, len(w.Owner), Partitions)
	}
	n := Map{epoch: w.Epoch, prev: w.Prev, shards: w.Shards}
	for p, i := range w.Owner {
		if i < 0 || i >= len(w.Shards) {
			return fmt.Errorf("not a map: partition %d belongs to shard number %d of %d", p, i, len(w.Shards))
		}
		n.owner[p] = uint16(i)
	}
	*m = n
	return nil
}

func checkIDs(ids []ID) error {
	if len(ids) == 0 {
		return fmt.Errorf("a ring needs at least one shard")
	}
	if len(ids) > maxShards {
		return fmt.Errorf("a ring has at most %d shards, not %d", maxShards, len(ids))
	}
	seen := make(map[ID]bool, len(ids))
	for _, id := range ids {
		if err := id.Check(); err != nil {
			return err
		}
		if seen[id] {
			return fmt.Errorf("shard %s is named twice", id)
		}
		seen[id] = true
	}
	return nil
}

// Move is one partition that changes its owner.
type Move struct {
	Partition Partition `json:"partition"`
	From      ID        `json:"from"`
	To        ID        `json:"to"`
}

// Moves returns what has to move to get from one Map to another, in the order
// of the partitions.
func Moves(from, to *Map) []Move {
	var moves []Move
	for p := range Partition(Partitions) {
		if a, b := from.Owner(p), to.Owner(p); a != b {
			moves = append(moves, Move{Partition: p, From: a, To: b})
		}
	}
	return moves
}
