package chattest

import (
	"slices"
	"time"

	"gori/chat"
)

func direct(b *bench) {
	u := b.users("a", "b", "c")
	one, err := b.Directory.OpenDirect(b.ctx, u[0], u[1])
	b.must(err)
	two, err := b.Directory.OpenDirect(b.ctx, u[1], u[0])
	b.must(err)
	want(b, "the id from the other side", two.ID, one.ID)
	want(b, "kind", one.Kind, chat.KindDirect)
	want(b, "members", one.MemberCount, 2)
	want(b, "first seq", b.say(one.ID, u[0], "hi").Seq, 1)
	want(b, "peer", b.settled(u[0], one.ID).Peer, u[1])
	want(b, "peer", b.settled(u[1], one.ID).Peer, u[0])
	_, err = b.Directory.OpenDirect(b.ctx, u[0], u[2]+1_000_003)
	b.wantCode(err, chat.CodeNotFound)
	_, err = b.Directory.OpenDirect(b.ctx, u[0], u[0])
	if err == nil {
		b.Fatal("a direct channel with oneself was made")
	}
	for _, kind := range []chat.GovernKind{chat.GovernRename, chat.GovernAdd, chat.GovernRemove, chat.GovernLeave, chat.GovernLimit} {
		_, err = b.Directory.Govern(b.ctx, chat.Governance{Kind: kind, Channel: one.ID, Actor: u[0], Users: u[2:], Name: "x", Limit: 9})
		b.wantCode(err, chat.CodeForbidden)
	}
	_, err = b.Directory.Channel(b.ctx, u[2], one.ID)
	b.wantCode(err, chat.CodeNotMember)
}

func groups(b *bench) {
	u := b.users("owner", "m1", "m2", "outsider")
	d := chat.GroupDraft{Owner: u[0], Key: b.id(), Name: "모임", Members: []chat.UserID{u[2], u[1], u[2]}, Limit: 3}
	c, err := b.Directory.CreateGroup(b.ctx, d)
	b.must(err)
	want(b, "name", c.Name, "모임")
	want(b, "members", c.MemberCount, 3)
	want(b, "limit", c.MemberLimit, 3)
	want(b, "role", c.Role, chat.RoleOwner)
	want(b, "last_seq", c.LastSeq, 1)
	again, err := b.Directory.CreateGroup(b.ctx, d)
	b.must(err)
	want(b, "the id of the same key", again.ID, c.ID)
	want(b, "last_seq of the same key", again.LastSeq, 1)
	members, err := b.Directory.Members(b.ctx, u[1], c.ID)
	b.must(err)
	var ids []chat.UserID
	for _, m := range members {
		ids = append(ids, m.User)
		role := chat.RoleMember
		if m.User == u[0] {
			role = chat.RoleOwner
		}
		want(b, "role", m.Role, role)
	}
	if len(ids) != 3 || !slices.IsSorted(ids) {
		b.Fatalf("members are %v", ids)
	}
	roster, err := b.Roster.MemberIDs(b.ctx, c.ID, c.MemberVersion)
	b.must(err)
	if !slices.Equal(slices.Sorted(slices.Values(roster)), ids) {
		b.Fatalf("roster is %v, members are %v", roster, ids)
	}
	_, err = b.Directory.Members(b.ctx, u[3], c.ID)
	b.wantCode(err, chat.CodeNotMember)
	_, err = b.Directory.Channel(b.ctx, u[3], c.ID)
	b.wantCode(err, chat.CodeNotMember)
	d.Key, d.Limit = b.id(), 2
	_, err = b.Directory.CreateGroup(b.ctx, d)
	b.wantCode(err, chat.CodeChannelFull)
}

func (b *bench) govern(g chat.Governance) chat.Governed {
	b.Helper()
	res, err := b.Directory.Govern(b.ctx, g)
	b.must(err)
	return res
}

func governMembers(b *bench) {
	u := b.users("owner", "m1", "m2", "m3")
	ch := b.group(u[0], u[1])
	b.say(ch, u[0], "before")
	add := chat.Governance{Kind: chat.GovernAdd, Channel: ch, Actor: u[0], Users: []chat.UserID{u[2], u[1]}}
	res := b.govern(add)
	if !slices.Equal(res.Added, []chat.UserID{u[2]}) || res.Message == nil || res.Message.System == nil ||
		res.Message.System.Event != chat.EventAdded || !slices.Equal(res.Message.System.Users, []chat.UserID{u[2]}) {
		b.Fatalf("added %+v", res)
	}
	want(b, "seq of the system message", res.Message.Seq, 3)
	want(b, "n of the system message", res.Message.Count, 1)
	want(b, "members", res.Channel.MemberCount, 3)
	want(b, "messages a new member sees", len(b.all(ch, u[2])), 3)
	_, err := b.Directory.Govern(b.ctx, chat.Governance{Kind: chat.GovernAdd, Channel: ch, Actor: u[1], Users: u[3:]})
	b.wantCode(err, chat.CodeForbidden)
	_, err = b.Directory.Govern(b.ctx, chat.Governance{Kind: chat.GovernRemove, Channel: ch, Actor: u[1], Users: u[2:3]})
	b.wantCode(err, chat.CodeForbidden)
	_, err = b.Directory.Govern(b.ctx, chat.Governance{Kind: chat.GovernAdd, Channel: ch, Actor: u[3], Users: u[3:]})
	b.wantCode(err, chat.CodeNotMember)

	before := res.Channel.MemberVersion
	res = b.govern(chat.Governance{Kind: chat.GovernRemove, Channel: ch, Actor: u[0], Users: u[2:3]})
	if !slices.Equal(res.Removed, []chat.UserID{u[2]}) || res.Message.System.Event != chat.EventRemoved {
		b.Fatalf("removed %+v", res)
	}
	if res.Channel.MemberVersion <= before {
		b.Fatalf("member_version %d after %d", res.Channel.MemberVersion, before)
	}
	roster, err := b.Roster.MemberIDs(b.ctx, ch, res.Channel.MemberVersion)
	b.must(err)
	if slices.Contains(roster, u[2]) {
		b.Fatal("the roster still has who was removed")
	}
	_, err = b.Log.Append(b.ctx, b.draft(ch, u[2], "still here?"))
	b.wantCode(err, chat.CodeNotMember)
	_, err = b.Directory.Govern(b.ctx, chat.Governance{Kind: chat.GovernLeave, Channel: ch, Actor: u[0]})
	b.wantCode(err, chat.CodeLastOwner)
	res = b.govern(chat.Governance{Kind: chat.GovernLeave, Channel: ch, Actor: u[1]})
	want(b, "event", res.Message.System.Event, chat.EventLeft)
	want(b, "receipt's member_version", b.say(ch, u[0], "alone").MemberVersion, res.Channel.MemberVersion)
}

func governRoles(b *bench) {
	u := b.users("owner", "m1", "m2")
	ch := b.group(u[0], u[1], u[2])
	role := func(actor, user chat.UserID, r chat.Role) error {
		_, err := b.Directory.Govern(b.ctx, chat.Governance{Kind: chat.GovernRole, Channel: ch, Actor: actor, Users: []chat.UserID{user}, Role: r})
		return err
	}
	b.wantCode(role(u[1], u[1], chat.RoleAdmin), chat.CodeForbidden)
	b.wantCode(role(u[0], u[0], chat.RoleMember), chat.CodeLastOwner)
	b.must(role(u[0], u[1], chat.RoleAdmin))
	c, err := b.Directory.Channel(b.ctx, u[1], ch)
	b.must(err)
	want(b, "role", c.Role, chat.RoleAdmin)
	_, err = b.Directory.Govern(b.ctx, chat.Governance{Kind: chat.GovernRemove, Channel: ch, Actor: u[1], Users: u[:1]})
	b.wantCode(err, chat.CodeForbidden)
	b.must(role(u[0], u[2], chat.RoleOwner))
	b.must(role(u[2], u[0], chat.RoleMember))
	b.govern(chat.Governance{Kind: chat.GovernLeave, Channel: ch, Actor: u[0]})
}

func governNameLimit(b *bench) {
	u := b.users("owner", "m1", "m2")
	ch := b.group(u[0], u[1])
	res := b.govern(chat.Governance{Kind: chat.GovernRename, Channel: ch, Actor: u[0], Name: "새 이름"})
	want(b, "name", res.Channel.Name, "새 이름")
	want(b, "event", res.Message.System.Event, chat.EventRenamed)
	want(b, "text", res.Message.System.Text, "새 이름")
	b.eventually(func() string {
		if got := b.entry(u[1], ch).Name; got != "새 이름" {
			return "the inbox still says " + got
		}
		return ""
	})
	_, err := b.Directory.Govern(b.ctx, chat.Governance{Kind: chat.GovernRename, Channel: ch, Actor: u[1], Name: "x"})
	b.wantCode(err, chat.CodeForbidden)
	res = b.govern(chat.Governance{Kind: chat.GovernLimit, Channel: ch, Actor: u[0], Limit: 2})
	want(b, "limit", res.Channel.MemberLimit, 2)
	_, err = b.Directory.Govern(b.ctx, chat.Governance{Kind: chat.GovernAdd, Channel: ch, Actor: u[0], Users: u[2:]})
	b.wantCode(err, chat.CodeChannelFull)
}

func governIdempotent(b *bench) {
	u := b.users("owner", "m1", "m2")
	ch := b.group(u[0], u[1])
	for _, g := range []chat.Governance{
		{Kind: chat.GovernRename, Name: "room"},
		{Kind: chat.GovernAdd, Users: []chat.UserID{u[0], u[1]}},
		{Kind: chat.GovernRemove, Users: []chat.UserID{u[2]}},
		{Kind: chat.GovernRole, Users: []chat.UserID{u[1]}, Role: chat.RoleMember},
		{Kind: chat.GovernLimit, Limit: chat.DefaultMemberLimit},
	} {
		g.Channel, g.Actor = ch, u[0]
		res := b.govern(g)
		if res.Message != nil || len(res.Added)+len(res.Removed) != 0 || res.Channel.LastSeq != 1 {
			b.Errorf("%+v changed something: %+v", g, res)
		}
	}
}

func invites(b *bench) {
	if b.Invites == nil {
		return
	}
	u := b.users("owner", "m1", "j1", "j2", "j3")
	ch := b.group(u[0], u[1])
	_, err := b.Invites.CreateInvite(b.ctx, u[1], ch, 0, time.Time{})
	b.wantCode(err, chat.CodeForbidden)
	_, err = b.Invites.CreateInvite(b.ctx, u[2], ch, 0, time.Time{})
	b.wantCode(err, chat.CodeNotMember)
	inv, err := b.Invites.CreateInvite(b.ctx, u[0], ch, 1, time.Time{})
	b.must(err)
	preview, err := b.Invites.PreviewInvite(b.ctx, inv.Code)
	b.must(err)
	want(b, "preview", preview, chat.InvitePreview{Channel: ch, Name: "room", MemberCount: 2})
	join := func(user chat.UserID, code string) error {
		_, err := b.Directory.Govern(b.ctx, chat.Governance{Kind: chat.GovernJoin, Channel: ch, Actor: user, Invite: code})
		return err
	}
	b.must(join(u[1], inv.Code)) // a member already: uses nothing up
	b.must(join(u[2], inv.Code))
	b.wantCode(join(u[3], inv.Code), chat.CodeInviteInvalid)
	b.wantCode(join(u[3], "nonsense"), chat.CodeInviteInvalid)
	all := b.all(ch, u[2])
	last := all[len(all)-1]
	want(b, "event", last.System.Event, chat.EventJoined)
	open, err := b.Invites.CreateInvite(b.ctx, u[0], ch, 0, time.Now().Add(time.Hour))
	b.must(err)
	list, err := b.Invites.Invites(b.ctx, u[0], ch)
	b.must(err)
	if len(list) == 0 || list[0].Code != "" {
		b.Fatalf("list of invites is %+v, want some without codes", list)
	}
	b.must(join(u[3], open.Code))
	b.must(b.Invites.RevokeInvite(b.ctx, u[0], ch, open.ID))
	b.wantCode(join(u[4], open.Code), chat.CodeInviteInvalid)
}

func blocks(b *bench) {
	if b.Contacts == nil {
		return
	}
	u := b.users("a", "b", "c")
	c, err := b.Directory.OpenDirect(b.ctx, u[0], u[1])
	b.must(err)
	b.say(c.ID, u[0], "hi")
	b.must(b.Contacts.Block(b.ctx, u[1], u[0]))
	b.eventually(func() string {
		_, err := b.Log.Append(b.ctx, b.draft(c.ID, u[0], "let me in"))
		if chat.CodeOf(err) != chat.CodeBlocked {
			return "a blocked person can still write"
		}
		return ""
	})
	_, err = b.Directory.OpenDirect(b.ctx, u[0], u[1])
	b.wantCode(err, chat.CodeBlocked)
	_, err = b.Directory.CreateGroup(b.ctx, chat.GroupDraft{Owner: u[0], Key: b.id(), Name: "trap", Members: u[1:]})
	b.wantCode(err, chat.CodeBlocked)
	b.must(b.Contacts.Unblock(b.ctx, u[1], u[0]))
	b.eventually(func() string {
		if _, err := b.Log.Append(b.ctx, b.draft(c.ID, u[0], "thanks")); err != nil {
			return err.Error()
		}
		return ""
	})
}
