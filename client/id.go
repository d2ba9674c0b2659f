package client

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strconv"
	"time"
)

// UserID names a user; a decimal string in JSON.
type UserID int64

// ChannelID names a channel; a decimal string in JSON.
type ChannelID int64

// LoginID names a login; a decimal string in JSON.
type LoginID int64

// Seq is the place of a message in its channel: 1, 2, 3 … without gaps.
type Seq int64

// Change numbers the alterations of a channel's messages, like Seq.
type Change int64

// Pos is a position in a user's inbox.
type Pos int64

// Millis is a time in Unix milliseconds.
type Millis int64

// Time converts; 0 becomes the zero time.
func (m Millis) Time() time.Time {
	if m == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(m))
}

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

// UnmarshalText reads the decimal form.
func (id *UserID) UnmarshalText(b []byte) error { return parseID((*int64)(id), b) }

// UnmarshalText reads the decimal form.
func (id *ChannelID) UnmarshalText(b []byte) error { return parseID((*int64)(id), b) }

// UnmarshalText reads the decimal form.
func (id *LoginID) UnmarshalText(b []byte) error { return parseID((*int64)(id), b) }

func parseID(id *int64, b []byte) error {
	n, err := strconv.ParseInt(string(b), 10, 64)
	*id = n
	return err
}

// ClientMsgID is the UUID the sender makes for a message; sending it again is
// how a send is repeated without doubling the message.
type ClientMsgID [16]byte

// NewClientMsgID makes a UUIDv7 of the present time.
func NewClientMsgID() ClientMsgID {
	var id ClientMsgID
	rand.Read(id[:]) // never fails
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(time.Now().UnixMilli()))
	copy(id[:6], ms[2:])
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80
	return id
}

func (id ClientMsgID) String() string { return string(id.append(nil)) }

// append adds the 36-character form.
func (id ClientMsgID) append(b []byte) []byte {
	for i, part := range [...][]byte{id[:4], id[4:6], id[6:8], id[8:10], id[10:]} {
		if i > 0 {
			b = append(b, '-')
		}
		b = hex.AppendEncode(b, part)
	}
	return b
}

// MarshalText writes the 36-character form.
func (id ClientMsgID) MarshalText() ([]byte, error) { return id.append(nil), nil }

// UnmarshalText reads the 36-character form.
func (id *ClientMsgID) UnmarshalText(b []byte) error {
	if len(b) != 36 || b[8] != '-' || b[13] != '-' || b[18] != '-' || b[23] != '-' {
		return errors.New("client: not a UUID of 36 characters")
	}
	at := 0
	for i := 0; i < 36; i += 2 {
		if b[i] == '-' {
			i++
		}
		hi, lo := unhex(b[i]), unhex(b[i+1])
		if hi|lo > 0x0f {
			return errors.New("client: not a UUID of lower-case hexadecimal digits")
		}
		id[at] = hi<<4 | lo
		at++
	}
	return nil
}

func unhex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	}
	return 0xff
}
