package mesh

import (
	"time"

	"gori/chat"
)

// Bounds of what waits for one peer. What comes when it is full is dropped;
// its number is not, so the peer knows.
const (
	maxQueueItems = 16_384
	maxQueueBytes = 16 << 20
)

// peer is a live run of another node. It is guarded by Mesh.mu, but for what
// only hearing touches.
type peer struct {
	// static
	name string
	run  string
	link uint64 // numbers our acquaintance; a new one begins at number 1

	state chat.NodeState
	heard time.Time // monotonic

	// what waits to be sent: encoded items and where each ends
	queue   []byte
	ends    []int
	sent    uint64 // the last number used
	beatDue bool

	// guarded by Mesh.hearing
	theirLink uint64
	got       uint64 // the last number heard
	partial   []byte // of a batch in parts; nil: none has begun
}

// newer tells whether p began after other, when both claim one name. The wall
// clocks of the two decide, and then the run, so that all nodes agree.
func newer(p, other chat.NodeState) bool {
	if p.StartedAt != other.StartedAt {
		return p.StartedAt > other.StartedAt
	}
	return p.Run > other.Run
}

// addLocked encodes one item at the end of the queue, or drops it.
func (p *peer) addLocked(encode func(b []byte) []byte) bool {
	if len(p.ends) >= maxQueueItems || len(p.queue) >= maxQueueBytes {
		p.sent++ // a number that never comes
		return false
	}
	p.queue = encode(p.queue)
	p.ends = append(p.ends, len(p.queue))
	return true
}

// parts cuts a queue into what goes into one message each: as many whole items
// as fit, or a part of one that is too great.
func parts(queue []byte, ends []int, yield func(part []byte, flags byte)) {
	begin := 0
	for i, end := range ends {
		if i+1 < len(ends) && ends[i+1]-begin <= maxChunk {
			continue
		}
		for flags := byte(flagFirst); begin < end; flags = 0 {
			next := min(begin+maxChunk, end)
			if next == end {
				flags |= flagLast
			}
			yield(queue[begin:next], flags)
			begin = next
		}
	}
}

// number takes the number of a message that came, and tells whether ones
// before it are missing, and whether it is new.
func (p *peer) number(h header) (missed, fresh bool) {
	if h.link != p.theirLink {
		// Until it knew us it sent us nothing, which may be later than we met it.
		missed = true
		p.theirLink, p.got, p.partial = h.link, 0, nil
	}
	next := p.got + 1
	if h.kind != kindBatch {
		next = p.got // it has no number of its own
	}
	if h.number < next {
		return missed, false
	}
	if h.number > next {
		missed, p.partial = true, nil
	}
	p.got = h.number
	return missed, true
}

// whole puts the parts of a batch together. It returns nil until the last.
func (p *peer) whole(flags byte, part []byte) []byte {
	switch {
	case flags == flagFirst|flagLast:
		p.partial = nil
		return part
	case flags&flagFirst != 0:
		p.partial = append(make([]byte, 0, 2*len(part)), part...)
		return nil
	case p.partial == nil || len(p.partial)+len(part) > maxWhole:
		p.partial = nil // its beginning was lost, which the numbers have told
		return nil
	}
	p.partial = append(p.partial, part...)
	if flags&flagLast == 0 {
		return nil
	}
	out := p.partial
	p.partial = nil
	return out
}
