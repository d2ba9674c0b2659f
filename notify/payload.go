package notify

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"

	"gori/chat"
)

const (
	// maxPayload bounds a payload: RFC 8030 promises 4,096 bytes, of which
	// encryption takes 103.
	maxPayload   = 3_900
	maxBodyChars = 1_000 // characters of a body in a push
)

// payload is what a push says, see docs/PROTOCOL.md.
type payload struct {
	V       int            `json:"v"`
	Kind    string         `json:"kind"`           // message, clear, test
	User    chat.UserID    `json:"user,omitempty"` // of a webhook: who is told
	Channel chat.ChannelID `json:"channel,omitempty"`
	Seq     chat.Seq       `json:"seq,omitempty"`
	Thread  chat.Seq       `json:"thread,omitempty"`
	Title   string         `json:"title,omitempty"`
	Sender  string         `json:"sender,omitempty"`
	Body    string         `json:"body,omitempty"`
	Count   *int64         `json:"count,omitempty"`
	Badge   *int64         `json:"badge,omitempty"`
	At      chat.Millis    `json:"at,omitempty"`
	Message *chat.Message  `json:"message,omitempty"` // for a bot
}

// encode returns the JSON, with the body cut so that it fits: never within
// what is shown as one character.
func (p payload) encode() []byte {
	full := p.Body
	for chars := maxBodyChars; ; chars = chars * 3 / 4 {
		p.Body = cut(full, chars)
		b := marshal(p)
		if len(b) <= maxPayload || p.Message != nil || p.Body == "" {
			return b
		}
	}
}

func cut(s string, chars int) string {
	short := chat.Cut(s, chars)
	if len(short) < len(s) && short != "" {
		short += "…"
	}
	return short
}

func marshal(p payload) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // a push is no HTML, and every byte counts
	if err := enc.Encode(p); err != nil {
		panic("notify: a payload always has a JSON form: " + err.Error())
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// topicOf names a channel to push services, which keep one undelivered push of
// a topic and learn nothing from it: 32 characters of base64url.
func topicOf(user chat.UserID, id chat.ChannelID) string {
	sum := sha256.Sum256([]byte("gori " + user.String() + " " + id.String()))
	return base64.RawURLEncoding.EncodeToString(sum[:24])
}
