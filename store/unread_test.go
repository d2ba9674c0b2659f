package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"gori/chat"
)

// told is one message as its sender made it.
type told struct {
	sender   chat.UserID
	counts   bool
	thread   chat.Seq
	n        chat.Count // in a thread: the n-th reply
	mentions []chat.UserID
	all      bool
	hearers  []chat.UserID // of "all"
}

// seat is a member's place, as the definition of unread has it.
type seat struct {
	mark    chat.Seq
	threads map[chat.Seq]chat.Count // threads followed, with the mark of each
}

// counter works unread numbers out from the definition in inbox.go, by looking
// at every message each time.
type counter struct {
	log   []told // of seq 1, 2, 3 …
	seats map[chat.UserID]*seat
}

func (c *counter) add(m told) chat.Seq {
	seq := chat.Seq(len(c.log) + 1)
	if m.thread != 0 {
		m.n = 1
		for _, o := range c.log {
			if o.thread == m.thread {
				m.n++
			}
		}
		for _, u := range append([]chat.UserID{c.log[m.thread-1].sender, m.sender}, m.mentions...) {
			if s := c.seats[u]; s != nil {
				if _, follows := s.threads[m.thread]; !follows {
					s.threads[m.thread] = m.n - 1
				}
			}
		}
		c.seats[m.sender].threads[m.thread] = m.n
	} else if m.counts {
		c.seats[m.sender].mark = seq
	}
	for u, s := range c.seats {
		if _, follows := s.threads[m.thread]; m.thread == 0 || follows {
			m.hearers = append(m.hearers, u)
		}
	}
	c.log = append(c.log, m)
	return seq
}

func (m told) names(u chat.UserID) bool {
	return u != m.sender && (slices.Contains(m.mentions, u) || m.all && slices.Contains(m.hearers, u))
}

// expect is what u's entry must say.
func (c *counter) expect(u chat.UserID) (unread chat.Count, mentions int, threads []chat.ThreadUnread) {
	s := c.seats[u]
	byRoot := map[chat.Seq]*chat.ThreadUnread{}
	for i, m := range c.log {
		if m.thread == 0 {
			if chat.Seq(i+1) > s.mark && m.counts {
				unread++
				if m.names(u) {
					mentions++
				}
			}
			continue
		}
		if mark, follows := s.threads[m.thread]; follows && m.n > mark {
			t := byRoot[m.thread]
			if t == nil {
				t = &chat.ThreadUnread{Root: m.thread}
				byRoot[m.thread] = t
			}
			t.Unread++
			if m.names(u) {
				t.Mentions++
			}
		}
	}
	for _, t := range byRoot {
		threads = append(threads, *t)
	}
	slices.SortFunc(threads, byRootSeq)
	return unread, mentions, threads
}

func byRootSeq(a, b chat.ThreadUnread) int { return cmp.Compare(a.Root, b.Root) }

// counted is a group under test beside its counter.
type counted struct {
	*counter
	w      *world
	id     chat.ChannelID
	owner  chat.UserID
	people []chat.UserID
}

func (g *counted) anyone(t *rapid.T, what string) chat.UserID {
	return rapid.SampledFrom(g.people).Draw(t, what)
}

func (g *counted) member(t *rapid.T) chat.UserID {
	var in []chat.UserID
	for _, u := range g.people {
		if g.seats[u] != nil {
			in = append(in, u)
		}
	}
	return rapid.SampledFrom(in).Draw(t, "who")
}

func (g *counted) roots() []chat.Seq {
	var roots []chat.Seq
	for i, m := range g.log {
		if m.counts && m.thread == 0 {
			roots = append(roots, chat.Seq(i+1))
		}
	}
	return roots
}

func (g *counted) send(t *rapid.T, thread chat.Seq) {
	m := told{sender: g.member(t), counts: thread == 0, thread: thread, all: rapid.IntRange(0, 4).Draw(t, "all") == 0}
	for range rapid.IntRange(0, 2).Draw(t, "mentions") {
		if u := g.anyone(t, "mentioned"); !slices.Contains(m.mentions, u) {
			m.mentions = append(m.mentions, u)
		}
	}
	r := g.w.say(g.id, m.sender, "x", func(d *chat.Draft) { d.Thread, d.Mentions, d.MentionAll = thread, m.mentions, m.all })
	if seq := g.add(m); r.Seq != seq {
		t.Fatalf("seq %d, want %d", r.Seq, seq)
	}
}

func (g *counted) read(t *rapid.T, thread chat.Seq) {
	u := g.member(t)
	seq := chat.Seq(rapid.IntRange(0, len(g.log)+1).Draw(t, "seq"))
	e, _, err := g.w.MarkRead(context.Background(), chat.ReadMark{User: u, Channel: g.id, Thread: thread, Seq: seq})
	if err != nil {
		t.Fatal(err)
	}
	s := g.seats[u]
	if thread == 0 {
		s.mark = max(s.mark, min(seq, chat.Seq(len(g.log))))
		if e.ReadSeq > s.mark {
			t.Fatalf("the mark is %d, want %d", e.ReadSeq, s.mark)
		}
		return
	}
	if mark, follows := s.threads[thread]; follows {
		var n chat.Count
		for _, m := range g.log[:min(int(seq), len(g.log))] {
			if m.thread == thread {
				n++
			}
		}
		s.threads[thread] = max(mark, n)
	}
}

func (g *counted) govern(t *rapid.T, kind chat.GovernKind) {
	u := g.anyone(t, "governed")
	in := g.seats[u] != nil
	if u == g.owner || in == (kind == chat.GovernAdd) {
		return
	}
	gov := chat.Governance{Kind: kind, Channel: g.id, Actor: g.owner, Users: []chat.UserID{u}}
	if kind == chat.GovernLeave {
		gov.Actor = u
	}
	if _, err := g.w.Govern(context.Background(), gov); err != nil {
		t.Fatal(err)
	}
	if kind == chat.GovernAdd {
		g.seats[u] = &seat{mark: chat.Seq(len(g.log) + 1), threads: map[chat.Seq]chat.Count{}}
	} else {
		delete(g.seats, u)
	}
	g.add(told{sender: gov.Actor})
}

func (g *counted) alter(t *rapid.T, kind chat.AlterKind) {
	seq := chat.Seq(rapid.IntRange(1, len(g.log)).Draw(t, "altered"))
	if m := g.log[seq-1]; g.seats[m.sender] == nil || !m.counts && m.thread == 0 {
		return
	}
	_, err := g.w.alter(chat.Alteration{Kind: kind, Channel: g.id, Seq: seq, Actor: g.log[seq-1].sender, Body: fmt.Sprint(len(g.log)), Emoji: "👍"})
	if code := chat.CodeOf(err); code != "" && code != chat.CodeDeleted {
		t.Fatal(err)
	}
}

func (g *counted) check(t *rapid.T) {
	g.w.quiet()
	for _, u := range g.people {
		e, in := g.w.entry(u, g.id)
		if in != (g.seats[u] != nil) {
			t.Fatalf("%d is a member: %v by the inbox, %v in truth", u, in, !in)
		}
		if !in {
			continue
		}
		unread, mentions, threads := g.expect(u)
		slices.SortFunc(e.Threads, byRootSeq)
		if e.LastCount-e.ReadCount != unread || e.Mentions != mentions || !slices.Equal(e.Threads, threads) {
			t.Fatalf("%d: unread %d, mentions %d, threads %v; counted one by one: %d, %d, %v",
				u, e.LastCount-e.ReadCount, e.Mentions, e.Threads, unread, mentions, threads)
		}
	}
}

// Whatever people do, and however late the news of it, in the end every number
// is what counting one by one gives.
func TestUnreadEqualsARecount(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	people := w.people(5)
	rapid.Check(t, func(t *rapid.T) {
		g := &counted{counter: &counter{seats: map[chat.UserID]*seat{}}, w: w, people: people, owner: people[0]}
		g.id = w.group(g.owner, people[1:3]...)
		for _, u := range people[:3] {
			g.seats[u] = &seat{mark: 1, threads: map[chat.Seq]chat.Count{}}
		}
		g.log = []told{{sender: g.owner}}
		inThread := func(do func(*rapid.T, chat.Seq)) func(*rapid.T) {
			return func(t *rapid.T) {
				if roots := g.roots(); len(roots) > 0 {
					do(t, rapid.SampledFrom(roots).Draw(t, "root"))
				}
			}
		}
		steps := []func(t *rapid.T){
			func(t *rapid.T) { g.send(t, 0) }, func(t *rapid.T) { g.send(t, 0) },
			inThread(g.send), inThread(g.send),
			func(t *rapid.T) { g.read(t, 0) }, inThread(g.read),
			func(t *rapid.T) { g.govern(t, chat.GovernAdd) }, func(t *rapid.T) { g.govern(t, chat.GovernRemove) },
			func(t *rapid.T) { g.govern(t, chat.GovernLeave) },
			func(t *rapid.T) { g.alter(t, chat.AlterDelete) }, func(t *rapid.T) { g.alter(t, chat.AlterEdit) },
			g.check,
		}
		for range rapid.IntRange(5, 30).Draw(t, "steps") {
			steps[rapid.IntRange(0, len(steps)-1).Draw(t, "step")](t)
		}
		g.check(t)
	})
}
