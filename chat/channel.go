package chat

// Limits of channels.
const (
	MaxChannelNameChars = 80
	MaxMemberLimit      = 5_000
	MaxInvites          = 20 // live invite links of one channel
)

// ChannelKind tells a direct channel from a group.
type ChannelKind int16

// The kinds of channel.
const (
	KindDirect ChannelKind = 1 // two users; its id is a function of the pair
	KindGroup  ChannelKind = 2
)

// Role is a member's place in a group. In a direct channel both are members.
type Role int16

// The roles; a greater one may do all that a smaller one may.
const (
	RoleNone   Role = 0 // not a member
	RoleMember Role = 1
	RoleAdmin  Role = 2 // may add and remove members, rename, delete messages
	RoleOwner  Role = 3 // may also set roles and the member limit
)

// Channel is what its members may know of a channel.
type Channel struct {
	ID            ChannelID   `json:"id"`
	Kind          ChannelKind `json:"kind"`
	Name          string      `json:"name"` // empty for direct channels
	CreatedAt     Millis      `json:"created_at"`
	LastSeq       Seq         `json:"last_seq"`
	LastCount     Count       `json:"last_n"`
	LastChange    Change      `json:"last_change"`
	MemberCount   int         `json:"member_count"`
	MemberLimit   int         `json:"member_limit"`
	MemberVersion int64       `json:"member_version"`
	Role          Role        `json:"role,omitempty"` // of the one who asks; absent in frames to many
}

// Member is a user's place in one channel.
type Member struct {
	User     UserID `json:"user"`
	Role     Role   `json:"role"`
	JoinedAt Millis `json:"joined_at"`
	ReadSeq  Seq    `json:"read_seq"` // the read mark, as the channel knows it
}

// GroupDraft is a group not yet made. Key makes creation repeatable: the same
// owner and Key give the same channel.
type GroupDraft struct {
	Owner   UserID
	Key     ClientMsgID
	Name    string
	Members []UserID // without the owner; people who blocked the owner are refused with CodeBlocked
	Limit   int      // 0 means the service's, by default DefaultMemberLimit
}

// GovernKind says what a Governance does.
type GovernKind int16

// What can be done to a group.
const (
	GovernRename GovernKind = iota + 1
	GovernAdd
	GovernRemove
	GovernLeave
	GovernRole
	GovernLimit
	GovernJoin // by an invite link whose validity the caller has checked
)

// Governance changes a group: its name, members, roles or limit. Each takes
// effect in one transaction with the system message that tells of it.
// One that is already in force (adding a member, naming it as it is named)
// changes nothing and writes no message.
type Governance struct {
	Kind    GovernKind
	Channel ChannelID
	Actor   UserID
	Users   []UserID // Add, Remove, Role
	Name    string   // Rename
	Role    Role     // Role
	Limit   int      // Limit
	Invite  string   // Join: the invite's secret
}

// Governed is the result of a Governance.
type Governed struct {
	Channel Channel
	Message *Message // the system message; nil if nothing changed
	Added   []UserID
	Removed []UserID // the ones whom nothing may reach any more
}

// Invite is a link by which people may join a group.
type Invite struct {
	ID        int64     `json:"id,string"`
	Channel   ChannelID `json:"channel"`
	Code      string    `json:"code,omitempty"` // shown once, when made
	CreatedBy UserID    `json:"created_by"`
	CreatedAt Millis    `json:"created_at"`
	ExpiresAt Millis    `json:"expires_at,omitempty"`
	MaxUses   int       `json:"max_uses,omitempty"`
	Uses      int       `json:"uses"`
}

// InvitePreview is what someone holding an invite may know before joining.
type InvitePreview struct {
	Channel     ChannelID `json:"channel"`
	Name        string    `json:"name"`
	MemberCount int       `json:"member_count"`
}
