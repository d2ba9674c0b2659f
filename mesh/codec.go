package mesh

import (
	"encoding/binary"
	"errors"
	"iter"

	"gori/chat"
)

// A message between two nodes:
//
//	version, kind, flags      one byte each
//	name, run of the sender   uvarint length and bytes, each
//	link                      uvarint: which acquaintance the number belongs to
//	number                    uvarint: of a batch; else that of the last one
//	rest                      a batch's items; a beat's chat.NodeState as JSON
//
// An item of a batch: its kind, for a tiding the kind of tiding and the users
// (uvarint count, 8 bytes each, little-endian), then uvarint length and bytes.
// A batch that is too great for one message is cut into parts, numbered like
// whole messages and put together by their flags.
const version = 1

type msgKind byte

const (
	kindBatch    msgKind = 1
	kindBeat     msgKind = 2
	kindGoodbye  msgKind = 3
	kindAnnounce msgKind = 4 // to all, by name and run only: whoever does not know it beats to it
)

// Flags of a batch. A whole one has both.
const (
	flagFirst = 1
	flagLast  = 2
)

type itemKind byte

const (
	itemTiding   itemKind = 1
	itemPresence itemKind = 2
)

// maxChunk bounds one message: half of what a NATS server takes by default.
// maxWhole bounds what is put together again.
const (
	maxChunk = 512 << 10
	maxWhole = 8 << 20
)

type header struct {
	kind   msgKind
	flags  byte
	name   string
	run    string
	link   uint64
	number uint64
}

var errMessage = errors.New("a message of the mesh cannot be read")

func appendHeader(b []byte, h header) []byte {
	b = append(b, version, byte(h.kind), h.flags)
	b = appendBytes(b, h.name)
	b = appendBytes(b, h.run)
	b = binary.AppendUvarint(b, h.link)
	return binary.AppendUvarint(b, h.number)
}

func appendBytes[T ~string | ~[]byte](b []byte, v T) []byte {
	b = binary.AppendUvarint(b, uint64(len(v)))
	return append(b, v...)
}

func appendTiding(b []byte, users []chat.UserID, t chat.Tiding) []byte {
	b = append(b, byte(itemTiding), byte(t.Kind))
	b = binary.AppendUvarint(b, uint64(len(users)))
	for _, u := range users {
		b = binary.LittleEndian.AppendUint64(b, uint64(u))
	}
	return appendBytes(b, t.Body)
}

func appendPresence(b, payload []byte) []byte {
	return appendBytes(append(b, byte(itemPresence)), payload)
}

// reader takes values from the front of a message; after the first that is
// not there, ok is false and all are zero.
type reader struct {
	b  []byte
	ok bool
}

func (r *reader) take(n uint64) []byte {
	if !r.ok || n > uint64(len(r.b)) {
		r.ok = false
		return nil
	}
	out := r.b[:n:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) byte() byte {
	if b := r.take(1); r.ok {
		return b[0]
	}
	return 0
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.ok = false
		return 0
	}
	r.take(uint64(n))
	return v
}

func (r *reader) bytes() []byte { return r.take(r.uvarint()) }

// parse reads the header and returns the rest. A message of a newer version is
// an error too: during an upgrade such nodes hear each other by repair only.
func parse(b []byte) (header, []byte, error) {
	r := reader{b: b, ok: true}
	v := r.byte()
	h := header{kind: msgKind(r.byte()), flags: r.byte()}
	h.name, h.run = string(r.bytes()), string(r.bytes())
	h.link, h.number = r.uvarint(), r.uvarint()
	if !r.ok || v != version || h.name == "" || h.run == "" {
		return header{}, nil, errMessage
	}
	return h, r.b, nil
}

// item is one thing in a batch. Its bytes are those of the message.
type item struct {
	kind   itemKind
	users  []chat.UserID
	tiding chat.Tiding // of presence, only the body
}

// items walks a whole batch; the error is only ever the last pair.
func items(b []byte) iter.Seq2[item, error] {
	return func(yield func(item, error) bool) {
		r := reader{b: b, ok: true}
		for len(r.b) > 0 {
			it := item{kind: itemKind(r.byte())}
			if it.kind == itemTiding {
				it.tiding.Kind = chat.TidingKind(r.byte())
				it.users = r.users()
			}
			it.tiding.Body = r.bytes()
			if !r.ok || (it.kind != itemTiding && it.kind != itemPresence) {
				yield(item{}, errMessage)
				return
			}
			if !yield(it, nil) {
				return
			}
		}
	}
}

func (r *reader) users() []chat.UserID {
	n := r.uvarint()
	if n > uint64(len(r.b))/8 {
		r.ok = false
		return nil
	}
	raw := r.take(n * 8)
	if len(raw) == 0 {
		return nil
	}
	users := make([]chat.UserID, n)
	for i := range users {
		users[i] = chat.UserID(binary.LittleEndian.Uint64(raw[i*8:]))
	}
	return users
}
