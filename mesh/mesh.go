package mesh

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"gori/chat"
	"gori/presence"
)

// Mesh is this node's part of the mesh. It is a chat.Relay; Peers is the
// presence.Peers.
type Mesh struct {
	// static after Open
	cfg    Config
	log    *slog.Logger
	now    func() time.Time
	bus    bus
	prefix string // of all subjects
	wake   chan struct{}
	faults faults
	stats  counters

	gossip atomic.Pointer[presence.Gossip] // set by Run

	// hearing is held while chat and presence are told of what came.
	hearing sync.Mutex
	deps    Deps

	mu        sync.Mutex
	self      chat.NodeState
	peers     map[string]*peer // by run
	names     map[string]*peer // who has each name, but our own
	links     uint64
	greetings []stranger // who is to be told of us
	hurry     bool       // beat at once
	displaced time.Time  // when a newer node of our name was last heard
	scolded   time.Time  // when that was last logged

	// owned by Run
	lastTick time.Time
	lastBeat time.Time
	spare    []byte // a queue's memory, between two
	spareEnd []int
	out      []byte
	cpu      cpuMeter
}

var _ chat.Relay = (*Mesh)(nil)

// Open starts the server of cfg.Listen, or connects to cfg.URL. The mesh says
// and hears nothing before Run.
func Open(cfg Config) (*Mesh, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	cfg.defaults()
	run := newRun()
	var b *natsBus
	var err error
	if cfg.URL != "" {
		b, err = openExternal(cfg)
	} else {
		b, err = openEmbedded(cfg, run)
	}
	if err != nil {
		return nil, err
	}
	return newMesh(cfg, run, b), nil
}

func (c *Config) defaults() {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
}

func newMesh(cfg Config, run string, b bus) *Mesh {
	now := cfg.Now()
	m := &Mesh{cfg: cfg, log: cfg.Log, now: cfg.Now, bus: b, wake: make(chan struct{}, 1),
		peers: make(map[string]*peer), names: make(map[string]*peer)}
	sum := sha256.Sum256([]byte("gori mesh " + cfg.Secret))
	m.prefix = "gori." + hex.EncodeToString(sum[:6])
	m.self = chat.NodeState{Name: cfg.Node, Region: cfg.Region, Version: cfg.Version, Run: run, PID: pid(),
		StartedAt: chat.MillisOf(now), Self: true}
	return m
}

// Run takes part in the mesh until ctx ends, then says goodbye. When it
// returns, nothing of the mesh runs any more.
func (m *Mesh) Run(ctx context.Context, d Deps) error {
	defer m.Close()
	if d.State == nil {
		return errors.New("mesh: Run needs State")
	}
	m.begin(d)
	if err := m.bus.subscribe(m.prefix+".all", m.heard); err != nil {
		return fmt.Errorf("mesh: %w", err)
	}
	if err := m.bus.subscribe(m.prefix+".to."+m.self.Run, m.heard); err != nil {
		return fmt.Errorf("mesh: %w", err)
	}
	ticker := time.NewTicker(tickEvery)
	defer ticker.Stop()
	m.tick()
	for {
		m.send()
		select {
		case <-ctx.Done():
			m.goodbye()
			return nil
		case <-ticker.C:
			m.tick()
		case <-m.wake:
			if m.hurried() {
				m.beat()
			}
		}
	}
}

func (m *Mesh) begin(d Deps) {
	m.hearing.Lock()
	m.deps = d
	m.hearing.Unlock()
	if d.Gossip != nil {
		m.gossip.Store(&d.Gossip)
	}
	m.lastTick = m.now()
}

// Close ends a mesh that was not run. It may be called more than once.
func (m *Mesh) Close() {
	if !m.faults.closed.CompareAndSwap(false, true) {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if err := m.bus.close(ctx); err != nil {
		m.log.Warn("the mesh did not end well", slog.Any("err", err))
	}
}

const closeTimeout = 2 * time.Second

// ToUsers implements chat.Relay.
func (m *Mesh) ToUsers(users []chat.UserID, t chat.Tiding) {
	gossip := m.gossip.Load()
	if gossip == nil || len(users) == 0 {
		return
	}
	(*gossip).NodesOf(users, func(node string, there []chat.UserID) {
		m.mu.Lock()
		defer m.mu.Unlock()
		if p := m.names[node]; p != nil {
			m.queueLocked(p, func(b []byte) []byte { return appendTiding(b, there, t) })
		}
	})
	m.poke()
}

// ToAll implements chat.Relay.
func (m *Mesh) ToAll(t chat.Tiding) {
	m.toAll(func(b []byte) []byte { return appendTiding(b, nil, t) })
}

// Peers carries what presence says.
func (m *Mesh) Peers() presence.Peers { return peers{m} }

type peers struct{ m *Mesh }

// ToAll implements presence.Peers.
func (p peers) ToAll(payload []byte) {
	p.m.toAll(func(b []byte) []byte { return appendPresence(b, payload) })
}

// ToNode implements presence.Peers.
func (p peers) ToNode(node string, payload []byte) {
	m := p.m
	m.mu.Lock()
	if to := m.names[node]; to != nil {
		m.queueLocked(to, func(b []byte) []byte { return appendPresence(b, payload) })
	}
	m.mu.Unlock()
	m.poke()
}

func (m *Mesh) toAll(encode func(b []byte) []byte) {
	m.mu.Lock()
	for _, p := range m.peers {
		m.queueLocked(p, encode)
	}
	m.mu.Unlock()
	m.poke()
}

func (m *Mesh) queueLocked(p *peer, encode func(b []byte) []byte) {
	if !p.addLocked(encode) {
		m.stats.dropped.Add(1)
	}
}

func (m *Mesh) poke() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// Nodes returns the live nodes by name, this one among them.
func (m *Mesh) Nodes() []chat.NodeState {
	now := m.now()
	m.mu.Lock()
	defer m.mu.Unlock()
	list := make([]chat.NodeState, 0, len(m.names)+1)
	list = append(list, m.self)
	for _, p := range m.names {
		st := p.state
		st.Age = now.Sub(p.heard)
		list = append(list, st)
	}
	slices.SortFunc(list, func(a, b chat.NodeState) int { return cmp.Compare(a.Name, b.Name) })
	return list
}
