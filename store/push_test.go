package store

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"gori/chat"
	"gori/notify"
	"gori/notify/notifytest"
)

// postbox is a world with a push service and one notifier.
type postbox struct {
	*world
	service *notifytest.Service
	there   *whereabouts
	n       *notify.Notifier
}

// whereabouts is a presence that tests set.
type whereabouts struct {
	mu   sync.Mutex
	live map[chat.UserID]bool
}

func (p *whereabouts) Liveness(u chat.UserID) (bool, time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.live[u], 0
}

func (p *whereabouts) set(u chat.UserID, live bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.live[u] = live
}

// asUser reads from a store as chat.Service does.
type asUser struct{ *Store }

func (r asUser) History(ctx context.Context, who chat.Identity, q chat.HistoryQuery) (chat.Page, error) {
	q.Viewer = who.User
	return r.Store.History(ctx, q)
}

func newPostbox(t *testing.T, shards int) *postbox {
	t.Helper()
	var bell sync.Map
	w := newWorld(t, shards, func(c *Config) {
		c.PushGrace, c.StrictGate, c.InboxPace = 30*time.Millisecond, true, -1
		c.OnWake = func() {
			if n, ok := bell.Load(0); ok {
				n.(*notify.Notifier).Ring()
			}
		}
	})
	b := &postbox{world: w, there: &whereabouts{live: map[chat.UserID]bool{}}}
	b.n = b.notifier(w.Store)
	bell.Store(0, b.n)
	key, err := b.n.VAPIDKey(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	b.service = notifytest.NewService(t, key)
	return b
}

// notifier makes one that does not run yet.
func (b *postbox) notifier(s *Store, edit ...func(*notify.Config)) *notify.Notifier {
	b.t.Helper()
	cfg := notify.Config{Book: s, Vault: s, Reader: asUser{s}, Queues: s.PushQueues(), Desk: s, Presence: b.there,
		Subject: "owner@example.com", AllowNetworks: notifytest.Loopback(), Log: s.log, Poll: 20 * time.Millisecond}
	for _, e := range edit {
		e(&cfg)
	}
	n, err := notify.New(cfg)
	if err != nil {
		b.t.Fatal(err)
	}
	return n
}

// run runs notifiers until the test ends or the returned function is called.
func (b *postbox) run(ns ...*notify.Notifier) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for _, n := range ns {
		wg.Go(func() { _ = n.Run(ctx) })
	}
	stop = func() { cancel(); wg.Wait() }
	b.t.Cleanup(stop)
	return stop
}

// device subscribes a user at a path of the service.
func (b *postbox) device(u chat.UserID, path string) notify.Device {
	b.t.Helper()
	d, _, err := b.n.Register(context.Background(), chat.Identity{User: u}, b.service.Subscribe(path))
	if err != nil {
		b.t.Fatal(err)
	}
	return d
}

// settled waits until no wake and no job is left to do.
func (b *postbox) settled() {
	b.t.Helper()
	b.quiet()
	eventually(b.t, "no push waits", func() bool {
		for _, q := range b.PushQueues().All() {
			wakes, jobs, err := q.Waiting(context.Background())
			if err != nil {
				b.t.Fatal(err)
			}
			if wakes+jobs > 0 {
				return false
			}
		}
		return true
	})
}

// taken waits until the service has taken n pushes and nothing is left, and
// returns them.
func (b *postbox) taken(n int) []notifytest.Push {
	b.t.Helper()
	eventually(b.t, "the pushes have come", func() bool { return len(b.service.Pushes()) >= n })
	b.settled()
	got := b.service.Pushes()
	if len(got) != n {
		b.t.Fatalf("%d pushes, want %d: %+v", len(got), n, got)
	}
	return got
}

func (b *postbox) read(u chat.UserID, id chat.ChannelID, seq chat.Seq) {
	b.t.Helper()
	if _, _, err := b.MarkRead(context.Background(), chat.ReadMark{User: u, Channel: id, Seq: seq}); err != nil {
		b.t.Fatal(err)
	}
}

func (b *postbox) direct(a, c chat.UserID) chat.ChannelID {
	b.t.Helper()
	ch, err := b.OpenDirect(context.Background(), a, c)
	if err != nil {
		b.t.Fatal(err)
	}
	return ch.ID
}

func TestPushOfADirectMessage(t *testing.T) {
	b := newPostbox(t, 2)
	ann, bob := b.person("ann"), b.person("bob")
	b.device(bob, "/bob")
	b.device(ann, "/ann")
	ch := b.direct(ann, bob)
	r := b.say(ch, ann, "안녕, 밥 <b>&</b>")
	b.run(b.n)
	p := b.taken(1)[0]
	if p.Path != "/bob" || p.Text("kind") != "message" || p.Text("title") != "ANN" || p.Text("sender") != "ANN" || p.Text("body") != "안녕, 밥 <b>&</b>" ||
		p.Text("channel") != ch.String() || p.Payload["seq"] != float64(r.Seq) || p.Payload["count"] != 1.0 || p.Payload["badge"] != 1.0 || p.Payload["v"] != 1.0 {
		t.Errorf("push %+v", p)
	}
	if p.Urgency != "high" || p.TTL != "86400" || len(p.Topic) != 32 {
		t.Errorf("headers %+v", p)
	}

	// Once read, the device is told to take it back, and only once.
	b.read(bob, ch, r.Seq)
	clearing := b.taken(2)[1]
	if clearing.Text("kind") != "clear" || clearing.Text("channel") != ch.String() || clearing.Payload["badge"] != 0.0 || clearing.Topic != p.Topic {
		t.Errorf("clear %+v", clearing)
	}
	b.read(bob, ch, r.Seq)
	b.taken(2)

	// Answering is reading too.
	b.say(ch, ann, "둘")
	b.taken(3)
	b.say(ch, bob, "답")
	got := b.taken(5)
	kinds := []string{got[3].Path + got[3].Text("kind"), got[4].Path + got[4].Text("kind")}
	slices.Sort(kinds)
	if !slices.Equal(kinds, []string{"/annmessage", "/bobclear"}) {
		t.Errorf("after an answer: %v", kinds)
	}
}

func TestNoPushFor(t *testing.T) {
	b := newPostbox(t, 1)
	ctx := context.Background()
	ann, bob := b.person("ann"), b.person("bob")
	b.device(bob, "/bob")
	group := b.group(ann, bob)
	b.quiet()
	none, mentions := chat.LevelNone, chat.LevelMentions
	level := func(l *chat.Level) {
		b.quiet() // what was said before is judged by the level before
		if _, err := b.Prefer(ctx, bob, group, chat.Preference{Level: l}); err != nil {
			t.Fatal(err)
		}
	}
	b.say(group, bob, "one's own")
	r := b.say(group, ann, "read elsewhere before it was due")
	b.read(bob, group, r.Seq)
	level(&none)
	b.say(group, ann, "muted", func(d *chat.Draft) { d.Mentions = []chat.UserID{bob} })
	level(&mentions)
	b.say(group, ann, "not mentioned")
	quiet := notify.Settings{QuietFrom: 5, QuietTo: 5}
	all := chat.LevelAll
	level(&all)
	stop := b.run(b.n)
	b.settled()
	if err := b.SaveSettings(ctx, bob, quiet); err != nil {
		t.Fatal(err)
	}
	b.say(group, ann, "in quiet hours", func(d *chat.Draft) { d.MentionAll = true })
	b.settled()
	b.taken(0)
	if err := b.SaveSettings(ctx, bob, notify.DefaultSettings()); err != nil {
		t.Fatal(err)
	}
	stop()
	gone := b.say(group, ann, "deleted before it was told")
	b.quiet()
	if _, err := b.Alter(ctx, chat.Alteration{Kind: chat.AlterDelete, Channel: group, Seq: gone.Seq, Actor: ann, Now: time.Now()}); err != nil {
		t.Fatal(err)
	}
	b.read(bob, group, gone.Seq-1)
	b.quiet()
	b.run(b.notifier(b.Store))
	b.settled()
	b.taken(0)
}

func TestPushGroupsWhatIsNew(t *testing.T) {
	b := newPostbox(t, 2)
	ann, bob, cat := b.person("ann"), b.person("bob"), b.person("cat")
	b.device(bob, "/bob1")
	b.device(bob, "/bob2")
	b.device(cat, "/cat")
	if err := b.SaveSettings(context.Background(), cat, notify.Settings{HideBody: true, QuietFrom: -1, QuietTo: -1}); err != nil {
		t.Fatal(err)
	}
	level := chat.LevelMentions
	group := b.group(ann, bob, cat)
	b.quiet()
	if _, err := b.Prefer(context.Background(), cat, group, chat.Preference{Level: &level}); err != nil {
		t.Fatal(err)
	}
	b.say(group, ann, "하나")
	b.say(group, ann, "둘 @cat", func(d *chat.Draft) { d.Mentions = []chat.UserID{cat} })
	last := b.say(group, ann, "셋")
	b.quiet()
	other := b.group(ann, bob)
	b.say(other, ann, "다른 곳")
	b.quiet()
	b.run(b.n)
	got := b.taken(5)
	slices.SortFunc(got, func(x, y notifytest.Push) int {
		return slices.Compare([]byte(x.Path+x.Text("channel")), []byte(y.Path+y.Text("channel")))
	})
	for _, p := range got {
		switch {
		case p.Path == "/cat":
			if _, shown := p.Payload["body"]; shown || p.Payload["seq"] != float64(last.Seq-1) || p.Text("title") != "모임" || p.Text("sender") != "ANN" {
				t.Errorf("cat: %s", p.Raw)
			}
		case p.Text("channel") == group.String():
			if p.Text("body") != "셋" || p.Payload["count"] != 3.0 || p.Payload["badge"] != 2.0 {
				t.Errorf("bob: %s", p.Raw)
			}
		}
	}
}

func TestPushBook(t *testing.T) {
	w := newWorld(t, 2, func(c *Config) { c.StrictGate = true })
	notifytest.Suite(t, w.Store, w.person)
}
