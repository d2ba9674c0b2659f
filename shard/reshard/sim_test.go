package reshard

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"gori/shard"
)

// sim is a system of acceptors and proposers under a scheduler that loses,
// doubles and delays messages, takes acceptors down and lets proposers die.
// Everything in it follows from the seed.
type sim struct {
	rnd       *rand.Rand
	base      *shard.Ring
	acceptors map[string]*simAcceptor
	proposers []*simProposer
	flying    []simMessage
	mutant    string
	born      int

	docs     map[string]*shard.Ring // every document proposed, by hash
	hashes   map[*shard.Ring]string
	ballots  map[Ballot]string // what was accepted with each
	votes    map[Ballot]map[string]bool
	history  map[int64]string // hash of each version
	newest   int64            // version, of what anybody was told
	wins     int
	problems []string
}

type simAcceptor struct {
	vote Vote
	down bool
}

type simMessage struct {
	to     string // acceptor
	from   *simProposer
	rd     *round
	accept bool
	answer *Vote // nil: still a question
}

type simProposer struct {
	name    string
	p       *proposal
	rd      *round
	known   []string
	atLeast int64 // version that it must not go behind
	open    map[string]bool
}

func newSim(seed uint64, mutant string, base *shard.Ring) *sim {
	s := &sim{rnd: rand.New(rand.NewPCG(seed, 7)), base: base, mutant: mutant,
		docs: map[string]*shard.Ring{}, hashes: map[*shard.Ring]string{}, ballots: map[Ballot]string{}, votes: map[Ballot]map[string]bool{},
		history: map[int64]string{}, acceptors: map[string]*simAcceptor{}}
	s.docs[base.Hash()], s.history[1], s.newest = base, base.Hash(), 1
	for _, name := range simNames {
		s.acceptors[name] = &simAcceptor{}
		if slices.Contains(base.Acceptors, name) {
			s.acceptors[name].vote.Doc = base
		}
	}
	return s
}

// hash remembers the hashes of documents, which are what takes longest.
func (s *sim) hash(doc *shard.Ring) string {
	h, ok := s.hashes[doc]
	if !ok {
		h = doc.Hash()
		s.hashes[doc] = h
	}
	return h
}

func (s *sim) problem(format string, args ...any) {
	s.problems = append(s.problems, fmt.Sprintf(format, args...))
}

var simNames = []string{"a", "b", "c", "witness:w", "witness:x"}

// change makes some next version of a document; half of them change the
// acceptors, more than one at a time even.
func (s *sim) change(from *shard.Ring) *shard.Ring {
	to := *from
	to.Version, to.Prev, to.OldAcceptors = from.Version+1, s.hash(from), nil
	to.Seats = slices.Clone(from.Seats)
	s.born++
	to.Seats[0].Addr = fmt.Sprintf("host=h port=%d", s.born)
	if s.rnd.IntN(2) == 0 {
		to.Acceptors = nil
		for _, name := range simNames {
			if s.rnd.IntN(3) > 0 {
				to.Acceptors = append(to.Acceptors, name)
			}
		}
		if to.Acceptors == nil {
			to.Acceptors = simNames[:3]
		}
		if s.mutant != "new majority only" {
			to.OldAcceptors = from.Acceptors
		}
	}
	s.docs[s.hash(&to)] = &to
	return &to
}

// spawn begins a Read, or a Change of what is the newest or something older.
func (s *sim) spawn() {
	s.born++
	pr := &simProposer{name: fmt.Sprintf("p%d", s.born), atLeast: s.newest, known: []string{"a", "b", "c"}}
	pr.p = &proposal{name: pr.name}
	if s.rnd.IntN(3) > 0 {
		version := s.newest
		if s.rnd.IntN(5) == 0 && version > 1 {
			version--
		}
		pr.p.from = s.docs[s.history[version]]
		pr.p.to = s.change(pr.p.from)
	}
	last := s.docs[s.history[1+s.rnd.Int64N(s.newest)]]
	pr.known = union(pr.known, last.Quorums())
	s.proposers = append(s.proposers, pr)
	s.begin(pr)
}

func (s *sim) begin(pr *simProposer) {
	pr.rd, pr.open = pr.p.begin(pr.known), map[string]bool{}
	s.send(pr, pr.rd.asked, false)
	s.advance(pr)
}

func (s *sim) send(pr *simProposer, names []string, accept bool) {
	for _, name := range names {
		pr.open[name] = true
		s.flying = append(s.flying, simMessage{to: name, from: pr, rd: pr.rd, accept: accept})
	}
}

// advance lets a proposer go on as far as it can.
func (s *sim) advance(pr *simProposer) {
	for {
		next := pr.rd.read
		if pr.rd.writing != nil {
			next = pr.rd.wrote
		}
		switch st := next(); st {
		case waiting:
			return
		case ask:
			s.send(pr, pr.rd.more(), false)
		case write:
			if s.mutant == "new majority only" {
				pr.rd.sets = pr.rd.writing.Quorums()
			}
			pr.p.sends(pr.rd)
			pr.open = map[string]bool{}
			s.send(pr, pr.rd.targets(), true)
		case chosen:
			if ended, err := pr.p.concludes(pr.rd.result()); ended {
				s.ends(pr, pr.rd.result(), err)
				return
			}
			s.again(pr)
			return
		case beaten:
			s.again(pr)
			return
		default:
			if s.rnd.IntN(3) == 0 {
				s.again(pr)
			} else {
				s.leaves(pr) // told that it failed, or that nothing is known
			}
			return
		}
	}
}

func (s *sim) again(pr *simProposer) {
	pr.p.again(pr.rd)
	s.begin(pr)
}

func (s *sim) leaves(pr *simProposer) {
	s.proposers = slices.DeleteFunc(s.proposers, func(o *simProposer) bool { return o == pr })
}

// ends checks what a proposer tells.
func (s *sim) ends(pr *simProposer, now *shard.Ring, err error) {
	s.leaves(pr)
	s.chain(now)
	if now.Version < pr.atLeast {
		s.problem("%s was told version %d after version %d had been told", pr.name, now.Version, pr.atLeast)
	}
	s.newest = max(s.newest, now.Version)
	if err == nil && pr.p.to != nil {
		s.wins++
		s.chain(pr.p.to)
	}
	if c, ok := err.(*ConflictError); ok && s.history[pr.p.to.Version] == s.hash(pr.p.to) {
		s.problem("%s was told of a conflict with version %d and has won", pr.name, c.Now.Version)
	}
}

// chain checks that a document that is chosen fits all others that are.
func (s *sim) chain(doc *shard.Ring) {
	for hash := s.hash(doc); ; {
		if was, ok := s.history[doc.Version]; ok {
			if was != hash {
				s.problem("version %d is two documents", doc.Version)
			}
			return
		}
		s.history[doc.Version] = hash
		before := s.docs[doc.Prev]
		if before == nil || before.Version != doc.Version-1 {
			s.problem("version %d skips one", doc.Version)
			return
		}
		doc, hash = before, doc.Prev
	}
}

// deliver hands over the i-th message.
func (s *sim) deliver(i int) {
	m := s.flying[i]
	if s.rnd.IntN(12) > 0 { // else it comes once more
		s.flying = slices.Delete(s.flying, i, i+1)
	}
	if m.answer == nil {
		a := s.acceptors[m.to]
		if a.down {
			return
		}
		v := s.handle(m, a)
		m.answer = &v
		if s.rnd.IntN(12) > 0 { // else it is lost
			s.flying = append(s.flying, m)
		}
		return
	}
	pr := m.from
	if !slices.Contains(s.proposers, pr) || pr.rd != m.rd || m.accept != (pr.rd.writing != nil) || !pr.open[m.to] {
		return
	}
	delete(pr.open, m.to)
	s.answer(pr, m.to, *m.answer, true)
}

func (s *sim) answer(pr *simProposer, name string, v Vote, ok bool) {
	if pr.rd.writing != nil {
		pr.rd.took(name, v, ok)
	} else {
		pr.rd.promised(name, v, ok)
	}
	s.advance(pr)
}

// handle is what an acceptor does.
func (s *sim) handle(m simMessage, a *simAcceptor) Vote {
	b := m.rd.ballot
	switch {
	case !m.accept && b.Compare(a.vote.Promised) > 0:
		a.vote.Promised = b
	case m.accept && (b.Compare(a.vote.Promised) >= 0 || s.mutant == "no promise check"):
		if s.mutant != "no promise check" || b.Compare(a.vote.Promised) > 0 {
			a.vote.Promised = b
		}
		a.vote.Accepted, a.vote.Doc = b, m.rd.writing
		s.voted(m.to, b, m.rd.writing)
	default:
		return Vote{Promised: a.vote.Promised}
	}
	v := a.vote
	v.OK = true
	return v
}

// voted notes an accepted document, and whether that makes it chosen.
func (s *sim) voted(name string, b Ballot, doc *shard.Ring) {
	if was, ok := s.ballots[b]; ok && was != s.hash(doc) {
		s.problem("ballot %v stands for two documents", b)
	}
	s.ballots[b] = s.hash(doc)
	if s.votes[b] == nil {
		s.votes[b] = map[string]bool{}
	}
	s.votes[b][name] = true
	if majorities(doc.Quorums(), func(n string) bool { return s.votes[b][n] }) {
		s.chain(doc)
	}
}

// step does one thing at random.
func (s *sim) step() {
	switch n := s.rnd.IntN(100); {
	case len(s.proposers) == 0, n < 3 && len(s.proposers) < 4:
		s.spawn()
	case n < 4: // one dies, with what it has sent still under way
		s.proposers = slices.Delete(s.proposers, 0, 1)
	case n < 5:
		s.toggle()
	case n < 9: // one waits no longer for an answer
		pr := s.proposers[s.rnd.IntN(len(s.proposers))]
		if names := slices.Sorted(maps.Keys(pr.open)); len(names) > 0 {
			name := names[s.rnd.IntN(len(names))]
			delete(pr.open, name)
			s.answer(pr, name, Vote{}, false)
		}
	case n < 12 && len(s.flying) > 0:
		i := s.rnd.IntN(len(s.flying))
		s.flying = slices.Delete(s.flying, i, i+1)
	case len(s.flying) > 0:
		s.deliver(s.rnd.IntN(len(s.flying)))
	}
	if len(s.flying) > 200 {
		s.flying = s.flying[100:]
	}
}

func (s *sim) toggle() {
	a := s.acceptors[simNames[s.rnd.IntN(len(simNames))]]
	a.down = !a.down
	if s.mutant == "forgets when it dies" && a.down {
		a.vote.Promised, a.vote.Accepted, a.vote.Doc = Ballot{}, Ballot{}, s.base
	}
}

func firstRing(t testing.TB, ids ...shard.ID) *shard.Ring {
	t.Helper()
	m, err := shard.First(ids)
	if err != nil {
		t.Fatal(err)
	}
	return shard.FirstRing(m)
}

// Whatever is lost, doubled, late or dead: every version is one document, made
// from the one before, and nobody is told of an older one afterwards.
func TestTheRegisterUnderRandomSchedules(t *testing.T) {
	base := firstRing(t, "a", "b", "c")
	schedules := uint64(2000)
	if testing.Short() {
		schedules = 300
	}
	wins, versions := 0, int64(0)
	for seed := range schedules {
		s := newSim(seed, "", base)
		for range 600 {
			s.step()
		}
		for _, p := range s.problems {
			t.Fatalf("seed %d: %s", seed, p)
		}
		wins += s.wins
		versions += s.newest - 1
	}
	t.Logf("%d schedules: %d changes won, %d versions", schedules, wins, versions)
	if wins < int(schedules) {
		t.Errorf("only %d changes were made in %d schedules: the schedules are too hostile to tell anything", wins, schedules)
	}
}

// The checker must see what it is for.
func TestTheSimulationCatchesMutants(t *testing.T) {
	base := firstRing(t, "a", "b", "c")
	for _, mutant := range []string{"no promise check", "forgets when it dies", "new majority only"} {
		caught := 0
		for seed := range uint64(2000) {
			s := newSim(seed, mutant, base)
			for range 600 {
				if s.step(); len(s.problems) > 0 {
					break
				}
			}
			if len(s.problems) > 0 {
				if caught == 0 {
					t.Logf("%s: seed %d: %s", mutant, seed, s.problems[0])
				}
				if caught++; caught == 3 {
					break
				}
			}
		}
		if caught < 3 {
			t.Errorf("%s: caught %d times in 2000 schedules", mutant, caught)
		}
	}
}
