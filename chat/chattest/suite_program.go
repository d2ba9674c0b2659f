package chattest

import (
	"fmt"

	"gori/chat"
)

// newBot makes a bot of an owner, whose name is the owner's id and n.
func (b *bench) newBot(owner chat.UserID, n int, hook chat.ChannelID) (chat.User, chat.LoginID, error) {
	return b.Bots.MakeBot(b.ctx, chat.NewAccount{LoginName: fmt.Sprintf("bot%d-%d", n, owner), DisplayName: "A bot", BotOf: owner,
		TokenHash: [32]byte{byte(n), byte(owner)}, DeviceName: "token", NoLogin: hook != 0}, hook)
}

func (b *bench) mayLogIn(user chat.UserID, token [32]byte) bool {
	b.Helper()
	who, err := b.Logins.Authenticate(b.ctx, user, token)
	if err != nil {
		b.wantCode(err, chat.CodeUnauthenticated)
	}
	return err == nil && who.User == user && !who.Admin
}

func bots(b *bench) {
	if b.Bots == nil {
		b.Skip("no bots here")
	}
	u := b.users("owner", "other")
	token := [32]byte{1, byte(u[0])}
	bot, login, err := b.newBot(u[0], 1, 0)
	b.must(err)
	if login == 0 || !bot.Bot || bot.DisplayName != "A bot" || !b.mayLogIn(bot.ID, token) {
		b.Fatalf("the bot is %+v with login %d", bot, login)
	}
	_, _, err = b.newBot(u[0], 1, 0)
	b.wantCode(err, chat.CodeNameTaken)
	_, _, err = b.newBot(bot.ID, 2, 0)
	b.wantCode(err, chat.CodeForbidden)
	_, _, err = b.newBot(1, 2, 0)
	b.wantCode(err, chat.CodeForbidden)
	list, err := b.Bots.Bots(b.ctx, u[0])
	b.must(err)
	if len(list) != 1 || list[0].ID != bot.ID || !list[0].Bot {
		b.Fatalf("the bots are %+v", list)
	}
	b.wantCode(b.Bots.OwnBot(b.ctx, u[1], bot.ID), chat.CodeNotFound)
	b.wantCode(b.Bots.OwnBot(b.ctx, u[0], u[1]), chat.CodeNotFound)
	b.must(b.Bots.OwnBot(b.ctx, u[0], bot.ID))

	_, _, err = b.Bots.RenewBot(b.ctx, u[1], bot.ID, [32]byte{7}, "token")
	b.wantCode(err, chat.CodeNotFound)
	_, ended, err := b.Bots.RenewBot(b.ctx, u[0], bot.ID, [32]byte{7}, "token")
	b.must(err)
	if len(ended) != 1 || ended[0] != login || b.mayLogIn(bot.ID, token) || !b.mayLogIn(bot.ID, [32]byte{7}) {
		b.Fatalf("renewing ended %v", ended)
	}
	_, err = b.Bots.EndBot(b.ctx, u[1], bot.ID)
	b.wantCode(err, chat.CodeNotFound)
	for range 2 { // it may be repeated
		_, err = b.Bots.EndBot(b.ctx, u[0], bot.ID)
		b.must(err)
	}
	if b.mayLogIn(bot.ID, [32]byte{7}) {
		b.Fatal("a bot that has ended may log in")
	}
	_, _, err = b.Bots.RenewBot(b.ctx, u[0], bot.ID, [32]byte{8}, "token")
	b.wantCode(err, chat.CodeForbidden)
	if list, err = b.Bots.Bots(b.ctx, u[0]); err != nil || len(list) != 0 {
		b.Fatalf("the bots are %+v, %v", list, err)
	}
}

func botsBounded(b *bench) {
	if b.Bots == nil {
		b.Skip("no bots here")
	}
	owner := b.NewUser(b.T, "owner")
	var last chat.User
	for n := range chat.MaxBots {
		var err error
		last, _, err = b.newBot(owner, n, 0)
		b.must(err)
	}
	_, _, err := b.newBot(owner, 100, 0)
	b.wantCode(err, chat.CodeTooLong)
	_, _, err = b.newBot(owner, 101, 5) // a hook's does not count
	b.must(err)
	_, err = b.Bots.EndBot(b.ctx, owner, last.ID)
	b.must(err)
	_, _, err = b.newBot(owner, 102, 0)
	b.must(err)
}

// botsOfDisabled: whoever is shut out cannot go on by programs.
func botsOfDisabled(b *bench) {
	if b.Bots == nil {
		b.Skip("no bots here")
	}
	owner := b.NewUser(b.T, "owner")
	ch := b.group(owner)
	bot, _, err := b.newBot(owner, 1, 0)
	b.must(err)
	speaker, _, err := b.newBot(owner, 2, ch)
	b.must(err)
	_, err = b.Hooks.CreateHook(b.ctx, owner, chat.Hook{Channel: ch, Name: "h", Bot: speaker.ID, CreatedBy: owner}, [32]byte{1})
	b.must(err)
	b.wantCode(b.Bots.OwnBot(b.ctx, owner, speaker.ID), chat.CodeNotFound)
	_, _, err = b.Bots.RenewBot(b.ctx, owner, speaker.ID, [32]byte{9}, "token")
	b.wantCode(err, chat.CodeNotFound) // or its maker could read the channel for ever

	_, err = b.People.SetDisabled(b.ctx, owner, true)
	b.must(err)
	b.eventually(func() string {
		if b.mayLogIn(bot.ID, [32]byte{1, byte(owner)}) {
			return "the bot may log in"
		}
		if _, err := b.Hooks.HookByToken(b.ctx, ch, [32]byte{1}); chat.CodeOf(err) != chat.CodeNotFound {
			return "the hook takes messages"
		}
		return ""
	})
	_, _, err = b.newBot(owner, 3, 0)
	b.wantCode(err, chat.CodeForbidden)
	_, _, err = b.Bots.RenewBot(b.ctx, owner, bot.ID, [32]byte{9}, "token")
	b.wantCode(err, chat.CodeForbidden)
	_, err = b.People.SetDisabled(b.ctx, owner, false)
	b.must(err)
	_, _, err = b.Bots.RenewBot(b.ctx, owner, bot.ID, [32]byte{9}, "token")
	b.must(err)
}

func hooks(b *bench) {
	if b.Hooks == nil {
		b.Skip("no hooks here")
	}
	u := b.users("owner", "admin", "member", "stranger", "bot")
	ch := b.group(u[0], u[1], u[2])
	_, err := b.Directory.Govern(b.ctx, chat.Governance{Kind: chat.GovernRole, Channel: ch, Actor: u[0], Users: u[1:2], Role: chat.RoleAdmin})
	b.must(err)
	draft := chat.Hook{Channel: ch, Name: "builds", Bot: u[4], CreatedBy: u[1]}
	token := [32]byte{1, 2, 3}
	for who, code := range map[chat.UserID]chat.Code{u[2]: chat.CodeForbidden, u[3]: chat.CodeNotMember} {
		_, err = b.Hooks.CreateHook(b.ctx, who, draft, token)
		b.wantCode(err, code)
		_, err = b.Hooks.Hooks(b.ctx, who, ch)
		b.wantCode(err, code)
		_, err = b.Hooks.ShutHook(b.ctx, who, ch, 1)
		b.wantCode(err, code)
	}
	h, err := b.Hooks.CreateHook(b.ctx, u[1], draft, token)
	b.must(err)
	if h.ID == 0 || h.CreatedAt == 0 || h.Bot != u[4] || h.CreatedBy != u[1] || h.Name != "builds" {
		b.Fatalf("the hook is %+v", h)
	}
	list, err := b.Hooks.Hooks(b.ctx, u[0], ch)
	b.must(err)
	if len(list) != 1 || list[0] != h {
		b.Fatalf("the hooks are %+v", list)
	}
	found, err := b.Hooks.HookByToken(b.ctx, ch, token)
	b.must(err)
	want(b, "the hook of the token", found, h)
	other := b.group(u[0])
	for _, ask := range []struct {
		in    chat.ChannelID
		token [32]byte
	}{{ch, [32]byte{1, 2}}, {ch, [32]byte{}}, {other, token}, {1, token}} {
		_, err = b.Hooks.HookByToken(b.ctx, ask.in, ask.token)
		b.wantCode(err, chat.CodeNotFound)
	}
	_, err = b.Hooks.ShutHook(b.ctx, u[0], ch, 1)
	b.wantCode(err, chat.CodeNotFound)
	for range 2 { // it may be repeated
		shut, err := b.Hooks.ShutHook(b.ctx, u[0], ch, h.ID)
		b.must(err)
		want(b, "the hook that was shut", shut, h)
	}
	_, err = b.Hooks.HookByToken(b.ctx, ch, token)
	b.wantCode(err, chat.CodeNotFound)
	if list, err = b.Hooks.Hooks(b.ctx, u[0], ch); err != nil || len(list) != 0 {
		b.Fatalf("the hooks are %+v, %v", list, err)
	}
	b.must(b.Hooks.DropHook(b.ctx, ch, h.ID))
	_, err = b.Hooks.ShutHook(b.ctx, u[0], ch, h.ID)
	b.wantCode(err, chat.CodeNotFound)
	hooksBounded(b, u[0], ch, draft)
}

func hooksBounded(b *bench, owner chat.UserID, ch chat.ChannelID, draft chat.Hook) {
	b.Helper()
	for n := range chat.MaxHooks {
		_, err := b.Hooks.CreateHook(b.ctx, owner, draft, [32]byte{2, byte(n)})
		b.must(err)
	}
	_, err := b.Hooks.CreateHook(b.ctx, owner, draft, [32]byte{3})
	b.wantCode(err, chat.CodeTooLong)
	d, err := b.Directory.OpenDirect(b.ctx, owner, draft.Bot)
	b.must(err)
	draft.Channel = d.ID
	_, err = b.Hooks.CreateHook(b.ctx, owner, draft, [32]byte{4})
	b.wantCode(err, chat.CodeForbidden)
	_, err = b.Hooks.Hooks(b.ctx, owner, d.ID)
	b.wantCode(err, chat.CodeForbidden)
}
