package mesh

import (
	"log/slog"
	"time"

	"gori/chat"
)

// tickEvery is how often silence is looked for; beats go every second tick.
const tickEvery = time.Second

// tick beats when it is time and drops peers that are silent. A node that was
// itself frozen must not take the others for dead: their silence was its own.
func (m *Mesh) tick() {
	now := m.now()
	asleep := now.Sub(m.lastTick) - tickEvery
	m.lastTick = now
	if asleep > 2*time.Second {
		m.log.Warn("this node did not run for a while", slog.Duration("for", asleep))
		m.forgive(now)
		m.listenerMissed()
	}
	if m.alone() || now.Sub(m.lastBeat) > chat.NodeBeatEvery-tickEvery/2 {
		m.beat()
	}
	m.bury(now)
}

// alone tells that no node is known: then this one calls at every tick, for
// the first calls are lost while the routes are being made.
func (m *Mesh) alone() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.peers) == 0
}

// beat tells all peers, and whoever does not know us yet.
func (m *Mesh) beat() {
	m.lastBeat = m.now()
	m.state()
	m.mu.Lock()
	for _, p := range m.peers {
		p.beatDue = true
	}
	m.mu.Unlock()
	m.announce()
	m.send()
}

// forgive counts all peers as heard now.
func (m *Mesh) forgive(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range m.peers {
		p.heard = now
	}
}

// bury drops the peers that are silent for too long.
func (m *Mesh) bury(now time.Time) {
	m.hearing.Lock()
	defer m.hearing.Unlock()
	m.mu.Lock()
	var dead []*peer
	for _, p := range m.peers {
		if now.Sub(p.heard) >= chat.NodeDeadAfter {
			dead = append(dead, p)
		}
	}
	m.mu.Unlock()
	for _, p := range dead {
		m.log.Warn("a node is silent", slog.String("node", p.name), slog.String("run", p.run), slog.Duration("for", now.Sub(p.heard)))
		m.leaves(p)
		m.listenerMissed() // what it said last may not have come
	}
}

// met takes the beat of a run that is not known: it becomes a peer, and has
// its name unless a newer one has it. Called under hearing.
func (m *Mesh) met(h header, st chat.NodeState, now time.Time) *peer {
	m.mu.Lock()
	m.links++
	p := &peer{name: h.name, run: h.run, link: m.links, state: st, heard: now, beatDue: true}
	m.peers[p.run] = p
	before := m.names[p.name]
	takes := p.name != m.self.Name && (before == nil || newer(st, before.state))
	if takes {
		m.names[p.name] = p
	}
	m.mu.Unlock()
	m.poke()
	switch {
	case p.name == m.self.Name:
		m.clash(p, now)
	case before != nil:
		m.log.Warn("two nodes have one name, or one has restarted: the newer counts",
			slog.String("node", p.name), slog.String("run", p.run), slog.String("other_run", before.run))
	default:
		m.log.Info("a node has joined", slog.String("node", p.name), slog.String("run", p.run))
	}
	if takes && m.deps.Gossip != nil {
		if before != nil {
			m.deps.Gossip.NodeGone(p.name)
		}
		m.deps.Gossip.NodeJoined(p.name)
	}
	// What it said before we knew each other is lost.
	m.listenerMissed()
	return p
}

// leaves drops a peer. Another run of its name that is alive takes its place.
// Called under hearing.
func (m *Mesh) leaves(p *peer) {
	m.mu.Lock()
	if m.peers[p.run] != p {
		m.mu.Unlock()
		return
	}
	delete(m.peers, p.run)
	had := m.names[p.name] == p
	var heir *peer
	if had {
		delete(m.names, p.name)
		for _, other := range m.peers {
			if other.name == p.name && (heir == nil || newer(other.state, heir.state)) {
				heir = other
			}
		}
		if heir != nil {
			m.names[p.name] = heir
		}
	}
	m.mu.Unlock()
	m.log.Info("a node has left", slog.String("node", p.name), slog.String("run", p.run))
	if !had || m.deps.Gossip == nil {
		return
	}
	m.deps.Gossip.NodeGone(p.name)
	if heir != nil {
		m.deps.Gossip.NodeJoined(p.name)
	}
}

// clash deals with another live node of our own name. The newer one is right:
// the older takes no more people, and looks for itself after what it may not
// hear, until one of the two ends. Called under hearing, at each of its beats.
func (m *Mesh) clash(p *peer, now time.Time) {
	m.mu.Lock()
	lost := newer(p.state, m.self)
	if lost {
		m.displaced = now
		m.self.Ready = false
	}
	scold := m.scolded.IsZero() || now.Sub(m.scolded) > 30*time.Second
	if scold {
		m.scolded = now
	}
	m.mu.Unlock()
	if scold {
		m.log.Error("another live node has this node's name: give each its own node.name",
			slog.String("node", p.name), slog.Int("its_pid", p.state.PID), slog.Bool("this_one_steps_back", lost))
	}
	if lost {
		m.listenerMissed()
	}
}

// Displaced tells that a newer live node has this one's name, so that nobody
// should be sent here.
func (m *Mesh) Displaced() bool {
	now := m.now()
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.displacedLocked(now)
}

func (m *Mesh) displacedLocked(now time.Time) bool {
	return !m.displaced.IsZero() && now.Sub(m.displaced) < chat.NodeDeadAfter
}
