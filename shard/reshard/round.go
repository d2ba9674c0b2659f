package reshard

import (
	"slices"

	"gori/shard"
)

// A round is one ballot of one proposer: arithmetic, without time and network.
// The register is CASPaxos with the acceptors named by the document itself.
// What makes a change of the acceptors safe:
//
//   - A document's quorum is a majority of its Acceptors and, if it changes
//     them, of OldAcceptors. A round reads, and writes, with the quorums of what
//     it reads and of what it writes.
//   - A version is made from one that changed the acceptors only when that one
//     is known to be chosen. So whatever an acceptor holds, its quorum meets that
//     of a chosen one before it: no proposer is led away by a change that never
//     came about.
//   - Of what the promises show the one accepted with the highest ballot counts,
//     not the one with the highest version.
type round struct {
	ballot Ballot
	from   *shard.Ring // nil: only read
	to     *shard.Ring

	asked   []string // to prepare, in order
	votes   map[string]Vote
	failed  map[string]bool // asked, and neither promised nor accepted in time
	refused Ballot          // the highest ballot that was promised to others

	writing  *shard.Ring // once the second phase has begun
	sets     [][]string  // whose majorities must accept it
	accepted map[string]bool
	lost     map[string]bool // will not accept it
}

// stage is where a round stands.
type stage int

const (
	waiting  stage = iota // for answers
	ask                   // more acceptors: round.missing
	write                 // round.writing is to be sent to round.targets
	chosen                // round.result is chosen, by this round or before
	beaten                // somebody has a higher ballot
	starved               // too few answer
	homeless              // nobody has a document
)

func newRound(b Ballot, from, to *shard.Ring, first []string) *round {
	return &round{ballot: b, from: from, to: to, asked: slices.Clone(first), votes: map[string]Vote{}, failed: map[string]bool{}}
}

// promised notes an answer to Prepare.
func (r *round) promised(name string, v Vote, ok bool) {
	switch {
	case !ok:
		r.failed[name] = true
	case !v.OK:
		r.failed[name] = true
		r.note(v.Promised)
	default:
		r.votes[name] = v
	}
}

func (r *round) note(b Ballot) {
	if b.Compare(r.refused) > 0 {
		r.refused = b
	}
}

// newest returns what the promises show with the highest ballot.
func (r *round) newest() (doc *shard.Ring, at Ballot) {
	for _, name := range r.asked {
		v, ok := r.votes[name]
		if !ok || v.Doc == nil {
			continue
		}
		order := v.Accepted.Compare(at)
		if doc == nil || order > 0 || order == 0 && v.Doc.Version > doc.Version {
			doc, at = v.Doc, v.Accepted
		}
	}
	return doc, at
}

// read is the first phase: it says what comes next.
func (r *round) read() stage {
	doc, at := r.newest()
	if doc == nil {
		if !r.allAnswered() {
			return waiting
		}
		return r.dead(homeless)
	}
	sets := doc.Quorums()
	if r.makes(doc) {
		sets = append(sets, r.to.Quorums()...)
	}
	if len(r.missing(sets)) > 0 {
		r.sets = sets
		return ask
	}
	has := func(name string) bool { _, ok := r.votes[name]; return ok }
	if !majorities(sets, has) {
		// Somebody who has not answered yet may know of a newer document, with
		// others to ask.
		if r.allAnswered() && !majorities(sets, func(name string) bool { return !r.failed[name] }) {
			r.sets = sets
			return r.dead(starved)
		}
		return waiting
	}
	was := majorities(doc.Quorums(), func(name string) bool {
		v, ok := r.votes[name]
		return ok && v.Doc != nil && v.Accepted == at
	})
	r.writing, r.sets = doc, sets
	switch {
	case r.makes(doc) && (was || len(doc.OldAcceptors) == 0):
		r.writing = r.to
	case was:
		return chosen
	}
	r.accepted, r.lost = map[string]bool{}, map[string]bool{}
	return write
}

func (r *round) allAnswered() bool { return len(r.votes)+len(r.failed) == len(r.asked) }

// makes says whether doc is what the change starts from.
func (r *round) makes(doc *shard.Ring) bool {
	return r.from != nil && same(doc, r.from)
}

// same compares documents.
func same(a, b *shard.Ring) bool {
	return a == b || a.Version == b.Version && a.Prev == b.Prev && a.Hash() == b.Hash()
}

// dead says why a round cannot go on.
func (r *round) dead(why stage) stage {
	if r.refused != (Ballot{}) {
		return beaten
	}
	return why
}

// missing returns who of the sets has not been asked yet.
func (r *round) missing(sets [][]string) []string {
	var names []string
	for _, set := range sets {
		for _, name := range set {
			if !slices.Contains(r.asked, name) && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// more asks those that read found missing.
func (r *round) more() []string {
	names := r.missing(r.sets)
	r.asked = append(r.asked, names...)
	return names
}

// targets returns who is to accept.
func (r *round) targets() []string {
	var names []string
	for _, set := range r.sets {
		names = append(names, set...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// took notes an answer to Accept.
func (r *round) took(name string, v Vote, ok bool) {
	switch {
	case !ok:
		r.lost[name] = true
	case !v.OK:
		r.lost[name] = true
		r.note(v.Promised)
	default:
		r.accepted[name] = true
	}
}

// wrote is the second phase: it says what comes next.
func (r *round) wrote() stage {
	switch {
	case majorities(r.sets, func(name string) bool { return r.accepted[name] }):
		return chosen
	case !majorities(r.sets, func(name string) bool { return !r.lost[name] }):
		return r.dead(starved)
	}
	return waiting
}

// result is what is chosen.
func (r *round) result() *shard.Ring { return r.writing }

// majorities says whether a majority of each set has it.
func majorities(sets [][]string, has func(string) bool) bool {
	for _, set := range sets {
		n := 0
		for _, name := range set {
			if has(name) {
				n++
			}
		}
		if 2*n <= len(set) {
			return false
		}
	}
	return true
}
