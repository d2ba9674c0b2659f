package reshard

import (
	"fmt"
	"slices"

	"gori/shard"
)

// proposal is one Read or Change: as many rounds as it takes. Like round it is
// arithmetic.
type proposal struct {
	name     string
	counter  int64 // of the last ballot
	from, to *shard.Ring
	// tried says that somebody may have accepted to in a round that did not end
	// well.
	tried bool
}

// begin starts the next round, which asks first.
func (p *proposal) begin(first []string) *round {
	p.counter++
	if p.from != nil {
		first = union(first, p.from.Quorums(), p.to.Quorums())
	}
	return newRound(Ballot{Counter: p.counter, By: p.name}, p.from, p.to, first)
}

// sends notes that a round now sends what it writes.
func (p *proposal) sends(r *round) {
	if r.writing == p.to {
		p.tried = true
	}
}

// again notes that a round was beaten: the next has a higher ballot.
func (p *proposal) again(r *round) { p.counter = max(p.counter, r.refused.Counter) }

// concludes says, of a document that is chosen, whether that ends the proposal
// and how.
func (p *proposal) concludes(now *shard.Ring) (ended bool, err error) {
	if p.from == nil {
		return true, nil
	}
	switch {
	case same(now, p.to), now.Version == p.to.Version+1 && now.Prev == p.to.Hash():
		return true, nil
	case same(now, p.from):
		return false, nil
	case p.tried && now.Version > p.to.Version:
		return true, &UnknownError{Cause: fmt.Errorf("it has version %d by now", now.Version)}
	}
	return true, &ConflictError{Now: now}
}

// starves says what a proposal comes to when too few acceptors answer.
func (p *proposal) starves(cause error) error {
	if p.tried {
		return &UnknownError{Cause: cause}
	}
	return cause
}

// union returns all names once, in order.
func union(names []string, sets ...[][]string) []string {
	all := slices.Clone(names)
	for _, s := range sets {
		all = append(all, slices.Concat(s...)...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
