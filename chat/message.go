package chat

import "time"

// Limits of a message. Lengths are in characters (Unicode code points) of the
// NFC form unless they say bytes.
const (
	MaxBodyChars       = 100_000 // characters of a body
	MaxBodyBytes       = 400_000 // bytes of a body in UTF-8
	MaxMentions        = 100     // users mentioned by one message
	MaxEmojiBytes      = 64      // bytes of one reaction
	MaxReactionKinds   = 20      // different reactions on one message
	PreviewChars       = 120     // characters of a body kept in inbox entries
	DeleteWindow       = 24 * time.Hour
	MaxHistoryPage     = 200 // messages in one page of history
	MaxHistoryBytes    = 1 << 20
	MaxAppendDrafts    = 500 // drafts in one Log.Append
	DefaultMemberLimit = 100
)

// Millis is a time in Unix milliseconds, as all times are on the wire. Times
// are for people to read; no order depends on them.
type Millis int64

// MillisOf converts t; the zero time becomes 0.
func MillisOf(t time.Time) Millis {
	if t.IsZero() {
		return 0
	}
	return Millis(t.UnixMilli())
}

// Time converts back; 0 becomes the zero time.
func (m Millis) Time() time.Time {
	if m == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(m)).UTC()
}

// MessageKind tells what a message is.
type MessageKind int16

// The kinds of message.
const (
	KindText   MessageKind = 0 // written by a person or program
	KindSystem MessageKind = 1 // written by Gori: a join, a leave, a rename; see System
)

// Message is one entry of a channel in its present state, as history and frames
// show it. It holds nothing that differs between the users who may read it.
type Message struct {
	Channel     ChannelID   `json:"channel"`
	Seq         Seq         `json:"seq"`
	Count       Count       `json:"n"`                  // the channel's Count including this message
	ThreadCount Count       `json:"thread_n,omitempty"` // in a thread: this is the n-th reply
	Sender      UserID      `json:"sender"`
	ClientMsgID ClientMsgID `json:"client_msg_id"`
	Kind        MessageKind `json:"kind,omitempty"`
	Body        string      `json:"body"` // empty once deleted
	At          Millis      `json:"at"`   // when it was stored
	OrigAt      Millis      `json:"orig_at,omitempty"`
	ReplyTo     Seq         `json:"reply_to,omitempty"`
	Thread      Seq         `json:"thread,omitempty"` // the message this is a thread reply to
	Mentions    []UserID    `json:"mentions,omitempty"`
	MentionAll  bool        `json:"mention_all,omitempty"`
	Change      Change      `json:"change,omitempty"` // number of its last alteration
	EditedAt    Millis      `json:"edited_at,omitempty"`
	Deleted     bool        `json:"deleted,omitempty"`
	Reactions   []Reaction  `json:"reactions,omitempty"`
	Replies     *Replies    `json:"replies,omitempty"` // set on a message that has a thread
	System      *System     `json:"system,omitempty"`
}

// Reaction is one emoji on a message and who put it there, in order of arrival.
type Reaction struct {
	Emoji string   `json:"emoji"`
	Users []UserID `json:"users"`
}

// Replies sums up the thread under a message.
type Replies struct {
	Count   Count  `json:"n"`
	LastSeq Seq    `json:"last_seq"`
	LastAt  Millis `json:"last_at"`
}

// SystemEvent names what a system message tells.
type SystemEvent string

// The system events.
const (
	EventCreated SystemEvent = "created" // Actor made the channel
	EventJoined  SystemEvent = "joined"  // Users joined by an invite link
	EventAdded   SystemEvent = "added"   // Actor added Users
	EventRemoved SystemEvent = "removed" // Actor removed Users
	EventLeft    SystemEvent = "left"    // Users left
	EventRenamed SystemEvent = "renamed" // Actor named the channel Text
	EventRole    SystemEvent = "role"    // Actor gave Users the role Text
	EventLimit   SystemEvent = "limit"   // Actor set the member limit to Text
)

// System is the content of a system message.
type System struct {
	Event SystemEvent `json:"event"`
	Actor UserID      `json:"actor"`
	Users []UserID    `json:"users,omitempty"`
	Text  string      `json:"text,omitempty"`
}

// Draft is a message not yet stored.
type Draft struct {
	Channel     ChannelID
	Sender      UserID
	ClientMsgID ClientMsgID
	Body        string
	ReplyTo     Seq // 0: none
	// ReplyToDraft answers an earlier draft of the same Append instead: 1 is
	// the first one; 0: none. Imports need it, as seqs are not known yet.
	ReplyToDraft int
	Thread       Seq // 0: in the channel itself
	Mentions     []UserID
	MentionAll   bool
	OrigAt       Millis // imported messages: the time of the original; else 0
}

// Receipt tells where a draft was stored.
type Receipt struct {
	Seq           Seq
	Count         Count
	ThreadCount   Count
	At            Millis
	Duplicate     bool  // a message with this ClientMsgID was there already; this is its receipt
	MemberVersion int64 // the channel's version of its member list at that commit
}

// AlterKind says what an Alteration does.
type AlterKind int16

// The alterations.
const (
	AlterEdit AlterKind = iota + 1
	AlterDelete
	AlterReact
	AlterUnreact
)

// Alteration changes an existing message. Edit and Delete are the sender's;
// Delete is also an owner's or admin's of the group. Repeating one that is
// already in force changes nothing and takes no Change number.
type Alteration struct {
	Kind     AlterKind
	Channel  ChannelID
	Seq      Seq
	Actor    UserID
	Body     string    // Edit
	Mentions []UserID  // Edit; an edit notifies nobody anew
	Emoji    string    // React, Unreact
	Now      time.Time // for the delete window
}

// Altered is the result of an Alteration.
type Altered struct {
	Message       Message
	Applied       bool // false: it was in force already
	MemberVersion int64
}

// HistoryQuery asks for a page of messages of one channel, in ascending Seq.
// At most one of After, Before and Around, or Date, is set; none means the
// newest page.
type HistoryQuery struct {
	Channel  ChannelID
	Viewer   UserID // must be a member, or CodeNotMember
	After    Seq    // with HasAfter: messages with a greater Seq
	HasAfter bool
	Before   Seq    // messages with a smaller Seq, the nearest ones
	Around   Seq    // half before, this one, half after
	Date     Millis // from the first message stored at or after this time
	Thread   Seq    // only the replies under this message
	Limit    int    // 1 to MaxHistoryPage; 0 means 50
}

// Page is a page of messages in ascending Seq. Pages are also cut at
// MaxHistoryBytes of bodies, so a page shorter than Limit says nothing; More
// does.
type Page struct {
	Messages   []Message `json:"messages"`
	MoreBefore bool      `json:"more_before"`
	MoreAfter  bool      `json:"more_after"`
	LastSeq    Seq       `json:"last_seq"`    // of the channel, at the time of reading
	LastChange Change    `json:"last_change"` // of the channel, at the time of reading
}

// ChangesQuery asks for messages altered after a Change, in ascending Change,
// each once and in its present state.
type ChangesQuery struct {
	Channel ChannelID
	Viewer  UserID
	After   Change
	UpTo    Seq // only messages with Seq <= UpTo, those the device has
	Limit   int
}
