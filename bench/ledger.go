package bench

import (
	"encoding/binary"

	"gori/client"
)

// stamp marks the messages of one run: a client_msg_id in the form of UUIDv7
// that holds the run, the sender's place among all senders and the sender's
// running number.
type stamp [8]byte

func newStamp() stamp {
	id := client.NewClientMsgID()
	s := stamp(id[:8])
	return s
}

func (s stamp) id(sender int, k uint32) (id client.ClientMsgID) {
	copy(id[:], s[:])
	id[8], id[9] = 0x80, 0
	binary.BigEndian.PutUint16(id[10:], uint16(sender))
	binary.BigEndian.PutUint32(id[12:], k)
	return id
}

// read is the reverse; false for a message that is not of this run.
func (s stamp) read(id client.ClientMsgID) (sender int, k uint32, ok bool) {
	if stamp(id[:8]) != s || id[8] != 0x80 || id[9] != 0 {
		return 0, 0, false
	}
	return int(binary.BigEndian.Uint16(id[10:])), binary.BigEndian.Uint32(id[12:]), true
}

// tally is what one receiver has of one sender: the numbers 0, 1, 2 … each
// once and in order, or what is wrong with them.
type tally struct {
	next      uint32
	missing   map[uint32]struct{}
	doubled   int64
	reordered int64
}

// take notes number k; false if it was there before.
func (t *tally) take(k uint32) bool {
	switch {
	case k == t.next:
		t.next++
		return true
	case k > t.next:
		if t.missing == nil {
			t.missing = map[uint32]struct{}{}
		}
		for ; t.next < k; t.next++ {
			t.missing[t.next] = struct{}{}
		}
		t.next++
		return true
	}
	if _, late := t.missing[k]; late {
		delete(t.missing, k)
		t.reordered++
		return true
	}
	t.doubled++
	return false
}

// lost counts what of the first n has not come.
func (t *tally) lost(n uint32) int64 {
	lost := int64(len(t.missing))
	if n > t.next {
		lost += int64(n - t.next)
	}
	return lost
}

// faults is a sum of tallies.
type faults struct{ lost, doubled, reordered int64 }

func (f *faults) add(t *tally, acked uint32) {
	f.lost += t.lost(acked)
	f.doubled += t.doubled
	f.reordered += t.reordered
}

// worse takes the greater of each: a fault seen both by a receiver and in
// history is one fault.
func (f faults) worse(g faults) faults {
	return faults{max(f.lost, g.lost), max(f.doubled, g.doubled), max(f.reordered, g.reordered)}
}
