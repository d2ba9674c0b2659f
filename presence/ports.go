package presence

import (
	"context"

	"gori/chat"
)

// Beats keeps when people were last active, on their home shards. Package
// store implements it.
type Beats interface {
	// LastActive reads up to MaxBatch users; those never active, or whose
	// shard is down, are left out.
	LastActive(ctx context.Context, ids []chat.UserID) (map[chat.UserID]chat.Millis, error)
	// SaveActive writes up to MaxBatch users. A time never goes back: the
	// greater of the kept and the given one stays. An error may have saved some.
	SaveActive(ctx context.Context, at map[chat.UserID]chat.Millis) error
}

// Teller passes states on to live sessions of this node. It never waits.
type Teller interface {
	// TellPresence gives one batch of states to all sessions of the users and
	// to the sessions.
	TellPresence(users []chat.UserID, sessions []chat.SessionID, states []chat.PresenceState)
}
