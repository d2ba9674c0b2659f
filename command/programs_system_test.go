package command

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"gori/client"
)

// polledInbox is how a long poll ended.
type polledInbox struct {
	page client.InboxPage
	err  error
}

// pollOn waits for news on a node, as a program does, and returns once it waits.
func pollOn(t *testing.T, on meshNode, c *client.Client, after client.Pos) <-chan polledInbox {
	t.Helper()
	elsewhere, err := client.New(on.url, client.Options{Token: c.Token()})
	if err != nil {
		t.Fatal(err)
	}
	waiting := on.node.hub.Stats().Waits
	out := make(chan polledInbox, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		page, err := elsewhere.WaitInbox(ctx, after, 10, time.Minute)
		out <- polledInbox{page, err}
	}()
	eventually(t, "the poll waits", func() bool {
		return len(out) > 0 || on.node.hub.Stats().Waits > waiting // or has its answer
	})
	return out
}

// newsOn wants a poll on a node to be woken by what say does on another, before
// the poll would look again by itself, which is after 10 s.
func newsOn(t *testing.T, on meshNode, c *client.Client, body string, say func() error) {
	t.Helper()
	page, err := c.Inbox(t.Context(), 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	answer := pollOn(t, on, c, page.Pos)
	if err := say(); err != nil {
		t.Fatal(err)
	}
	said := time.Now()
	for {
		got := <-answer
		if got.err != nil {
			t.Fatal(got.err)
		}
		for _, e := range got.page.Entries {
			if e.Preview == body {
				promised(t, "telling "+body, time.Since(said), 9*time.Second) // else nobody woke the poll
				return
			}
		}
		answer = pollOn(t, on, c, got.page.Pos)
	}
}

// disable shuts an account out, as an admin.
func disable(t *testing.T, admin *client.Client, url string, user client.UserID) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/api/v1/admin/users/"+user.String()+"/disable", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+admin.Token())
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if res.Body.Close(); res.StatusCode != http.StatusNoContent {
		t.Fatalf("disabling: %d", res.StatusCode)
	}
}

// Programs are served by whichever node they reach: a long poll on one node is
// woken by what is said on the others, and ends with its login wherever that
// is ended; bots and hooks end on all of them.
func TestProgramsOnThreeNodes(t *testing.T) {
	t.Parallel()
	nodes := startMeshNodes(t, 3, nil)
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	people := map[string]*client.Client{}
	for _, name := range []string{"root", "ann", "bob"} {
		c, err := client.New(nodes[0].url, client.Options{})
		must(err)
		must(c.SignUp(ctx, client.NewUser{LoginName: name, Password: "correct horse", DisplayName: name}))
		people[name] = c
	}
	root, ann, bob := people["root"], people["ann"], people["bob"]
	g, err := ann.CreateGroup(ctx, client.NewGroup{Name: "builds", Members: []client.UserID{bob.Me().ID}})
	must(err)
	hook, err := ann.MakeHook(ctx, g.ID, "CI")
	must(err)
	token := hook.URL[strings.LastIndex(hook.URL, "/")+1:]
	bot, err := ann.MakeBot(ctx, "helper", "Helper")
	must(err)
	_, err = ann.AddMembers(ctx, g.ID, bot.Me().ID)
	must(err)

	newsOn(t, nodes[1], bob, "from the first node", func() error {
		_, err := ann.Post(ctx, client.Outgoing{Channel: g.ID, Body: "from the first node"})
		return err
	})
	newsOn(t, nodes[2], bob, "by the hook", func() error {
		_, err := ann.PostHook(ctx, token, "by the hook", client.NewClientMsgID())
		return err
	})
	newsOn(t, nodes[1], bot, "for the bot", func() error {
		_, err := bob.Post(ctx, client.Outgoing{Channel: g.ID, Body: "for the bot"})
		return err
	})

	// The bot's owner is shut out on the first node: the bot's poll ends on the
	// third, its token is worth nothing on the second, and the hook is gone.
	page, err := bot.Inbox(ctx, 0, 0)
	must(err)
	answer := pollOn(t, nodes[2], bot, page.Pos)
	disable(t, root, nodes[0].url, ann.Me().ID)
	if got := <-answer; client.CodeOf(got.err) != "unauthenticated" || len(got.page.Entries) > 0 {
		t.Errorf("the poll of a bot whose owner was shut out: %+v", got)
	}
	second, err := client.New(nodes[1].url, client.Options{Token: bot.Token()})
	must(err)
	eventually(t, "the token is worth nothing on the second node", func() bool {
		_, err := second.Self(ctx)
		return client.CodeOf(err) == "unauthenticated"
	})
	eventually(t, "the hook takes no messages", func() bool {
		_, err := second.PostHook(ctx, token, "too late", client.NewClientMsgID())
		return client.CodeOf(err) == "not_found"
	})
}
