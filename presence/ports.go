package presence

import (
	"context"

	"gori/chat"
)

// Beats keeps when people were last active, on their home shards. Package
// store implements it.
type Beats interface {
	// LastActive reads up to MaxBatch users, as far as the viewer may see them:
	// those who hide from the viewer, or whose shard is down, are left out;
	// those never active have zero. An error may come with a result.
	LastActive(ctx context.Context, viewer chat.UserID, ids []chat.UserID) (map[chat.UserID]chat.Millis, error)
	// SaveActive writes up to MaxBatch users. A time never goes back: the
	// greater of the kept and the given one stays. An error may have saved some.
	SaveActive(ctx context.Context, at map[chat.UserID]chat.Millis) error
	// SeenBy reads who may see up to MaxBatch users; those whose shard is down
	// are left out.
	SeenBy(ctx context.Context, ids []chat.UserID) (map[chat.UserID]chat.PresenceTo, error)
}

// Teller passes states on to live sessions of this node. It never waits.
type Teller interface {
	// TellPresence gives one batch of states to all sessions of the users and
	// to the sessions.
	TellPresence(users []chat.UserID, sessions []chat.SessionID, states []chat.PresenceState)
}
