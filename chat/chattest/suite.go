package chattest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"gori/chat"
)

// System is what the suite tests.
type System struct {
	Log       chat.Log
	Directory chat.Directory
	Roster    chat.Roster
	Inboxes   chat.Inboxes
	Invites   chat.Invites  // nil: not tested
	Contacts  chat.Contacts // nil: not tested
	Bots      chat.Bots     // nil: not tested; needs the next three
	Hooks     chat.Hooks
	Logins    chat.Logins
	People    chat.People

	Positions   chat.Positions   // nil: not tested
	Revocations chat.Revocations // nil: not tested; those of logins need Accounts, People and Logins
	Accounts    chat.Accounts

	// NewUser makes an account and returns its id; names are unique in a test.
	NewUser func(t *testing.T, name string) chat.UserID
	// Settle waits until nothing of a channel is on its way to inboxes: news of
	// one batch may overtake those of the one before, so an entry may know the
	// last seq a moment before an earlier mention. nil: nothing ever is.
	Settle func(t *testing.T, ch chat.ChannelID)
	// Patience is how long inboxes may take to follow; 0: a minute, which only
	// ends what hangs.
	Patience time.Duration
}

// System returns the ports of m for the suite.
func (m *Memory) System() System {
	return System{Log: m, Directory: m, Roster: m, Inboxes: m, Invites: m, Contacts: m,
		Bots: m, Hooks: m, Logins: m, People: m, Positions: m, Revocations: m, Accounts: m, NewUser: m.NewUser}
}

// NewUser makes an account without a password.
func (m *Memory) NewUser(t *testing.T, name string) chat.UserID {
	t.Helper()
	self, _, err := m.SignUp(context.Background(), chat.NewAccount{LoginName: name, DisplayName: name, NoLogin: true})
	if err != nil {
		t.Fatalf("sign up %s: %v", name, err)
	}
	return self.ID
}

// Suite runs the contract on systems that open makes, a fresh one (or one whose
// users are fresh) for each test. The tests run in parallel.
func Suite(t *testing.T, open func(t *testing.T) System) {
	for _, c := range []struct {
		name string
		run  func(*bench)
	}{
		{"append gives dense seqs in the order given", appendOrder},
		{"append gives dense seqs to concurrent senders", appendConcurrent},
		{"append with a known id gives the first result for ever", appendDuplicate},
		{"append with a known id and another body is refused", appendReused},
		{"append stores all or none", appendAllOrNone},
		{"append can answer an earlier draft", appendReplyToDraft},
		{"append is for members", appendMembers},
		{"append refuses what does not exist", appendNoSuch},
		{"what was appended is what is read", appendRoundTrip},
		{"edit", alterEdit},
		{"delete", alterDelete},
		{"react", alterReact},
		{"changes give each altered message once in its present state", changes},
		{"history pages", historyPages},
		{"history pages are bounded in bytes", historyBytes},
		{"direct channels", direct},
		{"groups", groups},
		{"govern members", governMembers},
		{"govern roles", governRoles},
		{"govern name and limit", governNameLimit},
		{"a change already in force changes nothing", governIdempotent},
		{"invites", invites},
		{"inbox pages", inboxPages},
		{"unread is exact", unread},
		{"mentions are exact", mentions},
		{"threads are exact", threads},
		{"read marks only move forward", markRead},
		{"previews follow the last message", previews},
		{"preferences", preferences},
		{"removal empties the inbox entry", removalInbox},
		{"random histories agree with a recount", recount},
		{"blocked people cannot write", blocks},
		{"positions are those of the inboxes", positions},
		{"a change of friends moves both inboxes", positionsOfFriends},
		{"who is out of a channel is told", memberRevocations},
		{"which logins ended is told", loginRevocations},
		{"bots", bots},
		{"bots are bounded", botsBounded},
		{"programs end with their owner", botsOfDisabled},
		{"incoming webhooks", hooks},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			t.Cleanup(cancel)
			c.run(&bench{System: open(t), T: t, ctx: ctx})
		})
	}
}

// bench is a system under test, with short ways to say things.
type bench struct {
	System
	*testing.T
	ctx context.Context
	ids int
}

func (b *bench) users(names ...string) []chat.UserID {
	b.Helper()
	ids := make([]chat.UserID, len(names))
	for i, n := range names {
		ids[i] = b.NewUser(b.T, n)
	}
	return ids
}

// id makes a client_msg_id that the test has not used yet.
func (b *bench) id() chat.ClientMsgID {
	b.ids++
	return Key(b.ids)
}

// Key makes a distinct id of n.
func Key(n int) chat.ClientMsgID {
	id, err := chat.ParseClientMsgID(fmt.Sprintf("01900000-0000-7000-8000-%012x", n+1))
	if err != nil {
		panic(err)
	}
	return id
}

// group makes a group of an owner and members.
func (b *bench) group(owner chat.UserID, members ...chat.UserID) chat.ChannelID {
	b.Helper()
	c, err := b.Directory.CreateGroup(b.ctx, chat.GroupDraft{Owner: owner, Key: b.id(), Name: "room", Members: members})
	b.must(err)
	return c.ID
}

func (b *bench) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func (b *bench) wantCode(err error, code chat.Code) {
	b.Helper()
	if chat.CodeOf(err) != code {
		b.Fatalf("error %v, want code %q", err, code)
	}
}

func want[V comparable](b *bench, what string, got, want V) {
	b.Helper()
	if got != want {
		b.Fatalf("%s is %v, want %v", what, got, want)
	}
}

func (b *bench) draft(ch chat.ChannelID, from chat.UserID, body string) chat.Draft {
	return chat.Draft{Channel: ch, Sender: from, ClientMsgID: b.id(), Body: body}
}

// say appends one message.
func (b *bench) say(ch chat.ChannelID, from chat.UserID, body string) chat.Receipt {
	b.Helper()
	return b.append(b.draft(ch, from, body))[0]
}

func (b *bench) append(drafts ...chat.Draft) []chat.Receipt {
	b.Helper()
	r, err := b.Log.Append(b.ctx, drafts...)
	b.must(err)
	if len(r) != len(drafts) {
		b.Fatalf("%d receipts for %d drafts", len(r), len(drafts))
	}
	return r
}

// all reads the whole channel.
func (b *bench) all(ch chat.ChannelID, viewer chat.UserID) []chat.Message {
	b.Helper()
	var out []chat.Message
	for after := chat.Seq(0); ; {
		p, err := b.Log.History(b.ctx, chat.HistoryQuery{Channel: ch, Viewer: viewer, After: after, HasAfter: true, Limit: 200})
		b.must(err)
		out = append(out, p.Messages...)
		if !p.MoreAfter {
			return out
		}
		after = p.Messages[len(p.Messages)-1].Seq
	}
}

// entry reads a user's present inbox entry of a channel; a zero one if none.
func (b *bench) entry(user chat.UserID, ch chat.ChannelID) chat.InboxEntry {
	b.Helper()
	for after := chat.Pos(0); ; {
		p, err := b.Inboxes.Inbox(b.ctx, user, after, 500)
		b.must(err)
		for _, e := range p.Entries {
			if e.Channel == ch {
				return e
			}
		}
		if !p.More {
			return chat.InboxEntry{}
		}
		after = p.Pos
	}
}

// settled waits until the user's entry has heard of everything in the channel,
// and returns it.
func (b *bench) settled(user chat.UserID, ch chat.ChannelID) chat.InboxEntry {
	b.Helper()
	c, err := b.Directory.Channel(b.ctx, user, ch)
	b.must(err)
	if b.Settle != nil {
		b.Settle(b.T, ch)
	}
	var e chat.InboxEntry
	b.eventually(func() string {
		e = b.entry(user, ch)
		if e.LastSeq < c.LastSeq || e.LastChange < c.LastChange {
			return fmt.Sprintf("inbox of %d has heard of seq %d change %d; the channel has %d and %d",
				user, e.LastSeq, e.LastChange, c.LastSeq, c.LastChange)
		}
		return ""
	})
	return e
}

// eventually waits until check has nothing to say.
func (b *bench) eventually(check func() string) {
	b.Helper()
	patience := b.Patience
	if patience == 0 {
		patience = time.Minute
	}
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		wrong := check()
		if wrong == "" {
			return
		}
		if time.Now().After(deadline) {
			b.Fatalf("after %v: %s", patience, wrong)
		}
		<-tick.C
	}
}

func unreadOf(e chat.InboxEntry) chat.Count { return max(0, e.LastCount-e.ReadCount) }
