package chat

import (
	"crypto/sha256"
	"encoding/binary"
)

// MaxDirectProbes is how many ids are tried for one pair. A collision of two
// pairs among a billion has a chance of one in ten; eight in a row do not
// happen.
const MaxDirectProbes = 8

// DirectID returns the id of the direct channel of two users, in whichever
// order, so both find it without a directory: the first 63 bits of SHA-256
// over the ordered pair. Should that id belong to another channel (its row
// names its pair), the next probe, 1, 2 …, gives the next candidate. It is
// fixed for ever.
func DirectID(a, b UserID, probe int) ChannelID {
	if a > b {
		a, b = b, a
	}
	var in [8 + 8 + 8 + 1]byte
	in[0] = 'd'
	binary.BigEndian.PutUint64(in[1:], uint64(a))
	binary.BigEndian.PutUint64(in[9:], uint64(b))
	binary.BigEndian.PutUint64(in[17:], uint64(probe))
	return channelIDOf(in[:])
}

// GroupID returns the id of the group that owner makes with key, so that a
// repeated creation finds the first one; probes as in DirectID.
func GroupID(owner UserID, key ClientMsgID, probe int) ChannelID {
	var in [1 + 8 + 16 + 8]byte
	in[0] = 'g'
	binary.BigEndian.PutUint64(in[1:], uint64(owner))
	copy(in[9:], key[:])
	binary.BigEndian.PutUint64(in[25:], uint64(probe))
	return channelIDOf(in[:])
}

func channelIDOf(in []byte) ChannelID {
	sum := sha256.Sum256(in)
	id := ChannelID(binary.BigEndian.Uint64(sum[:8]) >> 1)
	if id == 0 { // the one value that is no id
		id = 1
	}
	return id
}
