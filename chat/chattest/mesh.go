package chattest

import (
	"math/rand/v2"
	"sync"
	"time"

	"gori/chat"
)

// Times of a Mesh that no test changes, as of the real one.
const (
	meshBeat   = 2 * time.Second // how often a node finds out that something was lost
	meshDigest = 3 * time.Second // how often a node learns who is where, if it was not told
)

// Mesh connects the nodes of a Cluster, badly: it loses, delays and reorders
// tidings as its fields say. Who is where is told by it too, so that may be
// known late.
type Mesh struct {
	// Set before use or under Change.
	Drop    float64       // the share of tidings that are lost
	Delay   time.Duration // each is delayed by up to this
	Reorder bool          // each by an amount of its own; otherwise they stay in order
	Cut     bool          // nothing passes

	mu    sync.Mutex
	rng   *rand.Rand
	nodes []*Node
	where map[whereKey]map[chat.UserID]int // who is on `at`, as `by` knows; a count of sessions
	lost  map[whereKey]bool                // something from at to by was lost
	last  map[whereKey]time.Time           // when the last one in order arrives
	done  bool
}

type whereKey struct{ by, at int }

func newMesh(seed uint64) *Mesh {
	return &Mesh{rng: rand.New(rand.NewPCG(seed, 1)), where: map[whereKey]map[chat.UserID]int{},
		lost: map[whereKey]bool{}, last: map[whereKey]time.Time{}}
}

// Change alters the fields while nodes run.
func (m *Mesh) Change(f func(m *Mesh)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f(m)
}

// send has something happen on another node, or not.
func (m *Mesh) send(from, to int, f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.done {
		return
	}
	k := whereKey{to, from}
	if m.Cut || m.rng.Float64() < m.Drop {
		m.lost[k] = true
		return
	}
	at := time.Now()
	if m.Delay > 0 {
		at = at.Add(time.Duration(m.rng.Int64N(int64(m.Delay))))
	}
	if !m.Reorder && at.Before(m.last[k]) {
		at = m.last[k].Add(time.Microsecond)
	}
	m.last[k] = at
	time.AfterFunc(time.Until(at), func() {
		m.mu.Lock()
		done := m.done
		m.mu.Unlock()
		if !done {
			f()
		}
	})
}

// relay is one node's side of the mesh.
type relay struct {
	m    *Mesh
	node int
}

func (r relay) ToUsers(users []chat.UserID, t chat.Tiding) {
	for i, n := range r.m.nodes {
		if i == r.node {
			continue
		}
		r.m.mu.Lock()
		var there []chat.UserID
		for _, u := range users {
			if r.m.where[whereKey{r.node, i}][u] > 0 {
				there = append(there, u)
			}
		}
		r.m.mu.Unlock()
		if len(there) > 0 {
			r.m.send(r.node, i, func() { n.Service.Heard(there, t) })
		}
	}
}

func (r relay) ToAll(t chat.Tiding) {
	for i, n := range r.m.nodes {
		if i != r.node {
			r.m.send(r.node, i, func() { n.Service.Heard(nil, t) })
		}
	}
}

// came tells the other nodes that a session came or went.
func (m *Mesh) came(node int, user chat.UserID, by int) {
	for i := range m.nodes {
		if i != node {
			m.send(node, i, func() {
				m.mu.Lock()
				defer m.mu.Unlock()
				m.know(i, node)[user] += by
			})
		}
	}
}

// know is called with mu held.
func (m *Mesh) know(by, at int) map[chat.UserID]int {
	k := whereKey{by, at}
	if m.where[k] == nil {
		m.where[k] = map[chat.UserID]int{}
	}
	return m.where[k]
}

// beat tells receivers that something was lost, and learn makes what nodes know
// of each other right; both get through as tidings do.
func (m *Mesh) beat() {
	for from := range m.nodes {
		for to, n := range m.nodes {
			m.mu.Lock()
			k := whereKey{to, from}
			tell := m.lost[k] && !m.Cut && m.rng.Float64() >= m.Drop
			if tell {
				m.lost[k] = false
			}
			m.mu.Unlock()
			if tell {
				n.Service.Missed()
			}
		}
	}
}

func (m *Mesh) learn() {
	for at, n := range m.nodes {
		here := n.crowd.users()
		for by := range m.nodes {
			m.mu.Lock()
			if by != at && !m.Cut && m.rng.Float64() >= m.Drop {
				known := m.know(by, at)
				clear(known)
				for u, count := range here {
					known[u] = count
				}
			}
			m.mu.Unlock()
		}
	}
}
