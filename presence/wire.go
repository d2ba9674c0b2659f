package presence

import (
	"encoding/binary"

	"gori/chat"
)

// What travels between nodes. A payload is a head and entries, all numbers
// little-endian:
//
//	version 1 | kind 1 | run 8 | seq 8 | root 8 | …
//
// run tells a node's process from the one before it; seq numbers its changes;
// root is the sum of its buckets' digests as of seq. So every payload is a
// digest as well.
const (
	wireVersion = 1
	headBytes   = 26
	maxPayload  = 32 << 10
)

// The kinds of payloads. Their numbers travel: never reuse one.
const (
	kindDelta  = 1 // entries that changed
	kindDigest = 2 // nothing more
	kindAsk    = 3 // run 8, digests of bucketCount buckets 8 each: as the asker knows the node
	kindAnswer = 4 // whole buckets: bucket 1, entries 2, entries
	kindSeen   = 5 // user 8, time of the change 8, presence_to 1: who may see the user from now on
)

type head struct {
	kind uint8
	run  uint64
	seq  uint64
	root uint64
}

func (h head) append(b []byte) []byte {
	b = append(b, wireVersion, h.kind)
	b = binary.LittleEndian.AppendUint64(b, h.run)
	b = binary.LittleEndian.AppendUint64(b, h.seq)
	return binary.LittleEndian.AppendUint64(b, h.root)
}

// readHead takes a payload apart; false: it is not one of ours.
func readHead(b []byte) (head, []byte, bool) {
	if len(b) < headBytes || b[0] != wireVersion {
		return head{}, nil, false
	}
	h := head{b[1], binary.LittleEndian.Uint64(b[2:]), binary.LittleEndian.Uint64(b[10:]), binary.LittleEndian.Uint64(b[18:])}
	return h, b[headBytes:], h.run != 0
}

// entry is what a node says of one user.
type entry struct {
	user chat.UserID
	record
}

func (e entry) append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, uint64(e.user))
	b = binary.LittleEndian.AppendUint32(b, e.last)
	return binary.LittleEndian.AppendUint16(b, uint16(e.word&wordMask))
}

// readEntry reads one of at least entryBytes.
func readEntry(b []byte) entry {
	return entry{chat.UserID(binary.LittleEndian.Uint64(b)),
		record{binary.LittleEndian.Uint32(b[8:]), word(binary.LittleEndian.Uint16(b[12:])) & wordMask}}
}

// readEntries reads n entries and what follows; false if they are not there or
// not well made.
func readEntries(b []byte, n int) (entries []entry, rest []byte, ok bool) {
	if n*entryBytes > len(b) {
		return nil, nil, false
	}
	entries = make([]entry, n)
	for i := range entries {
		if entries[i] = readEntry(b[i*entryBytes:]); entries[i].user <= 0 {
			return nil, nil, false
		}
	}
	return entries, b[n*entryBytes:], true
}

// bucketful is the whole of one bucket.
type bucketful struct {
	bucket  uint8
	entries []entry
}

func (f bucketful) size() int { return bucketHeadSize + len(f.entries)*entryBytes }

func (f bucketful) append(b []byte) []byte {
	b = append(b, f.bucket)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(f.entries)))
	for _, e := range f.entries {
		b = e.append(b)
	}
	return b
}

// readBuckets reads the body of an answer; false if any of it is not well made.
func readBuckets(b []byte) ([]bucketful, bool) {
	var all []bucketful
	for len(b) > 0 {
		if len(b) < bucketHeadSize {
			return nil, false
		}
		f := bucketful{bucket: b[0]}
		var ok bool
		f.entries, b, ok = readEntries(b[bucketHeadSize:], int(binary.LittleEndian.Uint16(b[1:])))
		if !ok {
			return nil, false
		}
		for _, e := range f.entries {
			if bucketOf(e.user) != f.bucket || e.word.empty() {
				return nil, false
			}
		}
		all = append(all, f)
	}
	return all, true
}

// ask is what a node knows of another's table.
type ask struct {
	run     uint64
	digests [bucketCount]uint64
}

func (a *ask) append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, a.run)
	for _, d := range a.digests {
		b = binary.LittleEndian.AppendUint64(b, d)
	}
	return b
}

func readAsk(b []byte) (*ask, bool) {
	if len(b) != 8+bucketCount*8 {
		return nil, false
	}
	a := &ask{run: binary.LittleEndian.Uint64(b)}
	for i := range a.digests {
		a.digests[i] = binary.LittleEndian.Uint64(b[8+8*i:])
	}
	return a, true
}
