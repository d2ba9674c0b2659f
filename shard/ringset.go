package shard

import "slices"

// PlanChange is what may be changed of a plan under way; nil: as it is.
type PlanChange struct {
	Paused   *bool
	Why      string // with Paused: why a runner paused it
	Cause    *Cause // the same for programs
	MBps     *float64
	Slowdown *float64
	Detached *bool
	TakenBy  string // if not empty, who carries it out from now on
}

// Adjust returns the version with the plan's settings changed.
func (r *Ring) Adjust(c PlanChange) (*Ring, error) {
	if r.Plan == nil {
		return nil, ErrNoPlan
	}
	n := r.next()
	if c.Paused != nil {
		n.Plan.Paused, n.Plan.Why, n.Plan.Cause = *c.Paused, "", nil
		if *c.Paused {
			n.Plan.Why, n.Plan.Cause = c.Why, c.Cause
		}
	}
	if c.MBps != nil {
		n.Plan.MBps = *c.MBps
	}
	if c.Slowdown != nil {
		n.Plan.Slowdown = *c.Slowdown
	}
	if c.Detached != nil {
		n.Plan.Detached = *c.Detached
	}
	if c.TakenBy != "" {
		n.Plan.TakenBy, n.Plan.Turn = c.TakenBy, n.Version
	}
	return n.checked()
}

// onSeat returns the next version with one seat changed.
func (r *Ring) onSeat(id ID, change func(*Seat) error) (*Ring, error) {
	n := r.next()
	s := n.seat(id)
	if s == nil {
		return nil, &SeatError{Shard: id, Why: seatNone}
	}
	if err := change(s); err != nil {
		return nil, err
	}
	return n.checked()
}

// Standby returns the version in which the shard has the standby at addr (none
// if empty), and sync says whether it has every acknowledged write.
func (r *Ring) Standby(id ID, addr string, sync bool) (*Ring, error) {
	return r.onSeat(id, func(s *Seat) error {
		if addr == s.Addr {
			return &SeatError{Shard: id, Why: "cannot be its own standby"}
		}
		s.Standby, s.Sync = addr, sync
		return nil
	})
}

// Promote returns the version in which the shard's standby is its primary, in
// the next term. Only one that has every acknowledged write may be promoted. The
// old primary has no place until it is named the standby.
func (r *Ring) Promote(id ID) (*Ring, error) {
	if s, ok := r.Seat(id); ok && s.Standby != "" && !s.Sync {
		return nil, &SeatError{Shard: id, Why: "has a standby that may lack acknowledged messages"}
	}
	return r.PromoteBehind(id)
}

// PromoteBehind is Promote also of a standby that may lack acknowledged
// messages: only a person who knows that the primary is gone for good may want
// that.
func (r *Ring) PromoteBehind(id ID) (*Ring, error) {
	return r.onSeat(id, func(s *Seat) error {
		if s.Standby == "" {
			return &SeatError{Shard: id, Why: "has no standby"}
		}
		s.Addr, s.Standby, s.Sync = s.Standby, "", false
		s.Term++
		return nil
	})
}

// Readdress returns the version in which the same primary is found elsewhere.
func (r *Ring) Readdress(id ID, addr string) (*Ring, error) {
	return r.onSeat(id, func(s *Seat) error {
		s.Addr = addr
		return nil
	})
}

// AddAcceptor returns the version in which name, a shard of the ring or
// "witness:NAME", keeps the document too.
func (r *Ring) AddAcceptor(name string) (*Ring, error) {
	if slices.Contains(r.Acceptors, name) {
		return nil, &SeatError{Shard: ID(name), Why: "keeps the document already"}
	}
	n := r.next()
	n.setAcceptors(r, append(n.Acceptors, name))
	return n.checked()
}

// DropAcceptor returns the version in which name no longer keeps the document.
func (r *Ring) DropAcceptor(name string) (*Ring, error) {
	if !slices.Contains(r.Acceptors, name) {
		return nil, &SeatError{Shard: ID(name), Why: "does not keep the document"}
	}
	n := r.next()
	n.setAcceptors(r, without(n.Acceptors, name))
	return n.checked()
}
