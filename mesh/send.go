package mesh

import (
	"encoding/json"
	"log/slog"
	"maps"
	"slices"
)

// maxSpare is how much memory of a queue is kept for the next.
const maxSpare = 1 << 20

// send publishes all that waits, peer by peer: whatever has come meanwhile
// shares a message. It is called by Run only.
func (m *Mesh) send() {
	m.greet()
	for {
		p, queue, ends, beat := m.nextQueue()
		if p == nil {
			return
		}
		to := m.subject(p.run)
		parts(queue, ends, func(part []byte, flags byte) {
			h := header{kind: kindBatch, flags: flags, link: p.link, number: m.nextNumber(p)}
			m.publish(p.name, to, h, part)
		})
		if beat {
			m.beatTo(p)
		}
		if cap(queue) <= maxSpare {
			m.spare, m.spareEnd = queue[:0], ends[:0]
		}
	}
}

func (m *Mesh) subject(run string) string { return m.prefix + ".to." + run }

// nextQueue takes the queue of a peer for which something waits.
func (m *Mesh) nextQueue() (p *peer, queue []byte, ends []int, beat bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range m.peers {
		if len(p.ends) == 0 && !p.beatDue {
			continue
		}
		queue, ends, beat = p.queue, p.ends, p.beatDue
		p.queue, p.ends, p.beatDue = m.spare, m.spareEnd, false
		m.spare, m.spareEnd = nil, nil
		return p, queue, ends, beat
	}
	return nil, nil, nil, false
}

func (m *Mesh) nextNumber(p *peer) uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	p.sent++
	return p.sent
}

// beatTo tells one peer of this node and the last number it should have heard.
func (m *Mesh) beatTo(p *peer) {
	m.mu.Lock()
	self, sent := m.self, p.sent
	m.mu.Unlock()
	body, err := json.Marshal(self)
	if err != nil {
		m.log.Error("a beat cannot be encoded", slog.Any("err", err))
		return
	}
	m.publish(p.name, m.subject(p.run), header{kind: kindBeat, link: p.link, number: sent}, body)
}

// stranger is a node that has announced itself and is no peer.
type stranger struct{ name, run string }

// maxStrangers bounds them; who is left out announces itself again.
const maxStrangers = 64

// greet beats to those who have announced themselves.
func (m *Mesh) greet() {
	m.mu.Lock()
	list := m.greetings
	m.greetings = nil
	m.mu.Unlock()
	for _, s := range list {
		m.beatTo(&peer{name: s.name, run: s.run})
	}
}

// announce calls all nodes, known or not.
func (m *Mesh) announce() { m.publish("", m.prefix+".all", header{kind: kindAnnounce}, nil) }

// publish sends one message; name is whose it is, "" for all. What cannot be
// sent now is lost, which its number tells.
func (m *Mesh) publish(name, subject string, h header, body []byte) {
	h.name, h.run = m.self.Name, m.self.Run // never change
	m.out = append(appendHeader(m.out[:0], h), body...)
	if m.faults.lose(name, m.now()) {
		m.stats.lost.Add(1)
		return
	}
	if err := m.bus.publish(subject, m.out); err != nil {
		m.stats.lost.Add(1)
		return
	}
	m.stats.sent.Add(1)
	m.stats.sentBytes.Add(uint64(len(m.out)))
	if cap(m.out) > maxSpare {
		m.out = nil
	}
}

// goodbye tells all peers that this node is going, so that nobody waits for
// its silence, and which was its last message.
func (m *Mesh) goodbye() {
	m.send()
	m.mu.Lock()
	list := slices.Collect(maps.Values(m.peers))
	m.mu.Unlock()
	for _, p := range list {
		m.mu.Lock()
		sent := p.sent
		m.mu.Unlock()
		m.publish(p.name, m.subject(p.run), header{kind: kindGoodbye, link: p.link, number: sent}, nil)
	}
}

// hurried takes the wish to beat at once.
func (m *Mesh) hurried() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	h := m.hurry
	m.hurry = false
	return h
}

// BeatNow tells the others at once that this node's state has changed.
func (m *Mesh) BeatNow() {
	m.mu.Lock()
	m.hurry = true
	m.mu.Unlock()
	m.poke()
}

// state asks for what is told of this node.
func (m *Mesh) state() {
	st := m.deps.State()
	cpu := m.cpu.read()
	now := m.now()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.self.Sessions, m.self.Capacity, m.self.Ready, m.self.Draining = st.Sessions, st.Capacity, st.Ready, st.Draining
	m.self.CPU = cpu
	if m.displacedLocked(now) {
		m.self.Ready = false
	}
}
