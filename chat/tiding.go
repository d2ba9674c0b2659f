package chat

import (
	"encoding/binary"
	"errors"
)

// tidingFormat is the first byte of every tiding's body. While nodes are
// upgraded one by one they speak different formats: what a node cannot read it
// leaves, and finds by repair.
const tidingFormat = 1

// Bounds of tidings.
const (
	tidingBytes     = 256 << 10 // a body is ended here; one frame alone may be larger
	maxTidingFrames = 4096      // frames of one tiding
)

var errTiding = errors.New("chat: a tiding that cannot be read")

// parcel reads a tiding's body. What is cut off or too large makes it bad, and
// all that is read from then on is zero.
type parcel struct {
	b   []byte
	bad bool
}

func openParcel(body []byte) *parcel {
	if len(body) == 0 || body[0] != tidingFormat {
		return &parcel{bad: true}
	}
	return &parcel{b: body[1:]}
}

// more tells whether anything is left to read.
func (p *parcel) more() bool { return !p.bad && len(p.b) > 0 }

func (p *parcel) number() int64 {
	n, size := binary.Uvarint(p.b)
	if p.bad || size <= 0 || n > 1<<63-1 {
		p.bad = true
		return 0
	}
	p.b = p.b[size:]
	return int64(n)
}

// count reads how many things of at least one byte follow.
func (p *parcel) count() int {
	n := p.number()
	if n > int64(len(p.b)) {
		p.bad = true
		return 0
	}
	return int(n)
}

// bytes shares the memory of the body.
func (p *parcel) bytes() []byte {
	n := p.count()
	if p.bad {
		return nil
	}
	out := p.b[:n:n]
	p.b = p.b[n:]
	return out
}

func (p *parcel) text() string { return string(p.bytes()) }

func (p *parcel) flag() bool { return p.number() != 0 }

func (p *parcel) err() error {
	if p.bad {
		return errTiding
	}
	return nil
}

// appendNumber writes an id, seq or time: none of them is negative.
func appendNumber[T ~int | ~int16 | ~int64](b []byte, n T) []byte {
	return binary.AppendUvarint(b, uint64(max(n, 0)))
}

func appendBytes[T ~string | ~[]byte](b []byte, v T) []byte {
	return append(appendNumber(b, len(v)), v...)
}

func appendFlag(b []byte, is bool) []byte {
	if is {
		return append(b, 1)
	}
	return append(b, 0)
}

// frameTidings packs frames of a channel, in order, into as few tidings as
// their size allows. version is that of the member list whose users get them.
func frameTidings(id ChannelID, version int64, frames []Frame) []Tiding {
	var out []Tiding
	var body []byte
	n := 0
	for _, f := range frames {
		if body != nil && (len(body)+len(f.Bytes) > tidingBytes || n == maxTidingFrames) {
			out = append(out, Tiding{TidingFrames, body})
			body = nil
		}
		if body == nil {
			n = 0
			body = make([]byte, 0, 64+len(f.Bytes))
			body = appendNumber(append(body, tidingFormat), id)
			body = appendNumber(body, version)
		}
		body = appendBytes(appendFlag(body, f.Light), f.Bytes)
		n++
	}
	if body != nil {
		out = append(out, Tiding{TidingFrames, body})
	}
	return out
}

func readFrames(body []byte) (id ChannelID, version int64, frames []Frame, err error) {
	p := openParcel(body)
	id, version = ChannelID(p.number()), p.number()
	for p.more() && len(frames) < maxTidingFrames {
		f := Frame{Channel: id, Light: p.flag()}
		f.Bytes = p.bytes()
		frames = append(frames, f)
	}
	return id, version, frames, p.err()
}

// lightFrame is a frame for those who show a channel, all but one.
type lightFrame struct {
	channel ChannelID
	about   UserID // who is not told
	frame   []byte
}

func viewerTiding(lights []lightFrame) Tiding {
	body := []byte{tidingFormat}
	for _, l := range lights {
		body = appendNumber(appendNumber(body, l.channel), l.about)
		body = appendBytes(body, l.frame)
	}
	return Tiding{TidingViewers, body}
}

func readViewers(body []byte) (lights []lightFrame, err error) {
	p := openParcel(body)
	for p.more() && len(lights) < maxTidingFrames {
		l := lightFrame{channel: ChannelID(p.number()), about: UserID(p.number())}
		l.frame = p.bytes()
		lights = append(lights, l)
	}
	return lights, p.err()
}

// endedTiding tells of ended logins and disabled accounts.
func endedTiding(list []Revocation) Tiding {
	body := []byte{tidingFormat}
	for _, r := range list {
		body = appendNumber(appendNumber(appendNumber(body, r.Kind), r.User), r.Login)
	}
	return Tiding{TidingEnded, body}
}

func readEnded(body []byte) (list []Revocation, err error) {
	p := openParcel(body)
	for p.more() && len(list) < maxTidingFrames {
		list = append(list, Revocation{Kind: RevocationKind(p.number()), User: UserID(p.number()), Login: LoginID(p.number())})
	}
	return list, p.err()
}

// membersTiding tells of a channel's newest member version, and who left by it.
func membersTiding(id ChannelID, version int64, expelled []UserID) Tiding {
	body := appendNumber(appendNumber([]byte{tidingFormat}, id), version)
	kind := TidingMembers
	if len(expelled) > 0 {
		kind = TidingExpelled
	}
	for _, u := range expelled {
		body = appendNumber(body, u)
	}
	return Tiding{kind, body}
}

func readMembers(body []byte) (id ChannelID, version int64, expelled []UserID, err error) {
	p := openParcel(body)
	id, version = ChannelID(p.number()), p.number()
	for p.more() && len(expelled) < MaxMemberLimit {
		expelled = append(expelled, UserID(p.number()))
	}
	return id, version, expelled, p.err()
}

// usersTiding tells of users; each kind that is only a list of them uses it.
func usersTiding(kind TidingKind, users ...UserID) Tiding {
	body := []byte{tidingFormat}
	for _, u := range users {
		body = appendNumber(body, u)
	}
	return Tiding{kind, body}
}

func readUsers(body []byte) (users []UserID, err error) {
	p := openParcel(body)
	for p.more() && len(users) < MaxMemberLimit {
		users = append(users, UserID(p.number()))
	}
	return users, p.err()
}
