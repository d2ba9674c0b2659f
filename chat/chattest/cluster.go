package chattest

import (
	"context"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/alexedwards/argon2id"

	"gori/chat"
)

// Cluster is several nodes on one store in memory, connected by a Mesh. It is
// meant for a bubble of testing/synctest.
type Cluster struct {
	Memory *Memory
	Nodes  []*Node
	Mesh   *Mesh

	mu  sync.Mutex
	rng *rand.Rand
}

// Node is one node of a Cluster.
type Node struct {
	Hub     *chat.Hub
	Service *chat.Service
	People  *chat.PeopleService

	crowd *crowd
}

// NewCluster makes n nodes. edit may change what a node is made of.
func NewCluster(n int, seed uint64, edit ...func(node int, d *chat.Deps)) (*Cluster, error) {
	c := &Cluster{Memory: NewMemory(), Mesh: newMesh(seed), rng: rand.New(rand.NewPCG(seed, 2))}
	m := c.Memory
	// Any node may be the one that carries news to inboxes: the sweepers do too.
	m.OnInbox = func(notices []chat.InboxNotice) { c.anyNode().Hub.InboxChanged(notices) }
	logger := slog.New(slog.NewTextHandler(io.Discard, nil))
	for i := range n {
		node := &Node{crowd: &crowd{mesh: c.Mesh, node: i, here: map[chat.SessionID]chat.UserID{}}}
		d := chat.Deps{Log: m, Directory: m, Roster: newRosterCache(m), Inboxes: m, Invites: m, People: m, Contacts: m,
			Positions: m, Revocations: m, Attendance: node.crowd, Node: string(rune('a' + i)), Logger: logger}
		for _, e := range edit {
			e(i, &d)
		}
		if d.Hub == nil {
			d.Hub = chat.NewHub(chat.HubConfig{Log: logger})
		}
		var err error
		node.Hub = d.Hub
		if node.Service, err = chat.NewService(d); err != nil {
			return nil, err
		}
		node.Service.SetRelay(relay{c.Mesh, i})
		node.People, err = chat.NewPeople(chat.PeopleDeps{Accounts: m, Logins: m, People: m, Avatars: m, Service: node.Service, Logger: logger,
			Password: &argon2id.Params{Memory: 8, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32}})
		if err != nil {
			return nil, err
		}
		c.Nodes = append(c.Nodes, node)
	}
	c.Mesh.nodes = c.Nodes
	return c, nil
}

// Run runs the nodes until ctx ends.
func (c *Cluster) Run(ctx context.Context) {
	var wg sync.WaitGroup
	for _, n := range c.Nodes {
		wg.Go(func() { _ = n.Service.Run(ctx) })
		wg.Go(func() { _ = n.People.Run(ctx) })
	}
	wg.Go(func() {
		beat, learn := time.NewTicker(meshBeat), time.NewTicker(meshDigest)
		defer beat.Stop()
		defer learn.Stop()
		for {
			select {
			case <-ctx.Done():
				c.Mesh.Change(func(m *Mesh) { m.done = true })
				return
			case <-beat.C:
				c.Mesh.beat()
			case <-learn.C:
				c.Mesh.learn()
			}
		}
	})
	wg.Wait()
}

func (c *Cluster) anyNode() *Node { return c.Nodes[c.Intn(len(c.Nodes))] }

// Intn draws from the cluster's seed.
func (c *Cluster) Intn(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rng.IntN(n)
}

// rosterCache keeps member lists by version, as the real store does: one that
// is old stays until a newer one is asked for.
type rosterCache struct {
	m *Memory

	mu   sync.Mutex
	byID map[chat.ChannelID]cachedRoster
}

type cachedRoster struct {
	version int64
	ids     []chat.UserID
}

func newRosterCache(m *Memory) *rosterCache {
	return &rosterCache{m: m, byID: map[chat.ChannelID]cachedRoster{}}
}

// MemberIDs implements chat.Roster.
func (r *rosterCache) MemberIDs(_ context.Context, id chat.ChannelID, version int64) ([]chat.UserID, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.byID[id]; c.version > 0 && c.version >= version {
		return c.ids, nil
	}
	defer r.m.lock()()
	c := r.m.channels[id]
	if c == nil {
		return nil, nil
	}
	fresh := cachedRoster{version: c.MemberVersion}
	for u := range c.members {
		fresh.ids = append(fresh.ids, u)
	}
	slices.Sort(fresh.ids)
	r.byID[id] = fresh
	return fresh.ids, nil
}

// crowd is a node's Attendance: it tells the mesh who is here, and everybody
// that everybody is online.
type crowd struct {
	mesh *Mesh
	node int

	mu   sync.Mutex
	here map[chat.SessionID]chat.UserID
	last map[chat.UserID][]chat.UserID // friends as last told
}

// FriendsTold returns the friends that presence on this node was last told of.
func (n *Node) FriendsTold(user chat.UserID) []chat.UserID {
	n.crowd.mu.Lock()
	defer n.crowd.mu.Unlock()
	return n.crowd.last[user]
}

func (c *crowd) users() map[chat.UserID]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	users := map[chat.UserID]int{}
	for _, u := range c.here {
		users[u]++
	}
	return users
}

func (c *crowd) Arrived(user chat.UserID, _ chat.LoginID, s chat.SessionID) {
	c.mu.Lock()
	c.here[s] = user
	c.mu.Unlock()
	c.mesh.came(c.node, user, 1)
}

func (c *crowd) Beat(chat.UserID, chat.SessionID, bool) {}

func (c *crowd) Left(user chat.UserID, s chat.SessionID, _ bool) {
	c.mu.Lock()
	delete(c.here, s)
	c.mu.Unlock()
	c.mesh.came(c.node, user, -1)
}

func (c *crowd) Watch(chat.SessionID, []chat.UserID) []chat.PresenceState { return nil }

func (c *crowd) Befriended(user chat.UserID, friends, _ []chat.UserID) []chat.PresenceState {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last == nil {
		c.last = map[chat.UserID][]chat.UserID{}
	}
	c.last[user] = slices.Clone(friends)
	return nil
}
