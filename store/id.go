package store

import (
	"encoding/binary"
	"math/rand/v2"
	"time"

	"gori/chat"
	"gori/shard"
)

// idEpoch is the zero of the time in ids: 2025-01-01T00:00:00Z.
var idEpoch = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

const idRandomBits = 22

// newID draws a positive 63-bit id: 41 bits of milliseconds since 2025 (enough
// until 2094) and 22 random bits. The time only makes new rows lie together in
// an index; uniqueness is settled by the primary key.
func newID(now time.Time) int64 {
	ms := max(now.Sub(idEpoch).Milliseconds(), 1)
	return ms<<idRandomBits&(1<<63-1) | int64(rand.Uint64N(1<<idRandomBits))
}

// newUserID draws ids until one lies in partition p, so that a user's home is
// where the login name is. About a thousand draws, some microseconds.
func newUserID(now time.Time, p shard.Partition) chat.UserID {
	for {
		id := newID(now)
		if shard.Of(id) == p {
			return chat.UserID(id)
		}
	}
}

// newMsgID draws the client_msg_id of a message that Gori itself writes, a
// UUIDv7.
func newMsgID(now time.Time) chat.ClientMsgID {
	var id chat.ClientMsgID
	binary.BigEndian.PutUint64(id[:8], uint64(now.UnixMilli())<<16|uint64(rand.Uint32N(1<<12)))
	binary.BigEndian.PutUint64(id[8:], rand.Uint64())
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80
	return id
}
