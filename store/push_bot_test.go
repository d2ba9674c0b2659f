package store

import (
	"context"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"

	"gori/chat"
	"gori/notify"
)

func TestBotWebhookIsToldOfEachMessage(t *testing.T) {
	b := newPostbox(t, 2)
	ctx := context.Background()
	ann, bot := b.person("ann"), b.person("bot")
	group := b.group(ann, bot)
	b.quiet()
	b.say(group, ann, "before the webhook", func(d *chat.Draft) { d.Mentions = []chat.UserID{bot} })
	b.quiet()
	secret, err := b.n.SetBotWebhook(ctx, bot, b.service.URL("/hook"))
	if err != nil {
		t.Fatal(err)
	}
	b.service.Expect("/hook", secret)
	b.there.set(bot, true) // being connected is no reason to miss a call
	var mended atomic.Bool
	b.service.Answer(func(string) (int, http.Header) {
		if !mended.Load() {
			return 500, nil
		}
		return 200, nil
	})
	b.run(b.n)
	ch := b.direct(ann, bot)
	b.say(ch, ann, "direct 1")
	eventually(t, "it has failed", func() bool { return b.n.Stats().Calls["failed_500"] > 0 })
	mended.Store(true)
	b.say(ch, ann, "direct 2")
	b.say(group, ann, "not for the bot")
	b.say(group, ann, "call 1", func(d *chat.Draft) { d.Mentions = []chat.UserID{bot} })
	b.say(group, bot, "the bot's own, which reads what was before")
	b.say(group, ann, "call 2", func(d *chat.Draft) { d.MentionAll = true })
	b.quiet()
	eventually(t, "all are told", func() bool {
		// Not the ones in hand: their leases are longer than the first pause.
		b.exec(`UPDATE data.push_jobs SET next_at = now() WHERE next_at BETWEEN now() + interval '1 second' AND now() + interval '1 minute'`)
		return len(b.service.Pushes()) >= 4
	})
	byChannel := map[string][]string{}
	for _, p := range b.taken(4) {
		m, _ := p.Payload["message"].(map[string]any)
		body, _ := m["body"].(string)
		byChannel[p.Text("channel")] = append(byChannel[p.Text("channel")], body)
		if p.Text("user") != bot.String() {
			t.Errorf("told %s", p.Raw)
		}
	}
	for id, want := range map[chat.ChannelID][]string{ch: {"direct 1", "direct 2"}, group: {"call 1", "call 2"}} {
		if got := byChannel[id.String()]; !slices.Equal(got, want) {
			t.Errorf("channel %s: %q, want %q in order", id, got, want)
		}
	}
	if err := b.n.RemoveBotWebhook(ctx, bot); err != nil {
		t.Fatal(err)
	}
	b.say(ch, ann, "no webhook")
	b.settled()
	b.taken(4)
}

func TestPersonsWebhook(t *testing.T) {
	b := newPostbox(t, 1)
	ann, bob := b.person("ann"), b.person("bob")
	_, secret, err := b.n.Register(context.Background(), chat.Identity{User: bob}, notify.Registration{Kind: notify.Webhook, Endpoint: b.service.URL("/hook")})
	if err != nil {
		t.Fatal(err)
	}
	b.service.Expect("/hook", secret)
	ch := b.direct(ann, bob)
	b.say(ch, ann, "하나")
	b.say(ch, ann, "둘")
	b.quiet()
	b.run(b.n)
	p := b.taken(1)[0]
	if p.Text("user") != bob.String() || p.Text("body") != "둘" || p.Payload["count"] != 2.0 || p.Payload["message"] != nil {
		t.Errorf("told %s", p.Raw)
	}
}
