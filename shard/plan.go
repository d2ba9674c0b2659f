package shard

import (
	"fmt"
	"slices"

	"github.com/buraksezer/consistent"
	"github.com/cespare/xxhash/v2"
)

// The planner's settings. They may change: the kept Map holds whatever was
// decided before.
const (
	plannerName = "consistent v1.0.0, replicas 100, load 1.10, xxhash64"
	replicas    = 100
	load        = 1.10
	// maxShards keeps a shard's share at about eight partitions at least.
	maxShards = 128
)

type hasher struct{}

func (hasher) Sum64(b []byte) uint64 { return xxhash.Sum64(b) }

type ringMember ID

func (m ringMember) String() string { return string(m) }

// First plans the first Map of a new system: what the library gives each
// shard, up to its fair share; the surplus goes to the least loaded. It depends
// on the set of ids only, not on their order.
func First(ids []ID) (*Map, error) {
	if err := checkIDs(ids); err != nil {
		return nil, err
	}
	m := &Map{epoch: 1, shards: slices.Sorted(slices.Values(ids))}
	want, err := proposal(m.shards)
	if err != nil {
		return nil, err
	}
	all := make([]Partition, Partitions)
	for p := range all {
		all[p] = Partition(p)
	}
	m.place(all, want)
	return m, nil
}

// Add plans the Map after the shard id joins. It takes exactly
// ⌊Partitions/(n+1)⌋ partitions, each from one of the then most loaded owners,
// preferring those that the library would give it too. Nothing moves between
// the others.
func (m *Map) Add(id ID) (*Map, error) {
	if m.Has(id) {
		return nil, &SeatError{Shard: id, Why: seatThere}
	}
	next := m.successor(append(m.Shards(), id))
	if err := checkIDs(next.shards); err != nil {
		return nil, err
	}
	want, err := proposal(next.shards)
	if err != nil {
		return nil, err
	}
	self := next.index(id)
	counts := next.countsByIndex()
	for range Partitions / len(next.shards) {
		p := next.bestToTake(self, counts, want)
		counts[next.owner[p]]--
		counts[self]++
		next.owner[p] = self
	}
	return next, nil
}

// bestToTake chooses a partition of one of the most loaded owners: one that the
// library would give to self, else one that it would not leave where it is,
// else any; the lowest such partition.
func (m *Map) bestToTake(self uint16, counts []int, want []uint16) Partition {
	most := 0
	for i, n := range counts {
		if uint16(i) != self {
			most = max(most, n)
		}
	}
	best, bestRank := Partition(0), -1
	for p := range Partition(Partitions) {
		from := m.owner[p]
		if from == self || counts[from] != most {
			continue
		}
		rank := 0
		switch want[p] {
		case self:
			return p
		case from:
		default:
			rank = 1
		}
		if rank > bestRank {
			best, bestRank = p, rank
		}
	}
	return best
}

// Remove plans the Map after the shard id leaves. Its partitions go where the
// library would put them, as long as that owner stays within its fair share,
// else to the least loaded. Nothing moves between the others.
func (m *Map) Remove(id ID) (*Map, error) {
	if !m.Has(id) {
		return nil, &SeatError{Shard: id, Why: seatNone}
	}
	if len(m.shards) == 1 {
		return nil, &SeatError{Shard: id, Why: seatLast}
	}
	next := m.successor(slices.DeleteFunc(m.Shards(), func(other ID) bool { return other == id }))
	want, err := proposal(next.shards)
	if err != nil {
		return nil, err
	}
	next.place(m.Owned(id), want)
	return next, nil
}

// nobody marks a partition that has no owner while a Map is being made.
const nobody = ^uint16(0)

// successor returns the Map after m with other shards; partitions whose owner
// is not among them belong to nobody yet.
func (m *Map) successor(ids []ID) *Map {
	slices.Sort(ids)
	next := &Map{epoch: m.epoch + 1, prev: m.Hash(), shards: ids}
	for p := range Partition(Partitions) {
		next.owner[p] = next.index(m.Owner(p))
	}
	return next
}

func (m *Map) index(id ID) uint16 {
	i, ok := slices.BinarySearch(m.shards, id)
	if !ok {
		return nobody
	}
	return uint16(i)
}

func (m *Map) countsByIndex() []int {
	counts := make([]int, len(m.shards))
	for _, i := range m.owner {
		if i != nobody {
			counts[i]++
		}
	}
	return counts
}

// place gives the partitions, which belong to nobody, to the owners the
// library wants for them within the fair share, and the rest to whoever has
// the fewest.
func (m *Map) place(ps []Partition, want []uint16) {
	share := (Partitions + len(m.shards) - 1) / len(m.shards)
	for _, p := range ps {
		m.owner[p] = nobody
	}
	counts := m.countsByIndex()
	var rest []Partition
	for _, p := range ps {
		if counts[want[p]] >= share {
			rest = append(rest, p)
			continue
		}
		m.owner[p] = want[p]
		counts[want[p]]++
	}
	for _, p := range rest {
		least := 0
		for i, n := range counts {
			if n < counts[least] {
				least = i
			}
		}
		m.owner[p] = uint16(least)
		counts[least]++
	}
}

// proposal asks the library for the owner of each partition, as an index into
// the sorted ids. The library panics when it finds no room; that becomes an
// error here.
func proposal(ids []ID) (owners []uint16, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the ring library cannot place %d partitions on %d shards: %v", Partitions, len(ids), r)
		}
	}()
	members := make([]consistent.Member, len(ids))
	index := make(map[string]uint16, len(ids))
	for i, id := range ids {
		members[i], index[string(id)] = ringMember(id), uint16(i)
	}
	ring := consistent.New(members, consistent.Config{
		Hasher: hasher{}, PartitionCount: Partitions, ReplicationFactor: replicas, Load: load,
	})
	owners = make([]uint16, Partitions)
	for p := range owners {
		owners[p] = index[ring.GetPartitionOwner(p).String()]
	}
	return owners, nil
}
