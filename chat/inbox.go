package chat

// Level says which messages of a channel a user wants to be told about.
type Level int16

// The levels.
const (
	LevelAll      Level = 0
	LevelMentions Level = 1
	LevelNone     Level = 2 // muted
)

// InboxEntry is one channel in a user's inbox: an index, not a copy of the
// messages. Unread is LastCount - ReadCount, never negative; see
// docs/ARCHITECTURE.md for what counts.
type InboxEntry struct {
	Channel     ChannelID      `json:"channel"`
	Kind        ChannelKind    `json:"kind"`
	Peer        UserID         `json:"peer,omitempty"` // the other one of a direct channel
	Name        string         `json:"name,omitempty"` // of a group
	Member      bool           `json:"member"`         // false: left or removed; everything below is empty
	Pos         Pos            `json:"pos"`
	LastSeq     Seq            `json:"last_seq"`
	LastCount   Count          `json:"last_n"`
	LastChange  Change         `json:"last_change"`
	LastAt      Millis         `json:"last_at"`
	LastSender  UserID         `json:"last_sender,omitempty"`
	Preview     string         `json:"preview,omitempty"` // the last message's first PreviewChars characters; of a system message see System.Preview
	PreviewKind MessageKind    `json:"preview_kind,omitempty"`
	ReadSeq     Seq            `json:"read_seq"`
	ReadCount   Count          `json:"read_n"`
	Mentions    int            `json:"mentions"` // unread messages that mention the user
	Threads     []ThreadUnread `json:"threads,omitempty"`
	Level       Level          `json:"level"`
	Pinned      bool           `json:"pinned"`
}

// ThreadUnread is a followed thread with replies the user has not read.
type ThreadUnread struct {
	Root     Seq   `json:"root"`
	Unread   Count `json:"unread"`
	Mentions int   `json:"mentions"`
}

// InboxPage is what changed in a user's inbox after some Pos, by ascending Pos.
type InboxPage struct {
	Head    Pos          `json:"-"`   // of the newest entry; with More it is not among these
	Pos     Pos          `json:"pos"` // to send in the next resume; with More: of the last entry
	Entries []InboxEntry `json:"entries"`
	More    bool         `json:"more"`
	// Generation is another one since the account was restored from a backup: a
	// device that knows a different one may have seen, and numbered, what is no
	// more. 0: never restored.
	Generation int64 `json:"generation,omitempty"`
}

// Home is what a device needs to go on.
type Home struct {
	Self    Self
	Inbox   InboxPage
	Friends []Friend
	Hiding  []UserID // those who have blocked the user; never shown
}

// InboxNotice tells the sessions of a user that an inbox entry has changed.
// Notices are a doorbell: they may be lost, merged or late; Pos tells.
type InboxNotice struct {
	User   UserID
	Entry  InboxEntry
	Passed []Pos // of older states of the entry, which this one stands for too
}

// ReadMark says that a user has read a channel, or a thread of it, up to Seq.
type ReadMark struct {
	User    UserID
	Channel ChannelID
	Thread  Seq // 0: the channel itself
	Seq     Seq // beyond the last message means the last message
}

// Preference is what a user has decided about a channel; nil leaves as it is.
type Preference struct {
	Level  *Level
	Pinned *bool
}
