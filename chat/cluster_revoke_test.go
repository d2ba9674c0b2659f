package chat_test

import (
	"fmt"
	"net/netip"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gori/chat"
	"gori/chat/chattest"
)

// meshes are the ways in which the promise on revocation must hold.
var meshes = map[string]func(m *chattest.Mesh){
	"whole": func(*chattest.Mesh) {},
	"cut":   func(m *chattest.Mesh) { m.Cut = true },
	"late":  func(m *chattest.Mesh) { m.Delay, m.Reorder = 5*time.Second, true },
}

func TestAnEndedLoginIsWorthNothingOnAnyNodeAfterASecond(t *testing.T) {
	for name, mesh := range meshes {
		t.Run(name, func(t *testing.T) {
			inCluster(t, 3, 1, func(c *cluster) { endLogins(c, mesh) })
		})
	}
}

func endLogins(c *cluster, mesh func(m *chattest.Mesh)) {
	people := c.Nodes[0].People
	from := netip.MustParseAddr("127.0.0.1")
	ann, err := people.SignUp(c.ctx, chat.SignUp{LoginName: "ann", Password: "a good password", Address: from})
	c.must(err)
	admin := chat.Identity{User: ann.Self.ID, Login: ann.Login, Admin: ann.Self.Admin}
	bob, err := people.SignUp(c.ctx, chat.SignUp{LoginName: "bob", Password: "a good password", Address: from})
	c.must(err)
	c.Mesh.Change(mesh)
	keep := chat.Identity{User: bob.Self.ID, Login: bob.Login}
	logIn := func() (chat.Identity, string) {
		a, err := people.LogIn(c.ctx, chat.LogIn{LoginName: "bob", Password: "a good password", Address: from})
		c.must(err)
		return chat.Identity{User: a.Self.ID, Login: a.Login}, a.Token
	}
	for _, end := range []struct {
		what string
		code chat.CloseCode
		do   func(who chat.Identity) error
	}{
		{"revoked", chat.CloseRevoked, func(who chat.Identity) error { return people.RevokeLogin(c.ctx, keep, who.Login) }},
		{"password", chat.CloseRevoked, func(chat.Identity) error {
			return people.ChangePassword(c.ctx, keep, "a good password", "a good password", from)
		}},
		{"too many", chat.CloseRevoked, func(chat.Identity) error {
			for range chat.MaxLoginsPerUser {
				if _, _, err := c.Memory.CreateLogin(c.ctx, keep.User, [32]byte{1}, "more"); err != nil {
					return err
				}
				time.Sleep(time.Millisecond)
			}
			return nil
		}},
		{"disabled", chat.CloseDisabled, func(chat.Identity) error { return people.SetDisabled(c.ctx, admin, keep.User, true) }},
	} {
		endLogin(c, end.what, logIn, end.code, end.do)
	}
}

// endLogin has a login used on all nodes in all ways, ends it on the first, and
// wants it to be of no use a second later.
func endLogin(c *cluster, what string, logIn func() (chat.Identity, string), code chat.CloseCode, end func(chat.Identity) error) {
	c.Helper()
	who, token := logIn()
	var devices []*chattest.Device
	polls := make(chan error, len(c.Nodes))
	for i, n := range c.Nodes {
		devices = append(devices, c.connect(who, i))
		page, _, err := n.Service.Inbox(c.ctx, who, 0, 10)
		c.must(err)
		go func() {
			_, _, err := n.Service.WaitInbox(c.ctx, who, page.Pos, 10, 50*time.Second)
			polls <- err
		}()
		_, err = n.People.Authenticate(c.ctx, token)
		c.must(err)
	}
	synctest.Wait()
	c.must(end(who))
	time.Sleep(time.Second)
	for i, n := range c.Nodes {
		if got := devices[i].Ended(); got != code {
			c.Fatalf("%s: the session on node %d ended with %d, want %d", what, i, got, code)
		}
		if _, err := n.People.Authenticate(c.ctx, token); chat.CodeOf(err) != chat.CodeUnauthenticated {
			c.Fatalf("%s: the token on node %d: %v", what, i, err)
		}
		select {
		case err := <-polls:
			if chat.CodeOf(err) != chat.CodeUnauthenticated {
				c.Fatalf("%s: a long poll ended with %v", what, err)
			}
		default:
			c.Fatalf("%s: a long poll still waits", what)
		}
	}
}

func TestARemovedMemberHearsNothingAfterASecond(t *testing.T) {
	for name, mesh := range meshes {
		t.Run(name, func(t *testing.T) {
			inCluster(t, 3, 2, func(c *cluster) {
				people := c.users(12) // more than a small channel: light frames go to those who show it
				ch := c.group(0, people[0], people[1:]...)
				small := c.group(0, people[0], people[1], people[2])
				for i, p := range people[:9] {
					d := c.connect(p, i%3)
					d.Say(`{"op":"open","channel":"%d"}`, ch)
				}
				time.Sleep(3 * time.Second) // everybody knows who is where
				bob := people[1]
				other := c.connect(bob, 2)
				time.Sleep(time.Second)
				c.Mesh.Change(mesh)
				stop := c.chatter(people, ch, small)
				time.Sleep(2 * time.Second)
				for _, id := range []chat.ChannelID{ch, small} {
					c.govern(0, people[0], chat.Governance{Kind: chat.GovernRemove, Channel: id, Users: []chat.UserID{bob.User}})
				}
				time.Sleep(time.Second)
				wantShut(c, bob, ch)
				before := [2]int{heardOf(c.devices[1]), heardOf(other)}
				time.Sleep(10 * time.Second)
				if after := [2]int{heardOf(c.devices[1]), heardOf(other)}; after != before {
					t.Fatalf("the removed member went on hearing: %v, a second after the removal %v", after, before)
				}
				if heardOf(c.devices[4]) < 50 {
					t.Fatal("nobody heard anything, which proves nothing")
				}
				stop()
				c.Mesh.Change(func(m *chattest.Mesh) { m.Delay, m.Cut = 0, false })
				c.converge(90 * time.Second)
			})
		})
	}
}

// heardOf counts what a device has heard of channels.
func heardOf(d *chattest.Device) int {
	n := 0
	for _, op := range []string{"msg", "change", "typing", "read", "channel"} {
		n += d.Heard(op)
	}
	return n
}

// chatter has people who stay say, edit, read and type on all nodes until the
// returned function is called.
func (c *cluster) chatter(people []chat.Identity, channels ...chat.ChannelID) (stop func()) {
	end, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			select {
			case <-end:
				return
			case <-time.After(60 * time.Millisecond):
			}
			for k, ch := range channels {
				who, n := people[(i+k)%3*2], c.Nodes[i%3].Service
				r, err := n.Send(c.ctx, who, chat.Draft{Channel: ch, ClientMsgID: chattest.Key(1_000_000 + 10*i + k), Body: fmt.Sprint(i)})
				if err != nil {
					continue
				}
				_, _ = n.React(c.ctx, who, ch, r.Seq, "👍")
				_, _ = n.Read(c.ctx, people[(i+1)%3*2], ch, 0, r.Seq)
				_ = n.Typing(c.ctx, who, ch, 0)
			}
		}
	}()
	return func() {
		close(end)
		<-done
	}
}

// wantShut tries every door to a channel on every node.
func wantShut(c *cluster, who chat.Identity, ch chat.ChannelID) {
	c.Helper()
	for i, n := range c.Nodes {
		doors := map[string]func() error{
			"history": func() error { _, err := n.Service.History(c.ctx, who, chat.HistoryQuery{Channel: ch}); return err },
			"changes": func() error { _, err := n.Service.Changes(c.ctx, who, chat.ChangesQuery{Channel: ch}); return err },
			"channel": func() error { _, err := n.Service.Channel(c.ctx, who, ch); return err },
			"members": func() error { _, _, err := n.Service.Members(c.ctx, who, ch); return err },
			"invites": func() error { _, err := n.Service.Invites(c.ctx, who, ch); return err },
			"read":    func() error { _, err := n.Service.Read(c.ctx, who, ch, 0, 1); return err },
			"typing":  func() error { return n.Service.Typing(c.ctx, who, ch, 0) },
			"send": func() error {
				_, err := n.Service.Send(c.ctx, who, chat.Draft{Channel: ch, ClientMsgID: c.key(), Body: "x"})
				return err
			},
			"edit":  func() error { _, err := n.Service.Edit(c.ctx, who, ch, 2, "x", nil); return err },
			"react": func() error { _, err := n.Service.React(c.ctx, who, ch, 2, "👍"); return err },
		}
		for name, try := range doors {
			if err := try(); chat.CodeOf(err) != chat.CodeNotMember {
				c.Fatalf("%s on node %d: %v", name, i, err)
			}
		}
		page, _, err := n.Service.Inbox(c.ctx, who, 0, 500)
		c.must(err)
		for _, e := range page.Entries {
			if e.Channel == ch && (e.Member || e.Preview != "" || e.LastSeq != 0) {
				c.Fatalf("the inbox on node %d says %+v", i, e)
			}
		}
	}
}

func TestWhoComesBackIsNotExpelledByLateNews(t *testing.T) {
	inCluster(t, 3, 3, func(c *cluster) {
		people := c.users(4)
		ch := c.group(0, people[0], people[1:]...)
		for i, p := range people {
			c.connect(p, i%3)
		}
		time.Sleep(4 * time.Second)
		c.Mesh.Change(func(m *chattest.Mesh) { m.Delay, m.Reorder = 5*time.Second, true })
		bob := people[1]
		for i := range 10 {
			c.govern(0, people[0], chat.Governance{Kind: chat.GovernRemove, Channel: ch, Users: []chat.UserID{bob.User}})
			c.govern(2, people[0], chat.Governance{Kind: chat.GovernAdd, Channel: ch, Users: []chat.UserID{bob.User}})
			c.say(i%3, people[0], ch, fmt.Sprint(i))
			time.Sleep(300 * time.Millisecond)
		}
		c.converge(30 * time.Second)
		c.Mesh.Change(func(m *chattest.Mesh) { m.Delay = 0 })
		time.Sleep(6 * time.Second)
		before := c.devices[1].Heard("msg")
		c.say(2, people[0], ch, "live")
		time.Sleep(100 * time.Millisecond)
		if n := c.devices[1].Heard("msg"); n != before+1 {
			t.Fatalf("%d messages came live, want 1", n-before)
		}
	})
}

func TestProfilesAndFriendsReachAllNodes(t *testing.T) {
	inCluster(t, 3, 4, func(c *cluster) {
		u := c.users(3)
		for i, p := range u {
			c.connect(p, i)
		}
		time.Sleep(4 * time.Second)
		_, err := c.Nodes[0].Service.Befriend(c.ctx, u[0], u[1].User)
		c.must(err)
		time.Sleep(100 * time.Millisecond)
		_, err = c.Nodes[2].Service.Befriend(c.ctx, u[1], u[0].User)
		c.must(err)
		time.Sleep(100 * time.Millisecond)
		for i, friend := range []chat.UserID{u[1].User, u[0].User} {
			if got := c.Nodes[i].FriendsTold(u[i].User); len(got) != 1 || got[0] != friend {
				t.Fatalf("presence on node %d was told of friends %v", i, got)
			}
			f, _ := c.devices[i].Last("friend")["friend"].(map[string]any)
			if f["user"] != friend.String() || f["state"] != "accepted" {
				t.Fatalf("device %d was told of %v", i, f)
			}
		}
		for _, n := range c.Nodes { // all have it in their caches
			_, err := n.Service.Profiles(c.ctx, []chat.UserID{u[0].User})
			c.must(err)
		}
		name := "New Name"
		_, err = c.Nodes[0].People.EditProfile(c.ctx, u[0], chat.ProfileEdit{DisplayName: &name})
		c.must(err)
		time.Sleep(100 * time.Millisecond)
		if p, _ := c.devices[1].Last("user")["user"].(map[string]any); p["display_name"] != name {
			t.Fatalf("the friend was told of %v", p)
		}
		for i, n := range c.Nodes {
			if p, err := n.Service.Profiles(c.ctx, []chat.UserID{u[0].User}); err != nil || p[0].DisplayName != name {
				t.Fatalf("node %d knows %v (%v)", i, p, err)
			}
		}
		_, err = c.Nodes[2].Service.Befriend(c.ctx, u[2], u[0].User)
		c.must(err)
		c.must(c.Nodes[1].Service.Unfriend(c.ctx, u[1], u[0].User))
		time.Sleep(100 * time.Millisecond)
		if got := c.Nodes[0].FriendsTold(u[0].User); len(got) != 0 {
			t.Fatalf("presence still knows friends %v", got)
		}
	})
}

// A node that was frozen and thaws must not write what is in its queues before
// it knows for whom that still is.
func TestAThawedNodeAsksBeforeItWrites(t *testing.T) {
	for _, removed := range []bool{false, true} {
		t.Run(fmt.Sprint("removed: ", removed), func(t *testing.T) {
			var ahead atomic.Int64
			clock := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
			inCluster(t, 2, 5, func(c *cluster) {
				u := c.users(2)
				ch := c.group(0, u[0], u[1])
				d := c.connect(u[1], 1)
				time.Sleep(2*time.Second + 50*time.Millisecond)
				c.Mesh.Change(func(m *chattest.Mesh) { m.Cut = true })
				before := d.Heard("typing")
				if removed {
					c.govern(0, u[0], chat.Governance{Kind: chat.GovernRemove, Channel: ch, Users: []chat.UserID{u[1].User}})
				}
				ahead.Add(int64(5 * time.Second)) // so long nothing happened here
				c.Nodes[1].Hub.Deliver([]chat.UserID{u[1].User}, chat.Frame{Bytes: []byte(`{"op":"typing"}`), Channel: ch})
				time.Sleep(time.Second)
				want := before + 1
				if removed {
					want = before
				}
				if n := d.Heard("typing"); n != want {
					t.Fatalf("%d frames came, want %d", n-before, want-before)
				}
			}, func(node int, d *chat.Deps) {
				if node == 1 {
					d.Now, d.Hub = clock, chat.NewHub(chat.HubConfig{Now: clock})
				}
			})
		})
	}
}

func TestAStuckWriteOfARemovedMemberIsCut(t *testing.T) {
	inWorld(t, func(w *world) {
		u := w.users("a", "b", "c")
		ch := w.group(u[0], u[1], u[2])
		stuck, fine := w.connect(u[1]), w.connect(u[2])
		goOn := stuck.stall()
		defer goOn()
		w.say(u[0], ch, "on its way for long")
		time.Sleep(time.Second)
		_, err := w.svc.Govern(w.ctx, u[0], chat.Governance{Kind: chat.GovernRemove, Channel: ch, Users: []chat.UserID{u[1].User}})
		w.must(err)
		time.Sleep(time.Second)
		if code := stuck.closedWith(); code != chat.CloseSlow {
			t.Fatalf("closed with %d", code)
		}
		if code := fine.closedWith(); code != 0 {
			t.Fatalf("another member's session was closed with %d", code)
		}
	})
}
