package chat

// TidingKind says what a tiding is about, and so what its body holds.
type TidingKind uint8

// The kinds of tidings. Their numbers travel between nodes: never reuse one.
const (
	TidingFrames   TidingKind = 1 // frames for the live sessions of the users
	TidingViewers  TidingKind = 2 // a light frame for the sessions that show a channel
	TidingInbox    TidingKind = 3 // inbox entries that changed, with their users
	TidingEnded    TidingKind = 4 // logins that ended, or an account that was disabled
	TidingExpelled TidingKind = 5 // users who are no longer members of a channel
	TidingFriends  TidingKind = 6 // users whose list of friends changed
	TidingProfile  TidingKind = 7 // a user whose profile changed
	TidingMembers  TidingKind = 8 // a channel's newest member version
)

// Tiding is one thing that other nodes should hear, encoded by this package.
type Tiding struct {
	Kind TidingKind
	Body []byte
}

// Relay passes tidings on to the other nodes. Package mesh implements it. Its
// methods never block and may lose what they are given: inbox positions, gaps
// and the table of revocations repair that.
type Relay interface {
	// ToUsers passes t on to each other node on which any of the users has a
	// live session or a waiting long poll, with those of the users who are
	// there. One call is one message a node at most.
	ToUsers(users []UserID, t Tiding)
	// ToAll passes t on to all other nodes.
	ToAll(t Tiding)
}

// Listener is told by a Relay of another node's tidings. Service implements it.
// Its methods do not block for long.
type Listener interface {
	// Heard takes a tiding; users is empty for one that was sent to all.
	Heard(users []UserID, t Tiding)
	// Missed tells that tidings of another node may have been lost.
	Missed()
}

// Interest tells the other nodes that a user's tidings are wanted on this one,
// though no session of theirs is here: a long poll waits. Package presence
// implements it; nobody is shown as online by it.
type Interest interface {
	// Listen begins; stop ends it and may be called once.
	Listen(user UserID) (stop func())
}
