package chat_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"gori/chat"
	"gori/chat/chattest"
)

// cluster is several nodes and the people on them.
type cluster struct {
	*chattest.Cluster
	testing.TB
	ctx     context.Context
	keys    int
	devices []*chattest.Device
}

// inCluster runs a test in a bubble of fake time, on nodes that run.
func inCluster(t *testing.T, nodes int, seed uint64, run func(c *cluster), edit ...func(node int, d *chat.Deps)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		made, err := chattest.NewCluster(nodes, seed, edit...)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(context.Background())
		c := &cluster{Cluster: made, TB: t, ctx: ctx}
		done := make(chan struct{})
		go func() {
			defer close(done)
			c.Run(ctx)
		}()
		defer func() {
			for _, d := range c.devices {
				d.Close()
			}
			stop()
			<-done
			time.Sleep(time.Minute) // what is on its way arrives nowhere
		}()
		run(c)
	})
}

func (c *cluster) must(err error) {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
}

func (c *cluster) user(name string) chat.Identity {
	c.Helper()
	self, login, err := c.Memory.SignUp(c.ctx, chat.NewAccount{LoginName: name, DisplayName: name})
	c.must(err)
	return chat.Identity{User: self.ID, Login: login, Admin: self.Admin}
}

func (c *cluster) users(n int) (list []chat.Identity) {
	for i := range n {
		list = append(list, c.user(fmt.Sprintf("user%d", i)))
	}
	return list
}

func (c *cluster) connect(who chat.Identity, node int) *chattest.Device {
	d := c.Connect(c.ctx, who, node)
	c.devices = append(c.devices, d)
	synctest.Wait()
	return d
}

func (c *cluster) key() chat.ClientMsgID {
	c.keys++
	return chattest.Key(c.keys)
}

func (c *cluster) group(node int, owner chat.Identity, members ...chat.Identity) chat.ChannelID {
	c.Helper()
	d := chat.GroupDraft{Key: c.key(), Name: "room", Limit: 100}
	for _, m := range members {
		d.Members = append(d.Members, m.User)
	}
	ch, err := c.Nodes[node].Service.CreateGroup(c.ctx, owner, d)
	c.must(err)
	return ch.ID
}

func (c *cluster) say(node int, who chat.Identity, ch chat.ChannelID, body string) chat.Receipt {
	c.Helper()
	r, err := c.Nodes[node].Service.Send(c.ctx, who, chat.Draft{Channel: ch, ClientMsgID: c.key(), Body: body})
	c.must(err)
	return r
}

func (c *cluster) govern(node int, who chat.Identity, g chat.Governance) chat.Channel {
	c.Helper()
	ch, err := c.Nodes[node].Service.Govern(c.ctx, who, g)
	c.must(err)
	return ch
}

// converge waits until all devices are equal to the store and tells how long
// that took.
func (c *cluster) converge(within time.Duration) time.Duration {
	c.Helper()
	began := time.Now()
	for {
		differs := ""
		for i, d := range c.devices {
			if diff := d.Differs(c.ctx); diff != "" && d.Ended() == 0 {
				differs = fmt.Sprintf("device %d of user %s: %s", i, d.Who.User, diff)
				break
			}
		}
		if differs == "" {
			return time.Since(began)
		}
		if time.Since(began) > within {
			c.Fatalf("not equal after %v: %s", within, differs)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// life does n random things by random people through random nodes.
func (c *cluster) life(r *rand.Rand, people []chat.Identity, channels []chat.ChannelID, n int) {
	for i := range n {
		node := c.Nodes[r.IntN(len(c.Nodes))].Service
		who, ch := people[r.IntN(len(people))], channels[r.IntN(len(channels))]
		other := people[r.IntN(len(people))].User
		seq := chat.Seq(1 + r.IntN(20))
		// Whatever is refused, as of who is no member, is none of this test's business.
		switch r.IntN(20) {
		case 0:
			_, _ = node.Edit(c.ctx, who, ch, seq, fmt.Sprint("edited ", i), nil)
		case 1:
			_, _ = node.Delete(c.ctx, who, ch, seq)
		case 2:
			_, _ = node.React(c.ctx, who, ch, seq, "👍")
		case 3, 4:
			_, _ = node.Read(c.ctx, who, ch, 0, seq)
		case 5:
			_, _ = node.Govern(c.ctx, who, chat.Governance{Kind: chat.GovernRemove, Channel: ch, Users: []chat.UserID{other}})
		case 6:
			_, _ = node.Govern(c.ctx, who, chat.Governance{Kind: chat.GovernAdd, Channel: ch, Users: []chat.UserID{other}})
		case 7:
			c.devices[r.IntN(len(c.devices))].Hangup()
		default:
			_, _ = node.Send(c.ctx, who, chat.Draft{Channel: ch, ClientMsgID: c.key(), Body: fmt.Sprint("message ", i)})
		}
		time.Sleep(time.Duration(r.IntN(150)) * time.Millisecond)
	}
}

func TestDevicesConvergeThoughTheMeshLosesMuch(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			inCluster(t, 3, seed, func(c *cluster) {
				c.Mesh.Change(func(m *chattest.Mesh) { m.Drop, m.Delay, m.Reorder = 0.3, 200*time.Millisecond, seed%2 == 0 })
				people := c.users(10)
				var channels []chat.ChannelID
				for i := range 4 {
					channels = append(channels, c.group(i%3, people[i], slices.Delete(slices.Clone(people), i, i+1)...))
				}
				for i, p := range people {
					c.connect(p, i%3)
					if i%3 == 0 {
						c.connect(p, (i+1)%3)
					}
				}
				c.life(rand.New(rand.NewPCG(seed, 3)), people, channels, 250)
				took := c.converge(90 * time.Second)
				t.Logf("all equal %v after the last change", took)
			})
		})
	}
}

func TestDevicesConvergeWithoutAMesh(t *testing.T) {
	inCluster(t, 2, 1, func(c *cluster) {
		c.Mesh.Change(func(m *chattest.Mesh) { m.Cut = true })
		people := c.users(4)
		ch := c.group(0, people[0], people[1:]...)
		for i, p := range people {
			c.connect(p, i%2)
		}
		c.life(rand.New(rand.NewPCG(1, 3)), people, []chat.ChannelID{ch}, 100)
		t.Logf("all equal %v after the last change", c.converge(90*time.Second))
	})
}

func TestAChangeOfFriendsIsFoundThoughTheMeshIsCut(t *testing.T) {
	inCluster(t, 2, 1, func(c *cluster) {
		u := c.users(2)
		for i, p := range u {
			c.connect(p, i)
		}
		time.Sleep(10 * time.Second)
		c.Mesh.Change(func(m *chattest.Mesh) { m.Cut = true })
		_, err := c.Nodes[0].Service.Befriend(c.ctx, u[0], u[1].User)
		c.must(err)
		_, err = c.Nodes[0].Service.Befriend(c.ctx, u[1], u[0].User)
		c.must(err)
		time.Sleep(70 * time.Second)
		if got := c.Nodes[1].FriendsTold(u[1].User); len(got) != 1 || got[0] != u[0].User {
			t.Fatalf("presence was told of friends %v", got)
		}
		if f, _ := c.devices[1].Last("friend")["friend"].(map[string]any); f["state"] != "accepted" {
			t.Fatalf("the device was told of %v", f)
		}
		c.must(c.Nodes[0].Service.Block(c.ctx, u[0], u[1].User))
		c.must(c.Nodes[0].Service.Unfriend(c.ctx, u[1], u[0].User))
		time.Sleep(70 * time.Second)
		if got := c.Nodes[1].FriendsTold(u[1].User); len(got) != 0 {
			t.Fatalf("presence still knows friends %v", got)
		}
		if n := c.devices[1].Resumes(); n != 1 {
			t.Fatalf("the device resumed %d times", n)
		}
	})
}

func TestAWholeMeshTellsAtOnce(t *testing.T) {
	inCluster(t, 3, 1, func(c *cluster) {
		people := c.users(6)
		ch := c.group(0, people[0], people[1:]...)
		for i, p := range people {
			c.connect(p, i%3)
		}
		for i := range 30 {
			c.say(i%3, people[i%6], ch, fmt.Sprint(i))
			time.Sleep(20 * time.Millisecond)
		}
		if took := c.converge(time.Second); took > 500*time.Millisecond {
			t.Fatalf("all equal only after %v", took)
		}
		for _, d := range c.devices {
			if n := d.Heard("msg"); n != 30 {
				t.Fatalf("%d of 30 messages came live", n)
			}
		}
		time.Sleep(2 * time.Minute)
		for i, n := range c.Nodes {
			if reads := n.Service.Repaired(); reads != 0 {
				t.Errorf("node %d read %d inboxes though nothing was lost", i, reads)
			}
		}
	})
}
