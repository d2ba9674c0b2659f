package command

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"gori/api"
	"gori/client"
	"gori/config"
	"gori/reach"
)

// meshNode is one of several nodes in this process, on the same shards.
type meshNode struct {
	name string
	url  string
	node *node
}

var lastMeshPort atomic.Int64

// meshPorts are addresses for the mesh, which the nodes must know before they
// listen. Each process has a loopback address of its own, so nobody else takes
// them meanwhile.
func meshPorts(n int) []string {
	pid := os.Getpid()
	var addrs []string
	for range n {
		addrs = append(addrs, fmt.Sprintf("127.%d.%d.%d:%d", 1+pid>>16&63, pid>>8&255, pid&255, 21_000+lastMeshPort.Add(1)))
	}
	return addrs
}

// startMeshNodes runs n nodes on two new shards. lose decides about each
// message of the mesh.
func startMeshNodes(t *testing.T, n int, lose func() bool) []meshNode {
	t.Helper()
	cfg := twoShards(t)
	log := slog.New(slog.NewTextHandler(t.Output(), nil)) // seen when the test fails
	if err := reach.Migrate(t.Context(), cfg, log); err != nil {
		t.Fatal(err)
	}
	addrs := meshPorts(n)
	var nodes []meshNode
	for i := range n {
		c := cfg
		c.Node.Name = fmt.Sprintf("n%d", i+1)
		c.Mesh = config.Mesh{Listen: addrs[i], Routes: addrs, Secret: "the secret of the tests"}
		nodes = append(nodes, startMeshNode(t, c, log, lose))
	}
	eventually(t, "all nodes know each other", func() bool {
		for _, one := range nodes {
			if len(one.node.mesh.Nodes()) != n {
				return false
			}
		}
		return true
	})
	return nodes
}

func startMeshNode(t *testing.T, cfg config.Config, logger *slog.Logger, lose func() bool) meshNode {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	one, err := newNode(ctx, cfg, l, logger)
	if err != nil {
		stop()
		t.Fatal(err)
	}
	one.mesh.Lose(lose)
	done := make(chan error, 1)
	go func() { done <- one.run(ctx, api.Listeners{Public: l}) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("node %s ended with: %v", cfg.Node.Name, err)
		}
	})
	return meshNode{cfg.Node.Name, "http://" + l.Addr().String(), one}
}

// meshDevice is one device of a person on one node, and what it shows.
type meshDevice struct {
	name string
	c    *client.Client
	live *client.Live
	left chan client.ChannelID // the channels it was removed from

	mu     sync.Mutex
	bodies map[client.Seq]string // in their present state
	first  []client.Seq          // new messages as they came
	frames []byte                // all that came after it was removed
}

func (d *meshDevice) show(m client.Message) {
	d.mu.Lock()
	defer d.mu.Unlock()
	text := m.Body
	if m.Deleted {
		text = "deleted"
	}
	for _, r := range m.Reactions {
		text += fmt.Sprint(" ", r.Emoji, len(r.Users))
	}
	d.bodies[m.Seq] = text
}

// connectDevice logs a person in on a node; the first time it signs up.
func connectDevice(t *testing.T, on meshNode, person string, first bool) *meshDevice {
	t.Helper()
	d := &meshDevice{name: person + " on " + on.name, bodies: make(map[client.Seq]string), left: make(chan client.ChannelID, 1)}
	var err error
	if d.c, err = client.New(on.url, client.Options{}); err != nil {
		t.Fatal(err)
	}
	if first {
		err = d.c.SignUp(t.Context(), client.NewUser{LoginName: person, Password: "correct horse", DisplayName: person})
	} else {
		err = d.c.LogIn(t.Context(), person, "correct horse")
	}
	if err != nil {
		t.Fatal(err)
	}
	d.live, err = d.c.Connect(t.Context(), client.LiveOptions{Endpoint: "/n/" + on.name + "/ws", Events: client.Events{
		Message: func(m client.Message) {
			d.mu.Lock()
			d.first = append(d.first, m.Seq)
			d.mu.Unlock()
			d.show(m)
		},
		Change: d.show,
		Left: func(ch client.ChannelID) {
			select {
			case d.left <- ch:
			default: // that it is out is learnt by a refusal, too
			}
		},
		Frame: func(text []byte) {
			d.mu.Lock()
			defer d.mu.Unlock()
			if len(d.left) > 0 {
				d.frames = append(d.frames, text...)
			}
		},
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.live.Close)
	return d
}

// shows tells whether the device has all of want, each new message once and in
// order.
func (d *meshDevice) shows(want map[client.Seq]string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for seq, text := range want {
		if d.bodies[seq] != text {
			return false
		}
	}
	return true
}

// With 30 % of all that nodes tell each other lost, beats and gossip too,
// every device on every node shows in the end what the server has, each
// message once and in order, and who was removed hears nothing more.
func TestDevicesConvergeThoughTheMeshLoses(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	random := rand.New(rand.NewPCG(3, 30))
	nodes := startMeshNodes(t, 3, func() bool { mu.Lock(); defer mu.Unlock(); return random.IntN(10) < 3 })
	ctx := t.Context()
	var devices []*meshDevice
	var ids []client.UserID
	for i := range 4 {
		person := fmt.Sprintf("person%d", i)
		d := connectDevice(t, nodes[i%3], person, true)
		devices = append(devices, d, connectDevice(t, nodes[(i+1)%3], person, false))
		ids = append(ids, d.c.Me().ID)
	}
	group, err := devices[0].c.CreateGroup(ctx, client.NewGroup{Name: "all", Members: ids[1:]})
	if err != nil {
		t.Fatal(err)
	}
	writeAll(t, devices, group.ID)
	alterAll(t, devices, group.ID)
	removed := devices[6:] // the last person's
	if err := devices[0].c.RemoveMember(ctx, group.ID, ids[3]); err != nil {
		t.Fatal(err)
	}
	// How soon the nodes know is the subject of tests with a clock of their own
	// (P7); here nothing may come once they do.
	for _, d := range removed {
		eventually(t, d.name+" is told that it was removed", func() bool { return len(d.left) > 0 })
	}
	if _, err := devices[2].live.Send(ctx, client.Outgoing{Channel: group.ID, Body: "not for the removed"}); err != nil {
		t.Fatal(err)
	}
	want := serverState(t, devices[0].c, group.ID)
	for _, d := range devices[:6] {
		eventually(t, d.name+" shows what the server has", func() bool { return d.shows(want) })
		d.mu.Lock()
		if !slices.IsSorted(d.first) || len(slices.Compact(slices.Clone(d.first))) != len(d.first) {
			t.Errorf("%s got %v", d.name, d.first)
		}
		d.mu.Unlock()
	}
	for _, d := range removed {
		d.mu.Lock()
		if bytes.Contains(d.frames, []byte("not for the removed")) {
			t.Errorf("%s was told after the removal", d.name)
		}
		d.mu.Unlock()
	}
	for _, one := range nodes {
		st := one.node.mesh.Stats()
		t.Logf("%s: %+v", one.name, st)
		if st.Lost == 0 || st.Missed == 0 {
			t.Errorf("%s: nothing was lost, so nothing is proved", one.name)
		}
	}
}

// writeAll has every device write at the same time.
func writeAll(t *testing.T, devices []*meshDevice, group client.ChannelID) {
	t.Helper()
	var wg sync.WaitGroup
	for _, d := range devices {
		wg.Go(func() {
			for i := range 15 {
				if _, err := d.live.Send(t.Context(), client.Outgoing{Channel: group, Body: fmt.Sprint(d.name, " says ", i)}); err != nil {
					t.Errorf("%s: %v", d.name, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// alterAll edits, deletes and reacts from several nodes.
func alterAll(t *testing.T, devices []*meshDevice, group client.ChannelID) {
	t.Helper()
	for i, d := range devices {
		r, err := d.c.Post(t.Context(), client.Outgoing{Channel: group, Body: "to be altered"})
		if err != nil {
			t.Fatal(err)
		}
		switch i % 3 {
		case 0:
			_, err = d.c.Edit(t.Context(), group, r.Seq, "altered")
		case 1:
			_, err = d.c.Delete(t.Context(), group, r.Seq)
		default:
			_, err = d.c.React(t.Context(), group, r.Seq, "👍")
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// serverState reads the channel as it is.
func serverState(t *testing.T, c *client.Client, group client.ChannelID) map[client.Seq]string {
	t.Helper()
	state := &meshDevice{bodies: make(map[client.Seq]string)}
	page, err := c.History(t.Context(), group, client.HistoryQuery{Limit: 200})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range page.Messages {
		if m.Kind == 0 {
			state.show(m)
		}
	}
	if len(state.bodies) != 8*15+8+1 {
		t.Fatalf("the server has %d messages", len(state.bodies))
	}
	return state.bodies
}
