package chat

// The frames from server to client, one struct each. The golden allow-list in
// testdata/frames.golden names every field a client may ever see.

// Ack answers a send: where the message is stored. The HTTP twin of send
// answers with the same object, without op.
type Ack struct {
	Op          string      `json:"op,omitempty"`
	Channel     ChannelID   `json:"channel"`
	ClientMsgID ClientMsgID `json:"client_msg_id"`
	Seq         Seq         `json:"seq"`
	Count       Count       `json:"n"`
	ThreadCount Count       `json:"thread_n,omitempty"`
	At          Millis      `json:"at"`
	Dup         bool        `json:"dup,omitempty"`
}

// AckOf makes the answer to a draft stored as r tells.
func AckOf(d Draft, r Receipt) Ack {
	return Ack{Channel: d.Channel, ClientMsgID: d.ClientMsgID, Seq: r.Seq, Count: r.Count,
		ThreadCount: r.ThreadCount, At: r.At, Dup: r.Duplicate}
}

// Nack refuses a frame.
type Nack struct {
	Op          string `json:"op"`
	ClientMsgID string `json:"client_msg_id,omitempty"`
	Ref         string `json:"ref,omitempty"` // the op refused
	Code        Code   `json:"code"`
	Message     string `json:"message"`
	Retry       bool   `json:"retry"`
	AfterMillis int64  `json:"after_ms,omitempty"`
}

// Limits is what a client must know of the server's limits.
type Limits struct {
	HeartbeatSeconds int `json:"heartbeat_s"`
	BodyChars        int `json:"body_chars"`
	BodyBytes        int `json:"body_bytes"`
}

// PublicLimits are the limits told to every client.
func PublicLimits() Limits {
	return Limits{HeartbeatSeconds: HeartbeatSeconds, BodyChars: MaxBodyChars, BodyBytes: MaxBodyBytes}
}

// Resumed answers resume.
type Resumed struct {
	Op       string          `json:"op"`
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
	// Generation is that of the InboxPage.
	Generation int64 `json:"generation,omitempty"`

	head Pos // of the inbox; the client asks for what is between Pos and it
}

type messageFrame struct {
	Op      string  `json:"op"` // OpMessage or OpChange
	Message Message `json:"message"`
}

type inboxFrame struct {
	Op      string       `json:"op"`
	Pos     Pos          `json:"pos"`
	Entries []InboxEntry `json:"entries"`
}

type readFrame struct {
	Op      string    `json:"op"`
	Channel ChannelID `json:"channel"`
	User    UserID    `json:"user"`
	Seq     Seq       `json:"seq"`
	Thread  Seq       `json:"thread,omitempty"`
}

type typingFrame struct {
	Op      string    `json:"op"`
	Channel ChannelID `json:"channel"`
	User    UserID    `json:"user"`
	Thread  Seq       `json:"thread,omitempty"`
}

type presenceFrame struct {
	Op     string          `json:"op"`
	States []PresenceState `json:"states"`
}

type pongFrame struct {
	Op  string `json:"op"`
	Now Millis `json:"now"`
}

type userFrame struct {
	Op   string `json:"op"`
	User User   `json:"user"`
}

type friendFrame struct {
	Op     string `json:"op"`
	Friend Friend `json:"friend"`
	User   User   `json:"user"`
}

type channelFrame struct {
	Op      string  `json:"op"`
	Channel Channel `json:"channel"`
}
