package chattest

import (
	"fmt"
	"slices"

	"gori/chat"
)

func positions(b *bench) {
	if b.Positions == nil {
		return
	}
	u := b.users("ann", "bob", "cat")
	ch := b.group(u[0], u[1])
	for range 3 {
		b.say(ch, u[0], "x")
	}
	b.settle(ch)
	at, err := b.Positions.InboxPositions(b.ctx, append(slices.Clone(u), 4242))
	b.must(err)
	want(b, "users with a position", len(at), 3)
	for _, id := range u {
		page, err := b.Inboxes.Inbox(b.ctx, id, 0, 500)
		b.must(err)
		want(b, "position", at[id], page.Pos)
		want(b, "head", page.Head, page.Pos)
	}
	want(b, "position of an empty inbox", at[u[2]], 0)

	more := b.group(u[0], u[1])
	b.settle(more)
	page, err := b.Inboxes.Inbox(b.ctx, u[1], 0, 1)
	b.must(err)
	later, err := b.Positions.InboxPositions(b.ctx, u[1:2])
	b.must(err)
	if !page.More || page.Head != later[u[1]] || page.Pos >= page.Head || later[u[1]] <= at[u[1]] {
		b.Fatalf("a page that is cut has pos %d and head %d (more: %v); the inbox is at %d after %d", page.Pos, page.Head, page.More, later[u[1]], at[u[1]])
	}
}

// positionsOfFriends: a change of friends has no entry, but it moves both
// inboxes on, so that a node which was not told finds it.
func positionsOfFriends(b *bench) {
	if b.Positions == nil || b.Contacts == nil {
		return
	}
	u := b.users("ann", "bob")
	for what, change := range []func() error{
		func() error { _, err := b.Contacts.Befriend(b.ctx, u[0], u[1]); return err },
		func() error { return b.Contacts.Unfriend(b.ctx, u[1], u[0]) },
		func() error { return b.Contacts.Block(b.ctx, u[1], u[0]) },
	} {
		was, err := b.Positions.InboxPositions(b.ctx, u)
		b.must(err)
		b.must(change())
		b.eventually(func() string {
			now, err := b.Positions.InboxPositions(b.ctx, u)
			b.must(err)
			if now[u[0]] <= was[u[0]] || now[u[1]] <= was[u[1]] {
				return fmt.Sprintf("change %d did not move an inbox", what)
			}
			return ""
		})
		page, err := b.Inboxes.Inbox(b.ctx, u[0], was[u[0]], 10)
		b.must(err)
		want(b, "entries", len(page.Entries), 0)
	}
}

// ears reads revocations as a node does.
type ears struct {
	b     *bench
	since chat.RevokedSince
}

func (b *bench) ears() *ears {
	e := &ears{b: b}
	e.hear()
	return e
}

// hear returns what was taken away since the last time, and maybe before.
func (e *ears) hear(users ...chat.UserID) []chat.Revocation {
	e.b.Helper()
	page, err := e.b.Revocations.Revoked(e.b.ctx, e.since, 0)
	e.b.must(err)
	if page.Lost {
		e.b.Fatal("revocations are lost")
	}
	e.since = page.Since
	ids := map[int64]bool{}
	for _, r := range page.List {
		if r.ID == 0 || ids[r.ID] {
			e.b.Fatalf("the id %d is missing or there twice", r.ID)
		}
		ids[r.ID] = true
	}
	return slices.DeleteFunc(page.List, func(r chat.Revocation) bool { return !slices.Contains(users, r.User) })
}

func memberRevocations(b *bench) {
	if b.Revocations == nil {
		return
	}
	u := b.users("ann", "bob", "cat", "dan")
	ch := b.group(u[0], u[1], u[2], u[3])
	e := b.ears()
	b.govern(chat.Governance{Kind: chat.GovernRename, Channel: ch, Actor: u[0], Name: "other"})
	if got := e.hear(u...); len(got) != 0 {
		b.Fatalf("a new name takes away %v", got)
	}
	removed := b.govern(chat.Governance{Kind: chat.GovernRemove, Channel: ch, Actor: u[0], Users: u[1:3]})
	left := b.govern(chat.Governance{Kind: chat.GovernLeave, Channel: ch, Actor: u[3]})
	out := map[chat.UserID]int64{}
	for _, r := range e.hear(u...) {
		if r.Kind != chat.RevokedMember || r.Channel != ch || r.Login != 0 {
			b.Fatalf("taken away: %+v", r)
		}
		out[r.User] = r.Version
	}
	want(b, "people who are out", len(out), 3)
	want(b, "version of a removal", out[u[1]], removed.Channel.MemberVersion)
	want(b, "version of a removal", out[u[2]], removed.Channel.MemberVersion)
	want(b, "version of a leaving", out[u[3]], left.Channel.MemberVersion)
	ids, err := b.Roster.MemberIDs(b.ctx, ch, out[u[3]])
	b.must(err)
	if !slices.Equal(ids, u[:1]) {
		b.Fatalf("members as of the last revocation: %v", ids)
	}
}

func loginRevocations(b *bench) {
	if b.Revocations == nil || b.Logins == nil {
		return
	}
	ann, bob := b.NewUser(b.T, "ann"), b.NewUser(b.T, "bob")
	n := byte(0)
	login := func(user chat.UserID) (chat.LoginID, []chat.LoginID) {
		n++
		id, ended, err := b.Logins.CreateLogin(b.ctx, user, [32]byte{n}, "device")
		b.must(err)
		return id, ended
	}
	e := b.ears()
	told := map[int64]bool{}
	wantEnded := func(what string, user chat.UserID, kind chat.RevocationKind, ids ...chat.LoginID) {
		b.Helper()
		var got []chat.LoginID
		for _, r := range e.hear(user) {
			if told[r.ID] {
				continue
			}
			told[r.ID] = true
			if r.Kind != kind || r.Channel != 0 {
				b.Fatalf("%s: taken away: %+v", what, r)
			}
			got = append(got, r.Login)
		}
		slices.Sort(got)
		slices.Sort(ids)
		if !slices.Equal(got, ids) {
			b.Fatalf("%s: ended %v, want %v", what, got, ids)
		}
	}
	first, ended := login(ann)
	want(b, "logins that made room", len(ended), 0)
	wantEnded("a login", ann, chat.RevokedLogin)
	b.must(b.Logins.RevokeLogins(b.ctx, ann, first, 4242))
	wantEnded("revoked", ann, chat.RevokedLogin, first)
	b.must(b.Logins.RevokeLogins(b.ctx, ann, first))
	wantEnded("revoked again", ann, chat.RevokedLogin)

	var all []chat.LoginID
	for range chat.MaxLoginsPerUser {
		id, ended := login(ann)
		want(b, "logins that made room", len(ended), 0)
		all = append(all, id)
	}
	last, ended := login(ann)
	want(b, "logins that made room", len(ended), 1)
	wantEnded("one too many", ann, chat.RevokedLogin, ended...)
	all = slices.DeleteFunc(append(all, last), func(id chat.LoginID) bool { return id == ended[0] })

	ended, err := b.Accounts.SetPassword(b.ctx, ann, "hash", last)
	b.must(err)
	want(b, "logins ended by a new password", len(ended), len(all)-1)
	wantEnded("a new password", ann, chat.RevokedLogin, ended...)

	other, _ := login(bob)
	ended, err = b.People.SetDisabled(b.ctx, bob, true)
	b.must(err)
	want(b, "logins of a disabled account", len(ended), 1)
	wantEnded("a disabled account", bob, chat.RevokedAccount, other)
	_, _, err = b.Logins.CreateLogin(b.ctx, bob, [32]byte{200}, "device")
	b.wantCode(err, chat.CodeUnauthenticated)
	_, err = b.People.SetDisabled(b.ctx, bob, false)
	b.must(err)
	wantEnded("an enabled account", bob, chat.RevokedAccount)
}

// settle waits until the inboxes of a channel have followed.
func (b *bench) settle(ch chat.ChannelID) {
	b.Helper()
	if b.Settle != nil {
		b.Settle(b.T, ch)
	}
}
