package chat

import (
	"context"
	"sync"
)

// maxVersions bounds the table of member versions.
const maxVersions = 100_000

// versionTable remembers the newest member version this node has seen of a
// channel, so that a member list asked for without a receipt at hand is never
// older than a removal this node has acknowledged.
type versionTable struct {
	mu  sync.Mutex
	new map[ChannelID]int64 // two generations: when new is full it becomes old
	old map[ChannelID]int64
}

func (t *versionTable) init() { t.new = make(map[ChannelID]int64) }

// raise notes a version and returns the newest known.
func (t *versionTable) raise(id ChannelID, version int64) int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	version = max(version, t.new[id], t.old[id])
	if version == 0 {
		return 0
	}
	if _, ok := t.new[id]; !ok && len(t.new) >= maxVersions/2 {
		t.old, t.new = t.new, make(map[ChannelID]int64)
	}
	t.new[id] = version
	return version
}

// members returns who is in the channel as of at least the given version and
// of every removal acknowledged here.
func (svc *Service) members(ctx context.Context, id ChannelID, version int64) ([]UserID, error) {
	return svc.roster.MemberIDs(ctx, id, svc.versions.raise(id, version))
}
