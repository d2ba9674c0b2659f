package chat

import (
	"fmt"
	"strconv"
)

// UserID identifies an account for ever. It is a positive 63-bit integer whose
// hash decides the user's home shard. In JSON it is a decimal string, because
// JavaScript numbers end at 2^53.
type UserID int64

// ChannelID identifies a channel for ever. It is a positive 63-bit integer; its
// hash decides the shard that keeps the channel and all its messages. The id of
// a direct channel is a function of its two users (see DirectID).
type ChannelID int64

// LoginID identifies one login (the token a device holds) of one user.
type LoginID int64

// Seq is the position of a message in its channel: 1, 2, 3 … without gaps,
// assigned in the transaction that stores the message, under the lock of the
// channel's row, so commit order is Seq order.
type Seq int64

// Change numbers the alterations (edit, delete, reaction, pin) of a channel's
// existing messages: 1, 2, 3 … without gaps, like Seq for messages.
type Change int64

// Pos is the position of a user's inbox: it grows by at least one with every
// change of any of the user's inbox entries. A device's resume sends the last
// Pos it has applied.
type Pos int64

// Count is a running number of the messages that count as unread: messages
// written by people in the channel itself, not system messages and not replies
// in threads. The unread number of a member is the channel's Count minus the
// Count at the member's read mark.
type Count int64

func (id UserID) String() string    { return strconv.FormatInt(int64(id), 10) }
func (id ChannelID) String() string { return strconv.FormatInt(int64(id), 10) }
func (id LoginID) String() string   { return strconv.FormatInt(int64(id), 10) }

// MarshalText writes the decimal form.
func (id UserID) MarshalText() ([]byte, error) { return strconv.AppendInt(nil, int64(id), 10), nil }

// MarshalText writes the decimal form.
func (id ChannelID) MarshalText() ([]byte, error) {
	return strconv.AppendInt(nil, int64(id), 10), nil
}

// MarshalText writes the decimal form.
func (id LoginID) MarshalText() ([]byte, error) { return strconv.AppendInt(nil, int64(id), 10), nil }

// UnmarshalText reads the decimal form; anything but the one canonical form of
// a positive 63-bit integer is an error.
func (id *UserID) UnmarshalText(b []byte) error {
	n, err := parseID(b)
	*id = UserID(n)
	return err
}

// UnmarshalText reads the decimal form; anything but the one canonical form of
// a positive 63-bit integer is an error.
func (id *ChannelID) UnmarshalText(b []byte) error {
	n, err := parseID(b)
	*id = ChannelID(n)
	return err
}

// UnmarshalText reads the decimal form; anything but the one canonical form of
// a positive 63-bit integer is an error.
func (id *LoginID) UnmarshalText(b []byte) error {
	n, err := parseID(b)
	*id = LoginID(n)
	return err
}

// ParseUserID reads a decimal user id.
func ParseUserID(s string) (UserID, error) {
	n, err := parseID([]byte(s))
	return UserID(n), err
}

// ParseChannelID reads a decimal channel id.
func ParseChannelID(s string) (ChannelID, error) {
	n, err := parseID([]byte(s))
	return ChannelID(n), err
}

func parseID(b []byte) (int64, error) {
	n, err := strconv.ParseInt(string(b), 10, 64)
	if err != nil || n <= 0 || b[0] < '1' || b[0] > '9' {
		return 0, Errorf(CodeBadID, "%.40q is not an id", b)
	}
	return n, nil
}

// ClientMsgID is the UUID that the sending device makes for a message. The
// triple (channel, sender, ClientMsgID) is unique for ever: a second send with
// it gets the first one's result.
type ClientMsgID [16]byte

// ParseClientMsgID reads the 36-character form, in lower case, of any RFC 9562
// UUID but the nil one. UUIDv7 is recommended.
func ParseClientMsgID(s string) (ClientMsgID, error) {
	var id ClientMsgID
	bad := func() (ClientMsgID, error) {
		return ClientMsgID{}, Errorf(CodeBadID, "client_msg_id must be a lower-case UUID of 36 characters")
	}
	if len(s) != 36 {
		return bad()
	}
	i := 0
	for k := 0; k < 36; k++ {
		if k == 8 || k == 13 || k == 18 || k == 23 {
			if s[k] != '-' {
				return bad()
			}
			continue
		}
		v, ok := hexValue(s[k])
		if !ok {
			return bad()
		}
		if i%2 == 0 {
			id[i/2] = v << 4
		} else {
			id[i/2] |= v
		}
		i++
	}
	if id == (ClientMsgID{}) {
		return bad()
	}
	return id, nil
}

func hexValue(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	}
	return 0, false
}

// String writes the 36-character form.
func (id ClientMsgID) String() string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[0:4], id[4:6], id[6:8], id[8:10], id[10:16])
}

// MarshalText writes the 36-character form.
func (id ClientMsgID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads what ParseClientMsgID reads.
func (id *ClientMsgID) UnmarshalText(b []byte) error {
	v, err := ParseClientMsgID(string(b))
	*id = v
	return err
}
