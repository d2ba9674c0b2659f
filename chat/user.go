package chat

// Limits of accounts.
const (
	MinLoginName       = 2
	MaxLoginName       = 32 // characters a-z 0-9 . _ - and Hangul syllables, compared in lower case NFC
	MaxDisplayName     = 40 // characters
	MaxStatusLine      = 120
	MinPasswordChars   = 8
	MaxPasswordBytes   = 256
	MaxAvatarUpload    = 4 << 20 // bytes of an uploaded picture
	MaxAvatarPixels    = 24_000_000
	AvatarSize         = 256 // pixels of the kept picture, square
	MaxLoginsPerUser   = 50
	MaxFriends         = 2_000
	MaxUserSearchPage  = 20
	MaxProfilesPerCall = 200
)

// User is an account as other people may see it.
type User struct {
	ID            UserID `json:"id"`
	LoginName     string `json:"login_name"`
	DisplayName   string `json:"display_name"`
	AvatarColor   int    `json:"avatar_color"`             // 0 to 11, an index into the palette of the client
	AvatarVersion int64  `json:"avatar_version,omitempty"` // 0: no picture
	StatusLine    string `json:"status_line,omitempty"`
	Disabled      bool   `json:"disabled,omitempty"`
	Bot           bool   `json:"bot,omitempty"`            // a program acts by it, not a person
	LastActiveAt  Millis `json:"last_active_at,omitempty"` // only of oneself; of others presence tells
}

// Self is an account as its owner sees it.
type Self struct {
	User
	Admin      bool       `json:"admin"`
	Lang       string     `json:"lang"` // "ko", "en" or "" for the browser's
	PresenceTo PresenceTo `json:"presence_to"`
}

// ProfileEdit changes a profile; nil leaves as it is.
type ProfileEdit struct {
	DisplayName *string
	StatusLine  *string
	AvatarColor *int
	Lang        *string
	PresenceTo  *PresenceTo
}

// Identity is who a request or session acts for.
type Identity struct {
	User  UserID
	Login LoginID
	Admin bool
}

// Login is one login of a user, as shown in the list of sessions.
type Login struct {
	ID         LoginID `json:"id"`
	DeviceName string  `json:"device_name"`
	CreatedAt  Millis  `json:"created_at"`
	LastUsedAt Millis  `json:"last_used_at"`
	Current    bool    `json:"current"`
}

// FriendState is where a friendship stands, seen from one side.
type FriendState string

// The states of a friendship.
const (
	FriendSent     FriendState = "sent"     // asked, not answered
	FriendReceived FriendState = "received" // was asked, has not answered
	FriendAccepted FriendState = "accepted"
	FriendBlocked  FriendState = "blocked" // the owner of the list has blocked them
	FriendNone     FriendState = "none"    // only in frames: the line is to be removed
)

// Friend is one line of a user's list of people.
type Friend struct {
	User  UserID      `json:"user"`
	State FriendState `json:"state"`
	Since Millis      `json:"since"`
}
