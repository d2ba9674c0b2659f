package client_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gori/api"
	"gori/chat"
	"gori/chat/chattest"
	"gori/client"
	"gori/client/clienttest"
	"gori/presence"
)

type noBeats struct{}

func (noBeats) LastActive(context.Context, chat.UserID, []chat.UserID) (map[chat.UserID]chat.Millis, error) {
	return nil, nil
}
func (noBeats) SeenBy(context.Context, []chat.UserID) (map[chat.UserID]chat.PresenceTo, error) {
	return nil, nil
}
func (noBeats) SaveActive(context.Context, map[chat.UserID]chat.Millis) error { return nil }

// edge runs the real edge, sessions and presence over a store in memory.
func edge(t *testing.T) (url string) {
	t.Helper()
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	mem := chattest.NewMemory()
	hub := chat.NewHub(chat.HubConfig{Log: quiet})
	mem.OnInbox = hub.InboxChanged
	svc, err := chat.NewService(chat.Deps{Log: mem, Directory: mem, Roster: mem, Inboxes: mem, Invites: mem, People: mem,
		Contacts: mem, Audit: mem, Hub: hub, Node: "n1", Logger: quiet})
	must(err)
	tracker := presence.New(noBeats{}, hub, presence.Options{Log: quiet, Grace: time.Second})
	svc.SetAttendance(tracker)
	people, err := chat.NewPeople(chat.PeopleDeps{Accounts: mem, Logins: mem, People: mem, Avatars: mem, Service: svc, Audit: mem, Logger: quiet})
	must(err)
	programs, err := chat.NewPrograms(chat.ProgramDeps{Bots: mem, Hooks: mem, People: people, Service: svc, Logger: quiet})
	must(err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	url = "http://" + l.Addr().String()
	s, err := api.New(api.Config{Chat: svc, People: people, Programs: programs, Presence: tracker, Node: "n1", Version: "test", PublicURLs: []string{url}, Logger: quiet})
	must(err)
	ctx, stop := context.WithCancel(context.Background())
	serving, stopServing := context.WithCancel(ctx)
	var work, server sync.WaitGroup
	work.Go(func() { _ = svc.Run(ctx) })
	work.Go(func() { _ = people.Run(ctx) })
	work.Go(func() { tracker.Run(ctx) })
	server.Go(func() { _ = s.Serve(serving, api.Listeners{Public: l}, time.Second) })
	t.Cleanup(func() {
		stopServing()
		server.Wait()
		stop()
		work.Wait()
	})
	return url
}

// TestAgainstTheEdge talks through connections that are cut in the middle of
// frames; both sides send.
func TestAgainstTheEdge(t *testing.T) {
	url := edge(t)
	a, b, ch := pair(t, url)
	p := clienttest.NewProxy(t, strings.TrimPrefix(url, "http://"), 20_000, 2)
	through := func(c *client.Client) *client.Client {
		q, err := client.New(p.URL, client.Options{HTTP: client.NewHTTP(), Token: c.Token()})
		if err != nil {
			t.Fatal(err)
		}
		return q
	}
	const n = 200
	ears := []*ear{newEar(), newEar()}
	la := connect(t, through(a), client.LiveOptions{Events: ears[0].events()})
	lb := connect(t, through(b), client.LiveOptions{Events: ears[1].events()})
	var wg sync.WaitGroup
	wg.Go(func() { sendAll(t, la, ch, n) })
	wg.Go(func() { sendAll(t, lb, ch, n) })
	wg.Wait()
	p.Calm()
	for _, e := range ears {
		e.wait(t, "the last message", func() bool { return len(e.list) >= 2*n })
		e.mu.Lock()
		next := map[client.UserID]int{}
		for i, m := range e.list {
			if m.Seq != client.Seq(i+1) || m.Body != fmt.Sprint("message ", next[m.Sender]) {
				t.Fatalf("place %d holds seq %d, %q of %s", i, m.Seq, m.Body, m.Sender)
			}
			next[m.Sender]++
		}
		e.mu.Unlock()
	}
	if p.Cuts() < 2 {
		t.Fatalf("only %d connections were cut", p.Cuts())
	}
}

// TestPresenceOverTheEdge: a friend is told of coming and of leaving.
func TestPresenceOverTheEdge(t *testing.T) {
	url := edge(t)
	a, b, _ := pair(t, url)
	for _, c := range [][2]*client.Client{{a, b}, {b, a}} {
		if _, err := c[0].Befriend(t.Context(), c[1].Me().ID); err != nil {
			t.Fatal(err)
		}
	}
	states := make(chan string, 10)
	connect(t, a, client.LiveOptions{Events: client.Events{Presence: func(list []client.PresenceState) {
		for _, s := range list {
			if s.User == b.Me().ID {
				states <- s.State
			}
		}
	}}})
	want := func(state string) {
		t.Helper()
		select {
		case got := <-states:
			if got != state {
				t.Fatalf("told %s, want %s", got, state)
			}
		case <-time.After(patience):
			t.Fatalf("not told %s", state)
		}
	}
	l, err := b.Connect(t.Context(), client.LiveOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want("online")
	l.Close()
	want("offline")
}

// TestCallsOverTheEdge makes each HTTP call once: paths, fields and answers are
// as this package has them.
func TestCallsOverTheEdge(t *testing.T) {
	ctx := t.Context()
	a, b, ch := pair(t, edge(t))
	ok := fine(t)
	r, err := a.Post(ctx, client.Outgoing{Channel: ch, Body: "안녕 \"bo\""})
	ok("post", err)
	_, err = b.React(ctx, ch, r.Seq, "👍")
	ok("react", err)
	_, err = b.Unreact(ctx, ch, r.Seq, "👍")
	ok("unreact", err)
	m, err := a.Edit(ctx, ch, r.Seq, "안녕")
	ok("edit", err)
	if m.Body != "안녕" || m.Change != 3 {
		t.Fatalf("edited: %+v", m)
	}
	page, err := b.Changes(ctx, ch, 0, r.Seq)
	ok("changes", err)
	if len(page.Messages) != 1 || page.LastChange != 3 {
		t.Fatalf("changes: %+v", page)
	}
	_, err = a.Delete(ctx, ch, r.Seq)
	ok("delete", err)
	page, err = b.History(ctx, ch, client.HistoryQuery{})
	ok("history", err)
	if !slices.ContainsFunc(page.Messages, func(m client.Message) bool { return m.Seq == r.Seq && m.Deleted }) {
		t.Fatalf("history: %+v", page)
	}
	callGroups(t, a, b)
	callPeople(t, a, b)
	importSome(t, a)
	ok("log out", b.LogOut(ctx))
	if _, err := b.Self(ctx); client.CodeOf(err) != "unauthenticated" {
		t.Fatalf("after logging out: %v", err)
	}
}

func callGroups(t *testing.T, a, b *client.Client) {
	ctx, ok := t.Context(), fine(t)
	g, err := a.CreateGroup(ctx, client.NewGroup{Name: "group"})
	ok("create", err)
	_, err = a.AddMembers(ctx, g.ID, b.Me().ID)
	ok("add", err)
	members, users, err := b.Members(ctx, g.ID)
	ok("members", err)
	if len(members) != 2 || len(users) != 2 {
		t.Fatalf("%d members, %d users", len(members), len(users))
	}
	_, err = b.Channel(ctx, g.ID)
	ok("channel", err)
	_, err = b.MarkRead(ctx, g.ID, g.LastSeq, 0)
	ok("read", err)
	ok("remove", a.RemoveMember(ctx, g.ID, b.Me().ID))
	_, err = b.Inbox(ctx, 0, 10)
	ok("inbox", err)
}

func callPeople(t *testing.T, a, b *client.Client) {
	ctx, ok := t.Context(), fine(t)
	ok("profile", a.EditProfile(ctx, "Ada", "here"))
	self, err := a.Self(ctx)
	ok("self", err)
	found, err := b.FindUsers(ctx, "ada")
	ok("find", err)
	if len(found) != 1 || found[0].DisplayName != "Ada" || self.StatusLine != "here" || !self.Admin {
		t.Fatalf("found %+v, self %+v", found, self)
	}
	_, err = b.Users(ctx, self.ID)
	ok("users", err)
	_, err = b.Presence(ctx, self.ID)
	ok("presence", err)
	_, err = a.Befriend(ctx, b.Me().ID)
	ok("befriend", err)
	friends, _, err := a.Friends(ctx)
	ok("friends", err)
	if len(friends) != 1 || friends[0].State != "sent" {
		t.Fatalf("friends %+v", friends)
	}
	ok("unfriend", a.Unfriend(ctx, b.Me().ID))
}

// fine fails the test on an error of a step.
func fine(t *testing.T) func(what string, err error) {
	return func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
}

func importSome(t *testing.T, admin *client.Client) {
	t.Helper()
	ctx := t.Context()
	users, err := admin.ImportPeople(ctx, "test", []string{"x", "y"})
	if err != nil || len(users) != 2 {
		t.Fatal(users, err)
	}
	ch, err := admin.ImportChannel(ctx, "test", "a log", []client.UserID{users[0].ID, users[1].ID})
	if err != nil {
		t.Fatal(err)
	}
	zero := 0
	list := []client.ImportedMessage{
		{Sender: users[0].ID, ClientMsgID: client.NewClientMsgID(), Body: "one", OrigAt: 1_000},
		{Sender: users[1].ID, ClientMsgID: client.NewClientMsgID(), Body: "two", OrigAt: 2_000, ReplyToIndex: &zero},
	}
	first, err := admin.ImportMessages(ctx, ch.ID, list)
	if err != nil || len(first) != 2 || first[0].Duplicate {
		t.Fatal(first, err)
	}
	again, err := admin.ImportMessages(ctx, ch.ID, list)
	if err != nil || !again[0].Duplicate || again[1].Seq != first[1].Seq {
		t.Fatal(again, err)
	}
}
