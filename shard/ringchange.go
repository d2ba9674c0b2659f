package shard

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// UnderwayError says that the ring cannot be changed so while a plan is under
// way.
type UnderwayError struct{ Plan Plan }

func (e *UnderwayError) Error() string {
	what := string(e.Plan.Kind)
	if e.Plan.Shard != "" {
		what += " " + string(e.Plan.Shard)
	}
	if e.Plan.By != "" {
		what += ", begun by " + e.Plan.By
	}
	return fmt.Sprintf("a reshard is under way (%s, %s): one at a time", what, e.Plan.ID)
}

// SeatError says that a change does not fit a shard.
type SeatError struct {
	Shard ID
	Why   string
}

func (e *SeatError) Error() string { return "shard " + string(e.Shard) + " " + e.Why }

// Errors of changes to a Ring.
var (
	ErrNoPlan     = errors.New("no reshard is under way")
	ErrNothingOld = errors.New("there is no map before this one to go back to")
	ErrUnsettled  = errors.New("the rows of the shards are not as the map wants them yet")
)

// Owners says which shard serves each partition.
type Owners [Partitions]ID

// next returns the version after r, which is r but for what the caller changes.
func (r *Ring) next() *Ring {
	n := *r
	n.Version, n.Prev, n.OldAcceptors = r.Version+1, r.Hash(), nil
	n.Seats, n.Acceptors = slices.Clone(r.Seats), slices.Clone(r.Acceptors)
	if r.Plan != nil {
		plan := *r.Plan
		n.Plan = &plan
	}
	return &n
}

// checked returns n if it is whole.
func (n *Ring) checked() (*Ring, error) {
	if err := n.Check(); err != nil {
		return nil, err
	}
	return n, nil
}

func (n *Ring) seat(id ID) *Seat {
	for i := range n.Seats {
		if n.Seats[i].ID == id {
			return &n.Seats[i]
		}
	}
	return nil
}

// setAcceptors changes who keeps the document, with those before to agree.
func (n *Ring) setAcceptors(from *Ring, names []string) {
	slices.Sort(names)
	n.Acceptors = slices.Compact(names)
	if !slices.Equal(n.Acceptors, from.Acceptors) {
		n.OldAcceptors = slices.Clone(from.Acceptors)
	}
}

// markLeaving makes the seats agree with the Map.
func (n *Ring) markLeaving() {
	for i := range n.Seats {
		n.Seats[i].Leaving = !n.Map.Has(n.Seats[i].ID)
	}
}

func (r *Ring) idle() error {
	if r.Plan != nil {
		return &UnderwayError{Plan: *r.Plan}
	}
	return nil
}

// Add returns the version in which the shard id joins. Of the plan, Kind and
// Shard are set here.
func (r *Ring) Add(id ID, addr string, plan Plan) (*Ring, error) {
	if err := r.idle(); err != nil {
		return nil, err
	}
	if _, known := r.Seat(id); known {
		return nil, &SeatError{Shard: id, Why: seatThere}
	}
	if err := CheckAddr(addr); err != nil {
		return nil, err
	}
	for _, s := range r.Seats {
		if s.Addr == addr || s.Standby == addr {
			return nil, &SeatError{Shard: s.ID, Why: seatAddr}
		}
	}
	m, err := r.Map.Add(id)
	if err != nil {
		return nil, err
	}
	n := r.next()
	n.Seats = append(n.Seats, Seat{ID: id, Addr: addr, Term: 1})
	slices.SortFunc(n.Seats, func(a, b Seat) int { return strings.Compare(string(a.ID), string(b.ID)) })
	n.setAcceptors(r, append(n.Acceptors, string(id)))
	plan.Kind, plan.Shard = PlanAdd, id
	plan.Turn = n.Version
	n.Before, n.Map, n.Plan = r.Map, m, &plan
	return n.checked()
}

// Remove returns the version in which the shard id begins to leave.
func (r *Ring) Remove(id ID, plan Plan) (*Ring, error) {
	if err := r.idle(); err != nil {
		return nil, err
	}
	if s, known := r.Seat(id); !known || s.Leaving {
		return nil, &SeatError{Shard: id, Why: seatNone}
	}
	m, err := r.Map.Remove(id)
	if err != nil {
		return nil, err
	}
	n := r.next()
	plan.Kind, plan.Shard = PlanRemove, id
	plan.Turn = n.Version
	n.Before, n.Map, n.Plan = r.Map, m, &plan
	n.markLeaving()
	return n.checked()
}

// Reverse returns the version that goes back to the Map before the last
// reshard, which may be under way: its plan is replaced.
func (r *Ring) Reverse(plan Plan) (*Ring, error) {
	if r.Before == nil {
		return nil, ErrNothingOld
	}
	if r.Plan != nil && r.Plan.Kind == PlanReverse {
		return nil, &UnderwayError{Plan: *r.Plan}
	}
	var owners Owners
	for p := range owners {
		owners[p] = r.Before.Owner(Partition(p))
	}
	plan.Kind, plan.Shard = PlanReverse, ""
	for _, id := range r.Before.shards {
		if _, ok := r.Seat(id); !ok {
			return nil, &SeatError{Shard: id, Why: seatLeft}
		}
		if !r.Map.Has(id) {
			plan.Shard = id
		}
	}
	for _, id := range r.Map.shards {
		if !r.Before.Has(id) {
			plan.Shard = id
		}
	}
	m, err := r.Map.laid(r.Before.Shards(), &owners)
	if err != nil {
		return nil, err
	}
	n := r.next()
	plan.Turn = n.Version
	n.Before, n.Map, n.Plan = r.Map, m, &plan
	n.markLeaving()
	// One that was retired and is wanted again keeps the document again.
	keep := n.Acceptors
	for _, id := range m.shards {
		keep = append(keep, string(id))
	}
	n.setAcceptors(r, keep)
	return n.checked()
}

// Abort returns the version that leaves every partition where it is. A shard
// that was to come and serves nothing leaves again.
func (r *Ring) Abort(owners *Owners) (*Ring, error) {
	if r.Plan == nil {
		return nil, ErrNoPlan
	}
	var stay []ID
	for _, s := range r.Seats {
		added := r.Before != nil && !r.Before.Has(s.ID)
		if !added && !s.Leaving || slices.Contains(owners[:], s.ID) {
			stay = append(stay, s.ID)
		}
	}
	m, err := r.Map.laid(stay, owners)
	if err != nil {
		return nil, err
	}
	n := r.next()
	n.Map, n.Plan = m, nil
	n.markLeaving()
	names := n.Acceptors
	for _, s := range n.Seats {
		if s.Leaving {
			names = without(names, string(s.ID))
		} else {
			names = append(names, string(s.ID))
		}
	}
	n.setAcceptors(r, names)
	return n.checked()
}

// Retire returns the version in which the leaving shards, which serve nothing
// any more, no longer keep the document; nil if they do not anyway.
func (r *Ring) Retire() (*Ring, error) {
	names := slices.Clone(r.Acceptors)
	for _, s := range r.Seats {
		if s.Leaving {
			names = without(names, string(s.ID))
		}
	}
	if len(names) == len(r.Acceptors) {
		return nil, nil
	}
	n := r.next()
	n.setAcceptors(r, names)
	return n.checked()
}

// Finish returns the version without the plan, which the shards' rows say is
// carried out, and without the seats of shards that have left.
func (r *Ring) Finish(owners *Owners) (*Ring, error) {
	if r.Plan == nil {
		return nil, ErrNoPlan
	}
	for p, id := range owners {
		if r.Map.Owner(Partition(p)) != id {
			return nil, ErrUnsettled
		}
	}
	if retired, err := r.Retire(); err != nil || retired != nil {
		return nil, errors.Join(err, ErrUnsettled)
	}
	n := r.next()
	n.Plan = nil
	n.dropLeft()
	return n.checked()
}

// Settle returns the version after a change of the acceptors, in which those
// before count no more and the seats of shards that have left are gone; nil if
// there is nothing to settle.
func (r *Ring) Settle() (*Ring, error) {
	n := r.next()
	if r.Plan == nil {
		n.dropLeft()
	}
	if len(r.OldAcceptors) == 0 && len(n.Seats) == len(r.Seats) {
		return nil, nil
	}
	return n.checked()
}

// dropLeft drops the seats of shards that leave and no longer keep the document.
func (n *Ring) dropLeft() {
	n.Seats = slices.DeleteFunc(n.Seats, func(s Seat) bool {
		return s.Leaving && !slices.Contains(n.Acceptors, string(s.ID))
	})
}

func without(names []string, name string) []string {
	return slices.DeleteFunc(names, func(s string) bool { return s == name })
}

// laid returns the Map after m with the shards and owners given.
func (m *Map) laid(ids []ID, owners *Owners) (*Map, error) {
	next := m.successor(slices.Clone(ids))
	if err := checkIDs(next.shards); err != nil {
		return nil, err
	}
	for p, id := range owners {
		if next.owner[p] = next.index(id); next.owner[p] == nobody {
			return nil, fmt.Errorf("partition %d is on shard %q, which is not in the ring", p, id)
		}
	}
	return next, nil
}
