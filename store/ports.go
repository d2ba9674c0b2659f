package store

import "gori/chat"

// What package chat asks of a store, this is.
var (
	_ chat.Log       = (*Store)(nil)
	_ chat.Directory = (*Store)(nil)
	_ chat.Roster    = (*Store)(nil)
	_ chat.Inboxes   = (*Store)(nil)
	_ chat.Positions = (*Store)(nil)
	_ chat.Invites   = (*Store)(nil)
	_ chat.Accounts  = (*Store)(nil)
	_ chat.Founder   = (*Store)(nil)
	_ chat.Logins    = (*Store)(nil)

	_ chat.Revocations = (*Store)(nil)
	_ chat.People      = (*Store)(nil)
	_ chat.Avatars     = (*Store)(nil)
	_ chat.Contacts    = (*Store)(nil)
	_ chat.Auditor     = (*Store)(nil)
)
