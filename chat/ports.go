package chat

import (
	"context"
	"time"
)

// Log keeps the messages of channels. Package store implements it on
// PostgreSQL, package chattest in memory; both pass the same contract suite.
//
// Errors: CodeNotMember when the user is not a member, CodeShardDown and
// CodeMoving (both with Retry) when the channel cannot be reached now.
type Log interface {
	// Append stores drafts of one channel and one or several senders in the
	// order given, all or none, and returns after they are durable. A draft
	// whose (channel, sender, client_msg_id) is known gets the first result,
	// with Duplicate set, wherever it stands; with another body it fails with
	// CodeIDReused. An error without a code CodeShardDown may still have
	// stored the drafts: the same call again settles it.
	Append(ctx context.Context, drafts ...Draft) ([]Receipt, error)
	// Alter edits, deletes or reacts. Errors besides: CodeNotFound,
	// CodeForbidden, CodeDeleted, CodeTooLate, CodeTooLong.
	Alter(ctx context.Context, a Alteration) (Altered, error)
	// History reads one page.
	History(ctx context.Context, q HistoryQuery) (Page, error)
	// Changes reads altered messages; More is in Page.MoreAfter.
	Changes(ctx context.Context, q ChangesQuery) (Page, error)
}

// Directory keeps channels and their members.
type Directory interface {
	// OpenDirect finds or makes the direct channel of two users. Errors:
	// CodeNotFound (no such user), CodeBlocked.
	OpenDirect(ctx context.Context, viewer, peer UserID) (Channel, error)
	// CreateGroup makes a group and its EventCreated message.
	CreateGroup(ctx context.Context, d GroupDraft) (Channel, error)
	// Channel reads one, as seen by a member.
	Channel(ctx context.Context, viewer UserID, id ChannelID) (Channel, error)
	// Members lists the members, by user id, as seen by a member.
	Members(ctx context.Context, viewer UserID, id ChannelID) ([]Member, error)
	// Govern changes a group.
	Govern(ctx context.Context, g Governance) (Governed, error)
}

// Roster answers who is in a channel, for delivery. The list is cached by its
// version, so it costs a query only after a change.
type Roster interface {
	// MemberIDs returns the members as of at least the given version, by user
	// id; the result is shared and must not be changed.
	MemberIDs(ctx context.Context, id ChannelID, version int64) ([]UserID, error)
}

// Inboxes keeps the per-user index of channels, on the user's home shard.
type Inboxes interface {
	// Inbox reads what changed after pos; limit 1 to 500. It touches only the
	// user's home shard.
	Inbox(ctx context.Context, user UserID, after Pos, limit int) (InboxPage, error)
	// Home reads at once all that a device needs to go on. It touches only the
	// user's home shard, with as few round trips as can be, for everybody asks
	// for it at the same time when a node has died.
	Home(ctx context.Context, user UserID, after Pos, limit int) (Home, error)
	// MarkRead moves a read mark forward, never back, and returns the entry
	// and whether anything moved. The mark reaches the channel's Members a
	// moment later. Errors: CodeNotMember.
	MarkRead(ctx context.Context, m ReadMark) (InboxEntry, bool, error)
	// Prefer sets the level or pin.
	Prefer(ctx context.Context, user UserID, id ChannelID, p Preference) (InboxEntry, error)
}

// Positions tells how far inboxes have come, many at once: nodes compare it with
// what their sessions were told.
type Positions interface {
	// InboxPositions reads the last Pos of up to 1000 users, each home shard's
	// in one query. Unknown users are left out, and those whose shard does not
	// answer, with an error.
	InboxPositions(ctx context.Context, users []UserID) (map[UserID]Pos, error)
}

// Invites keeps invite links of groups, on the channel's shard. The code holds
// the channel id, so any node finds its shard.
type Invites interface {
	CreateInvite(ctx context.Context, actor UserID, id ChannelID, maxUses int, expires time.Time) (Invite, error)
	Invites(ctx context.Context, actor UserID, id ChannelID) ([]Invite, error)
	RevokeInvite(ctx context.Context, actor UserID, id ChannelID, invite int64) error
	PreviewInvite(ctx context.Context, code string) (InvitePreview, error)
}

// NewAccount is an account about to be made, with its first login.
type NewAccount struct {
	LoginName    string // canonical form
	DisplayName  string
	PasswordHash string // PHC string; empty: nobody can log in with a password (imported people)
	Lang         string
	Invite       string // sign-up invitation, when the service asks for one
	TokenHash    [32]byte
	DeviceName   string
	NoLogin      bool   // make no login
	BotOf        UserID // whose bot it is; 0: a person
}

// Credentials is what a password is checked against.
type Credentials struct {
	User         UserID
	PasswordHash string
	Disabled     bool
}

// Accounts keeps who may log in.
type Accounts interface {
	// SignUp makes the account, its name and its first login in one
	// transaction on one shard. The first account ever is the admin. Errors:
	// CodeNameTaken, CodeInviteInvalid.
	SignUp(ctx context.Context, a NewAccount) (Self, LoginID, error)
	// Credentials finds an account by its canonical login name. CodeNotFound.
	Credentials(ctx context.Context, loginName string) (Credentials, error)
	// CredentialsByID does so for a user.
	CredentialsByID(ctx context.Context, user UserID) (Credentials, error)
	// SetPassword replaces the hash and ends all logins but keep.
	SetPassword(ctx context.Context, user UserID, hash string, keep LoginID) ([]LoginID, error)
	// CreateSignUpInvite makes a single-use sign-up invitation.
	CreateSignUpInvite(ctx context.Context, actor UserID, code string, expires time.Time) error
}

// Founder is what an Accounts may also be: it tells whether the first account
// has been made. Without it an invite-only service asks an invitation of
// everyone.
type Founder interface {
	Founded(ctx context.Context) (bool, error)
}

// Logins keeps the tokens devices hold; only their SHA-256 is stored.
type Logins interface {
	// CreateLogin adds a login and returns those that ended to make room for it.
	CreateLogin(ctx context.Context, user UserID, tokenHash [32]byte, device string) (id LoginID, ended []LoginID, err error)
	// Authenticate finds the login by user and token hash. CodeUnauthenticated
	// if it is unknown, revoked, expired or the account disabled.
	Authenticate(ctx context.Context, user UserID, tokenHash [32]byte) (Identity, error)
	Logins(ctx context.Context, user UserID) ([]Login, error)
	RevokeLogins(ctx context.Context, user UserID, ids ...LoginID) error
	// TouchLogins writes when logins were last used, in bulk.
	TouchLogins(ctx context.Context, used map[Identity]time.Time) error
}

// Revocations remembers for some minutes what was taken away: logins, accounts,
// memberships. What takes one away writes it in the same transaction, so a node
// that reads it often enough needs to hear nothing.
type Revocations interface {
	// Revoked reads what was taken away after the point to which since says it
	// was read, and some of what was before. Parts of the store that do not
	// answer in time keep their point, and the page comes with an error. away is
	// how long the caller has not looked, if that is longer than it should be, or
	// 0: then there is also an error if there may be parts that were not asked.
	Revoked(ctx context.Context, since RevokedSince, away time.Duration) (RevokedPage, error)
}

// People keeps profiles.
type People interface {
	Self(ctx context.Context, user UserID) (Self, error)
	// Profiles reads up to MaxProfilesPerCall; unknown ids are left out. When
	// some homes cannot be reached it returns the others with CodeShardDown.
	Profiles(ctx context.Context, ids []UserID) ([]User, error)
	EditProfile(ctx context.Context, user UserID, e ProfileEdit) (Self, error)
	// Find searches login and display names by prefix over all shards; partial
	// is set when a shard did not answer in time.
	Find(ctx context.Context, prefix string, limit int) (found []User, partial bool, err error)
	// SetDisabled shuts an account out, or lets it back in.
	SetDisabled(ctx context.Context, user UserID, disabled bool) ([]LoginID, error)
}

// Avatars keeps profile pictures, already decoded, checked and re-encoded.
type Avatars interface {
	SetAvatar(ctx context.Context, user UserID, png []byte) (version int64, err error) // nil removes it
	Avatar(ctx context.Context, user UserID) (png []byte, version int64, err error)
}

// Contacts keeps friendships and blocks, on both users' home shards.
type Contacts interface {
	Friends(ctx context.Context, user UserID) ([]Friend, error)
	// Befriend asks for a friendship, or accepts the one that was asked for.
	// It returns the resulting state. CodeBlocked, CodeNotFound.
	Befriend(ctx context.Context, user, other UserID) (FriendState, error)
	// Unfriend ends a friendship or refuses or withdraws a request.
	Unfriend(ctx context.Context, user, other UserID) error
	// Block shuts other out: no requests, no direct messages, not added to groups.
	Block(ctx context.Context, user, other UserID) error
	Unblock(ctx context.Context, user, other UserID) error
}

// Auditor appends to the audit log; what it is given holds no bodies and no
// tokens.
type Auditor interface {
	Audit(ctx context.Context, e AuditEvent) error
}

// AuditEvent is one line of the audit log.
type AuditEvent struct {
	At      time.Time
	Actor   UserID // 0: nobody logged in
	Action  string // such as login.ok, login.failed, login.revoked, member.removed
	Subject string // what it was done to
	Address string // the client's network address
}

// Conn is one connection, as package api gives it to a session. Methods may be
// called from several goroutines, but each only from one at a time.
type Conn interface {
	// ReadFrame returns the next frame. An error ends the session.
	ReadFrame(ctx context.Context) ([]byte, error)
	// WriteFrames writes frames in order, in one system call where it can, and
	// returns how many have gone out. Immediately before each it asks whether it
	// may; if not, it returns ErrMayNot, with the connection as good as before.
	// After any other error nothing more can be written.
	WriteFrames(ctx context.Context, frames [][]byte, may func() bool) (int, error)
	// Close ends the connection with a close code and does not wait for the
	// other side.
	Close(code CloseCode, reason string)
}

// Attendance hears of sessions coming, beating and going. Package presence
// implements it; calls never block.
type Attendance interface {
	// Arrived tells of a new session; by the login it is known whether one that
	// dropped has come back.
	Arrived(user UserID, login LoginID, session SessionID)
	// Beat tells that the session is alive, and whether its person is active.
	Beat(user UserID, session SessionID, active bool)
	// Left tells that a session has ended; explicit if its person said so
	// (closed the page, logged out) and no grace is due.
	Left(user UserID, session SessionID, explicit bool)
	// Watch replaces what this session wants to hear of besides friends: the
	// people of the channel it has open. It answers with their present state.
	Watch(session SessionID, users []UserID) []PresenceState
	// Befriended replaces the accepted friends of a user who is here, and
	// those who have blocked the user, after each resume and each change of
	// the list, and answers with the friends' present state. Friends are told
	// of each other without any session watching; those who have blocked the
	// user are never shown.
	Befriended(user UserID, friends, hiding []UserID) []PresenceState
}

// PresenceState is whether a user is there, as told to other people.
type PresenceState struct {
	User         UserID `json:"user"`
	State        string `json:"state"` // online, away, offline
	LastActiveAt Millis `json:"last_active_at,omitempty"`
}

// SessionID names a live session within its node.
type SessionID uint64

// Meter counts what sessions do, for whoever watches the node. Calls never
// block.
type Meter interface {
	// FrameIn counts a frame received; op is "" for one that is no frame.
	FrameIn(op string)
	// Sent counts a message and how it ended: stored when code is empty.
	Sent(code Code, took time.Duration)
	// Nacked counts a refused frame.
	Nacked(code Code)
}

// noMeter counts nothing.
type noMeter struct{}

func (noMeter) FrameIn(string)           {}
func (noMeter) Sent(Code, time.Duration) {}
func (noMeter) Nacked(Code)              {}
