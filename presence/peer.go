package presence

import (
	"time"

	"gori/chat"
)

// Times of the talk between nodes.
const (
	arrivalGather = 20 * time.Millisecond  // an arrival waits no longer for others: messages follow it
	roundEvery    = 500 * time.Millisecond // asking, digests and ends of graces are looked at
	digestEvery   = time.Second            // a digest is sent so often
	digestLong    = 12 * time.Second       // for so long after a change,
	digestIdle    = 20 * time.Second       // then so often
	answerEvery   = 200 * time.Millisecond // a node's asking is answered no more often
	seenRounds    = 10                     // rounds in which a change of who may see is told again
	frozenAfter   = 4 * time.Second        // a round that is late by this: the process stood still
	quietFor      = time.Second            // after standing still: sessions are looked at first
	untoldFor     = 3 * time.Second        // after standing still: the other nodes are heard first
	doubtAfter    = 20 * time.Second       // a session silent for this when the process stood still
	backWithin    = 3 * time.Second        // what is left of a grace when the user is seen elsewhere
	maxNodes      = 1000
	maxAnswer     = 32 // payloads; the rest is asked for again
)

// peer is one run of another node, as this one knows it. Guarded by the
// Tracker's mu.
type peer struct {
	name    string
	run     uint64    // 0: not heard yet
	index   uint16    // of its spots in the table
	joined  bool      // false: gone, or never heard of; its payloads are not taken
	renewed bool      // it has joined since run was heard: another run may be taken for the newer one
	until   time.Time // end of the grace of a run that is gone

	top     uint64 // the greatest seq heard
	want    uint64 // the node's sum of digests as of top
	root    uint64 // the sum of digests, as known here
	digests [bucketCount]uint64
	seqs    [bucketCount]uint64 // as of which each bucket is known
	users   int
	behind  bool // what it has is not what is known of it

	asked    time.Time // when it was last asked
	answered time.Time // when it was last answered
}

// nodes is what the Tracker knows of other nodes. Guarded by the Tracker's mu,
// but for table's readers.
type nodes struct {
	table  table
	byName map[string]*peer
	all    []*peer // by index; nil: free. Written under table.mu as well, like joined
}

func (n *nodes) init() {
	n.table.init()
	n.byName = map[string]*peer{}
}

// add makes a peer; nil if there are too many.
func (n *nodes) add(name string) *peer {
	n.table.mu.Lock()
	defer n.table.mu.Unlock()
	p := &peer{name: name}
	i := 0
	for i < len(n.all) && n.all[i] != nil {
		i++
	}
	if i == maxNodes {
		return nil
	}
	if i == len(n.all) {
		n.all = append(n.all, nil)
	}
	p.index = uint16(i)
	n.all[i] = p
	n.byName[name] = p
	return p
}

// drop forgets a peer that has no users.
func (n *nodes) drop(p *peer) {
	n.table.mu.Lock()
	defer n.table.mu.Unlock()
	n.all[p.index] = nil
	if n.byName[p.name] == p {
		delete(n.byName, p.name)
	}
}

// join sets whether a peer has joined.
func (n *nodes) join(p *peer, joined bool) {
	n.table.mu.Lock()
	defer n.table.mu.Unlock()
	p.joined = joined
}

// word is what a spot says now: of a node that is gone, only its graces remain.
func (n *nodes) word(s spot) word {
	if p := n.all[s.node]; p == nil || !p.joined {
		return s.word.withSay(s.word.say().lingering()).withLive(0) &^ wordListening
	}
	return s.word
}

// put replaces a record and keeps the digests. It returns the record before.
func (n *nodes) put(p *peer, u chat.UserID, r record) record {
	old := n.table.get(u, p.index)
	if old == r {
		return old
	}
	b := bucketOf(u)
	if !old.word.empty() {
		d := hashOf(u, old)
		p.digests[b] -= d
		p.root -= d
		p.users--
	}
	if !r.word.empty() {
		d := hashOf(u, r)
		p.digests[b] += d
		p.root += d
		p.users++
	}
	n.table.put(u, p.index, r)
	return old
}
