package store

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/chat"
	"gori/shard"
)

func TestOpenDirect(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	ctx := t.Context()
	a, b := w.person("a1"), w.person("b1")
	var wg sync.WaitGroup
	ids := make([]chat.ChannelID, 8)
	for i := range ids {
		wg.Go(func() {
			viewer, peer := a, b
			if i%2 == 1 {
				viewer, peer = b, a
			}
			c, err := w.OpenDirect(ctx, viewer, peer)
			if err != nil || c.Kind != chat.KindDirect || c.MemberCount != 2 || c.Role != chat.RoleMember {
				t.Errorf("opened %+v, %v", c, err)
			}
			ids[i] = c.ID
		})
	}
	wg.Wait()
	if slices.Max(ids) != slices.Min(ids) || ids[0] != chat.DirectID(b, a, 0) {
		t.Fatalf("several channels of one pair: %v", ids)
	}
	if e, ok := w.entry(a, ids[0]); !ok || e.Peer != b || !e.Member || e.Kind != chat.KindDirect {
		t.Fatalf("the viewer's entry: %+v", e)
	}
	w.say(ids[0], a, "안녕")
	eventually(t, "the peer hears", func() bool {
		e, ok := w.entry(b, ids[0])
		return ok && e.Peer == a && e.LastCount-e.ReadCount == 1 && e.Preview == "안녕"
	})
	_, err := w.OpenDirect(ctx, a, a)
	wantCode(t, err, chat.CodeBadRequest)
	_, err = w.OpenDirect(ctx, a, 4711)
	wantCode(t, err, chat.CodeNotFound)
}

// An id that belongs to another channel leads to the next one.
func TestDirectProbing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	ctx := t.Context()
	a, b := w.person("a1"), w.person("b1")
	taken := chat.DirectID(a, b, 0)
	err := w.write(ctx, shard.Of(taken), func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO data.channels (partition, channel_id, kind, user_a, user_b, created_by, member_limit)
			VALUES ($1, $2, 1, 1, 2, 1, 2)`, shard.Of(taken), taken)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		c, err := w.OpenDirect(ctx, a, b)
		if err != nil || c.ID != chat.DirectID(a, b, 1) {
			t.Fatalf("opened %v, %v", c.ID, err)
		}
	}
}

func TestCreateGroupIsRepeatable(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	ctx := t.Context()
	ids := w.people(4)
	d := chat.GroupDraft{Owner: ids[0], Key: newMsgID(time.Now()), Name: "모임", Members: []chat.UserID{ids[1], ids[2], ids[1], ids[0]}}
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			c, err := w.CreateGroup(ctx, d)
			if err != nil || c.MemberCount != 3 || c.LastSeq != 1 || c.LastCount != 0 || c.Role != chat.RoleOwner || c.MemberLimit != chat.DefaultMemberLimit {
				t.Errorf("made %+v, %v", c, err)
			}
		})
	}
	wg.Wait()
	w.quiet()
	for _, u := range ids[:3] {
		if e, ok := w.entry(u, chat.GroupID(ids[0], d.Key, 0)); !ok || e.Name != "모임" || e.LastCount != e.ReadCount || e.LastSeq != 1 {
			t.Fatalf("entry %+v", e)
		}
	}
	// A retry finds it even if somebody would refuse now.
	if err := w.Block(ctx, ids[1], ids[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := w.CreateGroup(ctx, d); err != nil {
		t.Fatal(err)
	}
	d.Key = newMsgID(time.Now())
	_, err := w.CreateGroup(ctx, d)
	wantCode(t, err, chat.CodeBlocked)
	d.Members = []chat.UserID{ids[2], 999}
	_, err = w.CreateGroup(ctx, d)
	wantCode(t, err, chat.CodeNotFound)
	d.Members, d.Limit = ids[2:], 2
	_, err = w.CreateGroup(ctx, d)
	wantCode(t, err, chat.CodeChannelFull)
}

func TestGovernRoles(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	ctx := t.Context()
	ids := w.people(6)
	owner, admin, member, extra, outsider := ids[0], ids[1], ids[2], ids[3], ids[4]
	id := w.group(owner, admin, member, extra)
	govern := func(g chat.Governance) error {
		g.Channel = id
		_, err := w.Govern(ctx, g)
		return err
	}
	ok := func(g chat.Governance) {
		t.Helper()
		if err := govern(g); err != nil {
			t.Fatalf("%+v: %v", g, err)
		}
	}
	ok(chat.Governance{Kind: chat.GovernRole, Actor: owner, Users: []chat.UserID{admin}, Role: chat.RoleAdmin})
	for _, c := range []struct {
		what string
		code chat.Code
		g    chat.Governance
	}{
		{"an outsider renames", chat.CodeNotMember, chat.Governance{Kind: chat.GovernRename, Actor: outsider, Name: "x"}},
		{"a member renames", chat.CodeForbidden, chat.Governance{Kind: chat.GovernRename, Actor: member, Name: "x"}},
		{"a member adds", chat.CodeForbidden, chat.Governance{Kind: chat.GovernAdd, Actor: member, Users: ids[4:5]}},
		{"a member removes", chat.CodeForbidden, chat.Governance{Kind: chat.GovernRemove, Actor: member, Users: []chat.UserID{extra}}},
		{"a member sets the limit", chat.CodeForbidden, chat.Governance{Kind: chat.GovernLimit, Actor: member, Limit: 50}},
		{"an admin sets the limit", chat.CodeForbidden, chat.Governance{Kind: chat.GovernLimit, Actor: admin, Limit: 50}},
		{"an admin sets a role", chat.CodeForbidden, chat.Governance{Kind: chat.GovernRole, Actor: admin, Users: []chat.UserID{member}, Role: chat.RoleOwner}},
		{"an admin removes the owner", chat.CodeForbidden, chat.Governance{Kind: chat.GovernRemove, Actor: admin, Users: []chat.UserID{owner}}},
		{"an admin removes himself", chat.CodeForbidden, chat.Governance{Kind: chat.GovernRemove, Actor: admin, Users: []chat.UserID{admin}}},
		{"a role for an outsider", chat.CodeNotFound, chat.Governance{Kind: chat.GovernRole, Actor: owner, Users: []chat.UserID{outsider}, Role: chat.RoleAdmin}},
		{"an unknown role", chat.CodeBadRequest, chat.Governance{Kind: chat.GovernRole, Actor: owner, Users: []chat.UserID{member}, Role: 9}},
		{"the last owner steps down", chat.CodeLastOwner, chat.Governance{Kind: chat.GovernRole, Actor: owner, Users: []chat.UserID{owner}, Role: chat.RoleMember}},
		{"the last owner leaves", chat.CodeLastOwner, chat.Governance{Kind: chat.GovernLeave, Actor: owner}},
		{"a limit below the members", chat.CodeConflict, chat.Governance{Kind: chat.GovernLimit, Actor: owner, Limit: 3}},
		{"a limit beyond reason", chat.CodeBadRequest, chat.Governance{Kind: chat.GovernLimit, Actor: owner, Limit: chat.MaxMemberLimit + 1}},
		{"an unknown user", chat.CodeNotFound, chat.Governance{Kind: chat.GovernAdd, Actor: admin, Users: []chat.UserID{99}}},
		{"joining without an invite", chat.CodeInviteInvalid, chat.Governance{Kind: chat.GovernJoin, Actor: outsider, Invite: "x"}},
	} {
		if err := govern(c.g); chat.CodeOf(err) != c.code {
			t.Errorf("%s: %v, want %s", c.what, err, c.code)
		}
	}
	before := sure(w.Channel(ctx, owner, id))
	ok(chat.Governance{Kind: chat.GovernRename, Actor: admin, Name: "모임"}) // as it is named
	ok(chat.Governance{Kind: chat.GovernAdd, Actor: admin, Users: []chat.UserID{member}})
	ok(chat.Governance{Kind: chat.GovernLimit, Actor: owner, Limit: before.MemberLimit})
	ok(chat.Governance{Kind: chat.GovernRole, Actor: owner, Users: []chat.UserID{admin}, Role: chat.RoleAdmin})
	ok(chat.Governance{Kind: chat.GovernRemove, Actor: admin, Users: []chat.UserID{outsider}})
	if after := sure(w.Channel(ctx, owner, id)); after != before {
		t.Fatalf("what was so already changed something: %+v, %+v", before, after)
	}
	ok(chat.Governance{Kind: chat.GovernLimit, Actor: owner, Limit: 4})
	if err := govern(chat.Governance{Kind: chat.GovernAdd, Actor: admin, Users: []chat.UserID{outsider}}); chat.CodeOf(err) != chat.CodeChannelFull {
		t.Fatalf("beyond the limit: %v", err)
	}
	ok(chat.Governance{Kind: chat.GovernRole, Actor: owner, Users: []chat.UserID{member}, Role: chat.RoleOwner})
	ok(chat.Governance{Kind: chat.GovernLeave, Actor: owner})
	if c := sure(w.Channel(ctx, member, id)); c.MemberCount != 3 || c.Role != chat.RoleOwner {
		t.Fatalf("%+v", c)
	}
	direct := sure(w.OpenDirect(ctx, owner, member))
	_, err := w.Govern(ctx, chat.Governance{Kind: chat.GovernLeave, Actor: owner, Channel: direct.ID})
	wantCode(t, err, chat.CodeForbidden)
}

func TestAGroupWithOnlyItsOwnerMayBeLeft(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	ctx := t.Context()
	u := w.person("solo")
	id := w.group(u)
	out, err := w.Govern(ctx, chat.Governance{Kind: chat.GovernLeave, Actor: u, Channel: id})
	if err != nil || !slices.Equal(out.Removed, []chat.UserID{u}) {
		t.Fatalf("%+v, %v", out, err)
	}
	_, err = w.Channel(ctx, u, id)
	wantCode(t, err, chat.CodeNotMember)
}

// From the moment a removal is acknowledged no door leads in.
func TestRemovedMembersAreOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	ctx := t.Context()
	ids := w.people(3)
	owner, gone := ids[0], ids[1]
	id := w.group(owner, gone, ids[2])
	w.say(id, owner, "비밀", func(d *chat.Draft) { d.Mentions = []chat.UserID{gone} })
	root := w.say(id, gone, "root")
	w.say(id, owner, "reply", func(d *chat.Draft) { d.Thread = root.Seq })
	w.quiet()
	out, err := w.Govern(ctx, chat.Governance{Kind: chat.GovernRemove, Actor: owner, Users: []chat.UserID{gone}, Channel: id})
	if err != nil || !slices.Equal(out.Removed, []chat.UserID{gone}) || out.Message.System.Event != chat.EventRemoved {
		t.Fatalf("%+v, %v", out, err)
	}
	doors := map[string]error{}
	_, doors["channel"] = w.Channel(ctx, gone, id)
	_, doors["members"] = w.Members(ctx, gone, id)
	_, doors["history"] = w.History(ctx, chat.HistoryQuery{Channel: id, Viewer: gone})
	_, doors["history around"] = w.History(ctx, chat.HistoryQuery{Channel: id, Viewer: gone, Around: 2})
	_, doors["history by date"] = w.History(ctx, chat.HistoryQuery{Channel: id, Viewer: gone, Date: 1})
	_, doors["thread"] = w.History(ctx, chat.HistoryQuery{Channel: id, Viewer: gone, Thread: root.Seq})
	_, doors["changes"] = w.Changes(ctx, chat.ChangesQuery{Channel: id, Viewer: gone, UpTo: 9})
	_, _, doors["read mark"] = w.MarkRead(ctx, chat.ReadMark{User: gone, Channel: id, Seq: 3})
	level := chat.LevelNone
	_, doors["preference"] = w.Prefer(ctx, gone, id, chat.Preference{Level: &level})
	_, doors["invites"] = w.Invites(ctx, gone, id)
	_, doors["send"] = w.Append(ctx, chat.Draft{Channel: id, Sender: gone, ClientMsgID: newMsgID(time.Now()), Body: "x"})
	_, doors["edit"] = w.Alter(ctx, chat.Alteration{Kind: chat.AlterEdit, Channel: id, Seq: root.Seq, Actor: gone, Body: "x"})
	_, doors["govern"] = w.Govern(ctx, chat.Governance{Kind: chat.GovernRename, Actor: gone, Channel: id, Name: "x"})
	for door, err := range doors {
		if chat.CodeOf(err) != chat.CodeNotMember {
			t.Errorf("%s: %v", door, err)
		}
	}
	if !w.told(func(n chat.InboxNotice) bool { return n.User == gone && n.Entry.Channel == id && !n.Entry.Member }) {
		t.Error("the removed member's sessions did not hear")
	}
	page := sure(w.Inbox(ctx, gone, 0, 10))
	if len(page.Entries) != 1 || page.Entries[0].Member || page.Entries[0].Preview != "" || page.Entries[0].Name != "" ||
		page.Entries[0].Mentions != 0 || page.Entries[0].Threads != nil {
		t.Fatalf("what is left in the inbox: %+v", page.Entries)
	}
	w.say(id, owner, "after")
	w.quiet()
	if e, ok := w.entry(gone, id); ok {
		t.Fatalf("the entry came back: %+v", e)
	}
	// Coming back starts afresh, with all of the history and nothing unread.
	if _, err := w.Govern(ctx, chat.Governance{Kind: chat.GovernAdd, Actor: owner, Users: []chat.UserID{gone}, Channel: id}); err != nil {
		t.Fatal(err)
	}
	w.quiet()
	e, ok := w.entry(gone, id)
	if !ok || e.LastCount != e.ReadCount || e.Mentions != 0 || len(e.Threads) != 0 || e.Name != "모임" {
		t.Fatalf("after coming back: %+v", e)
	}
	if page := sure(w.History(ctx, chat.HistoryQuery{Channel: id, Viewer: gone})); page.Messages[0].Seq != 1 {
		t.Fatal("the history does not begin at the start")
	}
}

// A removal that reaches the inbox late undoes nothing newer.
func TestLateEffects(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	ctx := t.Context()
	ids := w.people(2)
	id := w.group(ids[0], ids[1])
	w.say(id, ids[0], "old", func(d *chat.Draft) { d.Mentions = ids[1:] })
	w.quiet()
	// The removal stays on its way while its member comes back and hears more.
	w.forgetMember(id, ids[1])
	out, err := w.Govern(ctx, chat.Governance{Kind: chat.GovernAdd, Actor: ids[0], Users: ids[1:], Channel: id})
	if err != nil {
		t.Fatal(err)
	}
	w.say(id, ids[0], "new", func(d *chat.Draft) { d.Mentions = ids[1:] })
	w.quiet()
	late := leftEffect{Channel: id, Seq: out.Message.Seq - 1, Users: ids[1:]}
	for range 2 {
		if err := late.apply(ctx, w.Store); err != nil {
			t.Fatal(err)
		}
		if e, ok := w.entry(ids[1], id); !ok || e.LastCount-e.ReadCount != 1 || e.Mentions != 1 || e.ReadSeq != out.Message.Seq {
			t.Fatalf("after a late removal: %+v", e)
		}
	}
	w.forgetMember(id, ids[1])
	for range 2 {
		if err := late.apply(ctx, w.Store); err != nil {
			t.Fatal(err)
		}
		if _, ok := w.entry(ids[1], id); ok {
			t.Fatal("a newer removal did nothing")
		}
	}
}

func TestInvites(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	ctx := t.Context()
	ids := w.people(9)
	id := w.group(ids[0], ids[1])
	_, err := w.CreateInvite(ctx, ids[1], id, 0, time.Time{})
	wantCode(t, err, chat.CodeForbidden)
	_, err = w.CreateInvite(ctx, ids[2], id, 0, time.Time{})
	wantCode(t, err, chat.CodeNotMember)
	inv, err := w.CreateInvite(ctx, ids[0], id, 3, w.now().Add(time.Hour))
	if err != nil || inv.Code == "" {
		t.Fatalf("%+v, %v", inv, err)
	}
	p, err := w.PreviewInvite(ctx, inv.Code)
	if err != nil || p != (chat.InvitePreview{Channel: id, Name: "모임", MemberCount: 2}) {
		t.Fatalf("%+v, %v", p, err)
	}
	for _, bad := range []string{"", "x", inv.Code + "A", inv.Code[:len(inv.Code)-1], "-" + inv.Code, "zzzzzzzzzzzzzzzzzz-AAAAAAAAAAAAAAAAAAAAAA", "1-AAAAAAAAAAAAAAAAAAAAAA"} {
		_, err := w.PreviewInvite(ctx, bad)
		wantCode(t, err, chat.CodeInviteInvalid)
	}
	join := func(u chat.UserID) error {
		_, err := w.Govern(ctx, chat.Governance{Kind: chat.GovernJoin, Actor: u, Channel: id, Invite: inv.Code})
		return err
	}
	if err := join(ids[1]); err != nil { // a member uses nothing up
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	joined := 0
	for _, u := range ids[2:9] {
		wg.Go(func() {
			err := join(u)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				joined++
			} else if chat.CodeOf(err) != chat.CodeInviteInvalid {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if joined != 3 {
		t.Fatalf("%d joined with an invite for 3", joined)
	}
	if list := sure(w.Invites(ctx, ids[0], id)); len(list) != 0 {
		t.Fatalf("a used-up invite is listed: %v", list)
	}
	inv = sure(w.CreateInvite(ctx, ids[0], id, 0, w.now().Add(time.Hour)))
	list := sure(w.Invites(ctx, ids[0], id))
	if len(list) != 1 || list[0].Code != "" || list[0].ID != inv.ID || list[0].ExpiresAt != inv.ExpiresAt {
		t.Fatalf("%+v", list)
	}
	if err := w.RevokeInvite(ctx, ids[0], id, inv.ID); err != nil {
		t.Fatal(err)
	}
	_, err = w.PreviewInvite(ctx, inv.Code)
	wantCode(t, err, chat.CodeInviteInvalid)
	inv = sure(w.CreateInvite(ctx, ids[0], id, 0, w.now().Add(time.Hour)))
	w.ahead.Add(int64(2 * time.Hour))
	_, err = w.PreviewInvite(ctx, inv.Code)
	wantCode(t, err, chat.CodeInviteInvalid)
	for range chat.MaxInvites {
		if _, err := w.CreateInvite(ctx, ids[0], id, 0, time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	_, err = w.CreateInvite(ctx, ids[0], id, 0, time.Time{})
	wantCode(t, err, chat.CodeTooLong)
}
