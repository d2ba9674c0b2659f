package client

// User is an account as others see it.
type User struct {
	ID            UserID `json:"id"`
	LoginName     string `json:"login_name"`
	DisplayName   string `json:"display_name"`
	AvatarColor   int    `json:"avatar_color"`
	AvatarVersion int64  `json:"avatar_version,omitempty"`
	StatusLine    string `json:"status_line,omitempty"`
	Disabled      bool   `json:"disabled,omitempty"`
	Bot           bool   `json:"bot,omitempty"` // a program acts by it
	LastActiveAt  Millis `json:"last_active_at,omitempty"`
}

// Self is the account the client is logged in to.
type Self struct {
	User
	Admin bool   `json:"admin"`
	Lang  string `json:"lang"`
	// PresenceTo is who may see this user's presence: everyone, friends or nobody.
	PresenceTo string `json:"presence_to"`
}

// Channel kinds.
const (
	KindDirect = 1
	KindGroup  = 2
)

// Channel is a channel as a member sees it.
type Channel struct {
	ID            ChannelID `json:"id"`
	Kind          int       `json:"kind"`
	Name          string    `json:"name"`
	CreatedAt     Millis    `json:"created_at"`
	LastSeq       Seq       `json:"last_seq"`
	LastCount     int64     `json:"last_n"`
	LastChange    Change    `json:"last_change"`
	MemberCount   int       `json:"member_count"`
	MemberLimit   int       `json:"member_limit"`
	MemberVersion int64     `json:"member_version"`
	Role          int       `json:"role"`
}

// Member is a user's place in a channel.
type Member struct {
	User     UserID `json:"user"`
	Role     int    `json:"role"`
	JoinedAt Millis `json:"joined_at"`
	ReadSeq  Seq    `json:"read_seq"`
}

// Message is a message in its present state.
type Message struct {
	Channel     ChannelID   `json:"channel"`
	Seq         Seq         `json:"seq"`
	Count       int64       `json:"n"`
	ThreadCount int64       `json:"thread_n,omitempty"`
	Sender      UserID      `json:"sender"`
	ClientMsgID ClientMsgID `json:"client_msg_id"`
	Kind        int         `json:"kind,omitempty"` // 0: written by someone; 1: by Gori
	Body        string      `json:"body"`
	At          Millis      `json:"at"`
	OrigAt      Millis      `json:"orig_at,omitempty"`
	ReplyTo     Seq         `json:"reply_to,omitempty"`
	Thread      Seq         `json:"thread,omitempty"`
	Mentions    []UserID    `json:"mentions,omitempty"`
	MentionAll  bool        `json:"mention_all,omitempty"`
	Change      Change      `json:"change,omitempty"`
	EditedAt    Millis      `json:"edited_at,omitempty"`
	Deleted     bool        `json:"deleted,omitempty"`
	Reactions   []Reaction  `json:"reactions,omitempty"`
	Replies     *Replies    `json:"replies,omitempty"`
	System      *System     `json:"system,omitempty"` // of Kind 1
}

// System is what a message by Gori tells: created, joined, added, removed, left
// or renamed.
type System struct {
	Event string   `json:"event"`
	Actor UserID   `json:"actor"`
	Users []UserID `json:"users,omitempty"`
	Text  string   `json:"text,omitempty"`
}

// Reaction is one emoji and who put it there.
type Reaction struct {
	Emoji string   `json:"emoji"`
	Users []UserID `json:"users"`
}

// Replies sums up the thread under a message.
type Replies struct {
	Count   int64  `json:"n"`
	LastSeq Seq    `json:"last_seq"`
	LastAt  Millis `json:"last_at"`
}

// InboxEntry is one channel in the user's inbox.
type InboxEntry struct {
	Channel    ChannelID `json:"channel"`
	Kind       int       `json:"kind"`
	Peer       UserID    `json:"peer,omitempty"`
	Name       string    `json:"name,omitempty"`
	Member     bool      `json:"member"`
	Pos        Pos       `json:"pos"`
	LastSeq    Seq       `json:"last_seq"`
	LastCount  int64     `json:"last_n"`
	LastChange Change    `json:"last_change"`
	LastAt     Millis    `json:"last_at"`
	LastSender UserID    `json:"last_sender,omitempty"`
	Preview    string    `json:"preview,omitempty"`
	ReadSeq    Seq       `json:"read_seq"`
	ReadCount  int64     `json:"read_n"`
	Mentions   int       `json:"mentions"`
	Level      int       `json:"level"`
	Pinned     bool      `json:"pinned"`
}

// Unread is the number of messages not read.
func (e InboxEntry) Unread() int64 { return max(0, e.LastCount-e.ReadCount) }

// InboxPage is what changed in an inbox after some Pos.
type InboxPage struct {
	Pos     Pos          `json:"pos"`
	Entries []InboxEntry `json:"entries"`
	More    bool         `json:"more"`
	People  []User       `json:"people"`
	// Generation is that of Resumed.
	Generation int64 `json:"generation"`
}

// Page is a page of messages by ascending Seq.
type Page struct {
	Messages   []Message `json:"messages"`
	MoreBefore bool      `json:"more_before"`
	MoreAfter  bool      `json:"more_after"`
	LastSeq    Seq       `json:"last_seq"`
	LastChange Change    `json:"last_change"`
}

// Receipt tells where a message was stored.
type Receipt struct {
	Channel     ChannelID   `json:"channel"`
	ClientMsgID ClientMsgID `json:"client_msg_id"`
	Seq         Seq         `json:"seq"`
	Count       int64       `json:"n"`
	ThreadCount int64       `json:"thread_n"`
	At          Millis      `json:"at"`
	Duplicate   bool        `json:"dup"` // it was stored by an earlier try
}

// Friend is one line of the user's list of people; State is sent, received,
// accepted or blocked.
type Friend struct {
	User  UserID `json:"user"`
	State string `json:"state"`
	Since Millis `json:"since"`
}

// PresenceState is whether a user is there: online, away or offline.
type PresenceState struct {
	User         UserID `json:"user"`
	State        string `json:"state"`
	LastActiveAt Millis `json:"last_active_at,omitempty"`
}

// Typing says that someone writes; shown for 5 s.
type Typing struct {
	Channel ChannelID `json:"channel"`
	User    UserID    `json:"user"`
	Thread  Seq       `json:"thread,omitempty"`
}

// ReadMark says how far someone has read.
type ReadMark struct {
	Channel ChannelID `json:"channel"`
	User    UserID    `json:"user"`
	Seq     Seq       `json:"seq"`
	Thread  Seq       `json:"thread,omitempty"`
}

// Resumed is the server's answer to a new connection.
type Resumed struct {
	Me       Self            `json:"me"`
	Login    LoginID         `json:"login"`
	Session  string          `json:"session"`
	Node     string          `json:"node"`
	Pos      Pos             `json:"pos"`
	Entries  []InboxEntry    `json:"entries"`
	More     bool            `json:"more"`
	Friends  []Friend        `json:"friends"`
	People   []User          `json:"people"`
	Presence []PresenceState `json:"presence"`
	Limits   Limits          `json:"limits"`
	Now      Millis          `json:"now"`
	// Generation is another one since the account was restored from a backup.
	Generation int64 `json:"generation"`
}

// Limits are the server's.
type Limits struct {
	HeartbeatSeconds int `json:"heartbeat_s"`
	BodyChars        int `json:"body_chars"`
	BodyBytes        int `json:"body_bytes"`
}

// Outgoing is a message to send.
type Outgoing struct {
	Channel     ChannelID
	ClientMsgID ClientMsgID // zero: made when sent
	Body        string
	ReplyTo     Seq
	Thread      Seq
	Mentions    []UserID
	MentionAll  bool
}
