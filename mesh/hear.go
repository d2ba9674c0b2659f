package mesh

import (
	"encoding/json"
	"log/slog"

	"gori/chat"
)

// heard takes a message of another node. Calls may come from two goroutines,
// one for what is to all; hearing puts them into one order.
func (m *Mesh) heard(data []byte) {
	h, rest, err := parse(data)
	if err != nil {
		m.stats.unread.Add(1)
		return
	}
	if h.run == m.self.Run || m.faults.deaf(h.name, m.now()) {
		return
	}
	m.stats.received.Add(1)
	m.stats.receivedBytes.Add(uint64(len(data)))
	m.hearing.Lock()
	defer m.hearing.Unlock()
	switch h.kind {
	case kindAnnounce:
		m.heardAnnounce(h)
	case kindBeat:
		m.heardBeat(h, rest)
	case kindBatch:
		m.heardBatch(h, rest)
	case kindGoodbye:
		if p := m.peerOf(h.run); p != nil {
			if missed, _ := p.number(h); missed {
				m.missed(p)
			}
			m.leaves(p)
		}
	default:
		m.stats.unread.Add(1)
	}
}

func (m *Mesh) peerOf(run string) *peer {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.peers[run]
}

// heardAnnounce beats to a node that is not known. It becomes a peer by its
// own beat only: thus both directions have been seen to work.
func (m *Mesh) heardAnnounce(h header) {
	if m.peerOf(h.run) != nil {
		return
	}
	m.mu.Lock()
	if len(m.greetings) < maxStrangers {
		m.greetings = append(m.greetings, stranger{h.name, h.run})
	}
	m.mu.Unlock()
	m.poke()
}

func (m *Mesh) heardBeat(h header, body []byte) {
	var st chat.NodeState
	if err := json.Unmarshal(body, &st); err != nil || st.Name != h.name || st.Run != h.run {
		m.stats.unread.Add(1)
		return
	}
	st.Self, st.Age = false, 0
	now := m.now()
	p := m.peerOf(h.run)
	if p == nil {
		p = m.met(h, st, now)
	} else {
		m.mu.Lock()
		p.state, p.heard = st, now
		m.mu.Unlock()
		if p.name == m.self.Name {
			m.clash(p, now)
		}
	}
	// A greeting has no link yet.
	if h.link == 0 {
		return
	}
	if missed, _ := p.number(h); missed {
		m.missed(p)
	}
}

func (m *Mesh) heardBatch(h header, part []byte) {
	p := m.peerOf(h.run)
	if p == nil {
		m.stats.unknown.Add(1) // its first beat was lost; the next one makes us look
		return
	}
	missed, fresh := p.number(h)
	if missed {
		m.missed(p)
	}
	if !fresh {
		return
	}
	whole := p.whole(h.flags, part)
	if whole == nil {
		return
	}
	m.mu.Lock()
	named := m.names[p.name] == p
	m.mu.Unlock()
	for it, err := range items(whole) {
		if err != nil {
			m.stats.unread.Add(1)
			m.missed(p)
			return
		}
		m.stats.items.Add(1)
		switch {
		case it.kind == itemTiding && m.deps.Listener != nil:
			m.deps.Listener.Heard(it.users, it.tiding)
		case it.kind == itemPresence && m.deps.Gossip != nil && named:
			m.deps.Gossip.Heard(p.name, it.tiding.Body)
		}
	}
}

func (m *Mesh) missed(p *peer) {
	m.log.Debug("messages of a node were lost", slog.String("node", p.name))
	m.listenerMissed()
}

func (m *Mesh) listenerMissed() {
	m.stats.missed.Add(1)
	if m.deps.Listener != nil {
		m.deps.Listener.Missed()
	}
}
