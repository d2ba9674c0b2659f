package chattest

import (
	"sync"
	"time"

	"gori/chat"
)

// Memory is a whole store in memory: slow, simple, correct. Each method takes
// one lock, so everything happens in one order.
type Memory struct {
	// OnInbox hears of changed inbox entries, after the change; may be nil.
	OnInbox func([]chat.InboxNotice)
	// Now is the clock; NewMemory sets time.Now.
	Now func() time.Time
	// BeforeAppend may fail or delay an Append before it does anything.
	BeforeAppend func(drafts []chat.Draft) error

	mu       sync.Mutex
	lastID   int64
	channels map[chat.ChannelID]*channel
	users    map[chat.UserID]*user
	names    map[string]chat.UserID
	invites  map[string]*signUpInvite
	audit    []chat.AuditEvent
	notices  []chat.InboxNotice // to pass on when mu is released
	revoked  []revocation
}

var (
	_ chat.Log       = (*Memory)(nil)
	_ chat.Directory = (*Memory)(nil)
	_ chat.Roster    = (*Memory)(nil)
	_ chat.Inboxes   = (*Memory)(nil)
	_ chat.Positions = (*Memory)(nil)
	_ chat.Invites   = (*Memory)(nil)
	_ chat.Accounts  = (*Memory)(nil)
	_ chat.Founder   = (*Memory)(nil)
	_ chat.Logins    = (*Memory)(nil)

	_ chat.Revocations = (*Memory)(nil)
	_ chat.People      = (*Memory)(nil)
	_ chat.Avatars     = (*Memory)(nil)
	_ chat.Contacts    = (*Memory)(nil)
	_ chat.Auditor     = (*Memory)(nil)
	_ chat.Bots        = (*Memory)(nil)
	_ chat.Hooks       = (*Memory)(nil)
)

type channel struct {
	chat.Channel
	pair     [2]chat.UserID // direct
	members  map[chat.UserID]*chat.Member
	messages []*chat.Message // seq-1 is the index
	sent     map[sendKey]sent
	threads  map[chat.Seq]*thread
	invites  []*invite
	hooks    []*hook
}

type sendKey struct {
	sender chat.UserID
	id     chat.ClientMsgID
}

type sent struct {
	draft chat.Draft
	seq   chat.Seq
}

type thread struct {
	followers map[chat.UserID]chat.Count // what they have read of it
	mentions  map[chat.UserID][]chat.Seq
}

type invite struct {
	chat.Invite
	code string
}

type hook struct {
	chat.Hook
	token [32]byte // zero: shut
}

type signUpInvite struct {
	expires time.Time
	used    bool
}

type user struct {
	chat.Self
	hash    string
	logins  map[chat.LoginID]*login
	friends map[chat.UserID]*chat.Friend
	avatar  []byte
	pos     chat.Pos
	inbox   map[chat.ChannelID]*entry
	botOf   chat.UserID    // whose bot it is
	hook    chat.ChannelID // whose webhook speaks by it
	gone    bool           // a bot that has ended
}

type login struct {
	chat.Login
	token [32]byte
}

// entry is an inbox entry; mentions and threads are worked out when it is read.
type entry struct {
	chat.InboxEntry
	mentions []chat.Seq // in the channel itself
}

// NewMemory makes an empty system.
func NewMemory() *Memory {
	return &Memory{Now: time.Now, lastID: 1000, channels: map[chat.ChannelID]*channel{}, users: map[chat.UserID]*user{},
		names: map[string]chat.UserID{}, invites: map[string]*signUpInvite{}}
}

// lock takes the lock and returns what releases it and then passes on notices.
func (m *Memory) lock() func() {
	m.mu.Lock()
	return func() {
		notices := m.notices
		m.notices = nil
		m.mu.Unlock()
		if m.OnInbox != nil && len(notices) > 0 {
			m.OnInbox(notices)
		}
	}
}

func (m *Memory) newID() int64 {
	m.lastID += 7
	return m.lastID
}

func (m *Memory) now() chat.Millis { return chat.MillisOf(m.Now()) }

func notMember() error { return chat.Errorf(chat.CodeNotMember, "there is no such channel for you") }

// memberOf finds a channel for one of its members.
func (m *Memory) memberOf(id chat.ChannelID, viewer chat.UserID) (*channel, *chat.Member, error) {
	c := m.channels[id]
	if c == nil || c.members[viewer] == nil {
		return nil, nil, notMember()
	}
	return c, c.members[viewer], nil
}

func (c *channel) at(seq chat.Seq) *chat.Message {
	if seq < 1 || seq > c.LastSeq {
		return nil
	}
	return c.messages[seq-1]
}

func (c *channel) seenBy(viewer chat.UserID) chat.Channel {
	out := c.Channel
	out.MemberCount = len(c.members)
	out.Role = chat.RoleNone
	if m := c.members[viewer]; m != nil {
		out.Role = m.Role
	}
	return out
}
