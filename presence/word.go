package presence

import "gori/chat"

// say is what the sessions of a user on one node say of them. Over the sessions
// of a node and over the nodes the greatest wins, so it does not matter in which
// order anything is heard. Its numbers travel between nodes: never reuse one.
type say uint8

// What can be said. The lingering ones are the grace after the last socket
// dropped: to others the user is still what they were. Back is a session of
// which it is not yet known whether its person is active.
const (
	sayNothing say = iota
	lingerAway
	backAway
	sayIdle
	lingerOnline
	backOnline
	sayActive
)

// level is what of a user is shown.
type level uint8

// The levels, in the order in which they win.
const (
	offline level = iota
	away
	online
)

// String is the word that people are told.
func (l level) String() string {
	switch l {
	case online:
		return "online"
	case away:
		return "away"
	}
	return "offline"
}

func (s say) level() level {
	switch {
	case s >= lingerOnline:
		return online
	case s >= lingerAway:
		return away
	}
	return offline
}

// lingering is what is said once the session has dropped.
func (s say) lingering() say {
	switch s.level() {
	case online:
		return lingerOnline
	case away:
		return lingerAway
	}
	return sayNothing
}

// lingers tells whether the end of a grace is awaited.
func (s say) lingers() bool { return s == lingerOnline || s == lingerAway }

// back is what a new session says of a user who was shown as l.
func back(l level) say {
	if l == away {
		return backAway
	}
	return backOnline
}

// seen is who may see a user: a chat.PresenceTo plus one. Zero: not yet known,
// and then nobody may.
type seen uint8

const seenByAll = seen(chat.PresenceToEveryone) + 1

// word is all that a node says of one of its users, but for the time.
//
//	bits 0–2 say, 3–4 seen, 5–8 live sessions (15: or more), 9 a listener,
//	15 used by table alone
type word uint16

const (
	maxLive             = 15
	wordListening  word = 1 << 9
	wordMore       word = 1 << 15
	wordMask       word = 1<<10 - 1
	wordSayMask    word = 7
	wordSeenShift       = 3
	wordLiveShift       = 5
	wordLiveMask   word = maxLive << wordLiveShift
	entryBytes          = 14
	bucketCount         = 256
	bucketHeadSize      = 3
)

func makeWord(s say, to seen, live int, listening bool) word {
	w := word(s) | word(to&3)<<wordSeenShift | word(min(live, maxLive))<<wordLiveShift
	if listening {
		w |= wordListening
	}
	return w
}

func (w word) say() say        { return min(say(w&wordSayMask), sayActive) }
func (w word) seen() seen      { return seen(w>>wordSeenShift) & 3 }
func (w word) live() int       { return int(w&wordLiveMask) >> wordLiveShift }
func (w word) listening() bool { return w&wordListening != 0 }

// known is live, but none before it is known who may see the user: until then
// the sessions take nothing over from those that dropped.
func (w word) known() int {
	if w.seen() == 0 {
		return 0
	}
	return w.live()
}

// here tells whether the node wants the user's tidings.
func (w word) here() bool { return w.live() > 0 || w.listening() }

// empty tells that the word says nothing, so that it need not be kept.
func (w word) empty() bool { return w.say() == sayNothing && !w.here() }

func (w word) withLive(n int) word {
	return w&^wordLiveMask | word(min(max(n, 0), maxLive))<<wordLiveShift
}

func (w word) withSay(s say) word { return w&^wordSayMask | word(s) }

// record is a word and when the user was last active, in seconds: eight bytes
// of a user on a node. The time is that of the last change of the word.
type record struct {
	last uint32
	word word
}

// secondsOf rounds down.
func secondsOf(at chat.Millis) uint32 {
	return uint32(min(max(int64(at)/1000, 0), 1<<32-1))
}

func millisOf(seconds uint32) chat.Millis { return chat.Millis(seconds) * 1000 }

// mix spreads a number over 64 bits: the finaliser of splitmix64 (Vigna, 2015).
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

// bucketOf is the user's bucket of a table.
func bucketOf(u chat.UserID) uint8 { return uint8(mix(uint64(u)) >> 56) }

// hashOf is an entry's part in the digest of its bucket, which is their sum.
func hashOf(u chat.UserID, r record) uint64 {
	return mix(mix(uint64(u)+0x9e3779b97f4a7c15) ^ (uint64(r.last)<<16 | uint64(r.word&wordMask)))
}
