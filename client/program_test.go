package client_test

import (
	"slices"
	"strings"
	"testing"

	"gori/client"
)

func TestPrograms(t *testing.T) {
	ctx, ok := t.Context(), fine(t)
	a, _, _ := pair(t, edge(t))
	g, err := a.CreateGroup(ctx, client.NewGroup{Name: "builds"})
	ok("create", err)
	bot, err := a.MakeBot(ctx, "helper", "Helper")
	ok("make a bot", err)
	_, err = a.AddMembers(ctx, g.ID, bot.Me().ID)
	ok("add it", err)
	_, err = bot.Post(ctx, client.Outgoing{Channel: g.ID, Body: "by the bot"})
	ok("it posts", err)
	if me, err := bot.Self(ctx); err != nil || !me.Bot {
		t.Fatalf("the bot is %+v, %v", me, err)
	}
	hook, err := a.MakeHook(ctx, g.ID, "CI")
	ok("make a hook", err)
	token := hook.URL[strings.LastIndex(hook.URL, "/")+1:]
	key := client.NewClientMsgID()
	first, err := a.PostHook(ctx, token, "by the hook", key)
	ok("post by it", err)
	if again, err := a.PostHook(ctx, token, "by the hook", key); err != nil || again.Seq != first.Seq || !again.Duplicate {
		t.Fatalf("again: %+v, %v", again, err)
	}
	if list, err := a.Hooks(ctx, g.ID); err != nil || len(list) != 1 || list[0].ID != hook.ID || list[0].URL != "" {
		t.Fatalf("hooks: %+v, %v", list, err)
	}
	page, err := a.History(ctx, g.ID, client.HistoryQuery{})
	ok("history", err)
	for sender, body := range map[client.UserID]string{bot.Me().ID: "by the bot", hook.Bot: "by the hook"} {
		if !slices.ContainsFunc(page.Messages, func(m client.Message) bool { return m.Sender == sender && m.Body == body }) {
			t.Errorf("%q is missing: %+v", body, page.Messages)
		}
	}
	ok("end the hook", a.EndHook(ctx, g.ID, hook.ID))
	if _, err := a.PostHook(ctx, token, "too late", key); client.CodeOf(err) != "not_found" {
		t.Errorf("after its end: %v", err)
	}
	_, err = a.RenewBot(ctx, bot.Me().ID)
	ok("renew", err)
	ok("end the bot", a.EndBot(ctx, bot.Me().ID))
	if list, err := a.Bots(ctx); err != nil || len(list) != 0 {
		t.Errorf("bots: %+v, %v", list, err)
	}
}
