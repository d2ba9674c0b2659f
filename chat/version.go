package chat

import (
	"context"
	"slices"
	"sync"
)

// maxVersions bounds the table of member versions.
const maxVersions = 100_000

// versionTable remembers the newest member version this node has seen of a
// channel, so that a member list asked for without a receipt at hand is never
// older than a removal this node knows of, and nothing is handed to sessions by
// an older list.
type versionTable struct {
	shards [hubShards]versionShard
}

type versionShard struct {
	// Whoever hands frames to sessions holds mu for reading, so that a raise
	// returns only after what was handed out by an older list is on the queues,
	// from where an expulsion takes it back.
	mu  sync.RWMutex
	new map[ChannelID]int64 // two generations: when new is full it becomes old
	old map[ChannelID]int64
}

func (t *versionTable) init() {
	for i := range t.shards {
		t.shards[i].new = make(map[ChannelID]int64)
	}
}

func (sh *versionShard) knownLocked(id ChannelID) int64 { return max(sh.new[id], sh.old[id]) }

// raise notes a version and returns the newest known.
func (t *versionTable) raise(id ChannelID, version int64) int64 {
	sh := &t.shards[channelShard(id)]
	sh.mu.RLock()
	known, fresh := sh.knownLocked(id), sh.new[id]
	sh.mu.RUnlock()
	if version <= known && (known == 0 || fresh == known) {
		return known
	}
	sh.mu.Lock()
	defer sh.mu.Unlock()
	version = max(version, sh.knownLocked(id))
	if _, ok := sh.new[id]; !ok && len(sh.new) >= maxVersions/2/hubShards {
		sh.old, sh.new = sh.new, make(map[ChannelID]int64)
	}
	sh.new[id] = version
	return version
}

// members returns who is in the channel as of at least the given version and
// of every removal this node knows of.
func (svc *Service) members(ctx context.Context, id ChannelID, version int64) ([]UserID, error) {
	users, _, err := svc.membersAsOf(ctx, id, version)
	return users, err
}

// membersAsOf also tells the version that the list has at least.
func (svc *Service) membersAsOf(ctx context.Context, id ChannelID, version int64) ([]UserID, int64, error) {
	version = svc.versions.raise(id, version)
	users, err := svc.roster.MemberIDs(ctx, id, version)
	return users, version, err
}

// handOut puts frames of a channel on the queues of users' sessions, unless a
// newer member list than the one they were taken from is known by now. It never
// waits. Channel 0 has no members.
func (svc *Service) handOut(id ChannelID, version int64, users []UserID, frames ...Frame) bool {
	if id == 0 {
		svc.hub.Deliver(users, frames...)
		return true
	}
	sh := &svc.versions.shards[channelShard(id)]
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	if sh.knownLocked(id) > version {
		return false
	}
	svc.hub.Deliver(users, frames...)
	return true
}

// handOutNow does so to those of the users who are members by the newest list,
// or to all members if users is nil. It returns whom it took, and the version
// that list has at least.
func (svc *Service) handOutNow(ctx context.Context, id ChannelID, version int64, users []UserID, frames ...Frame) ([]UserID, int64, error) {
	for {
		members, asOf, err := svc.membersAsOf(ctx, id, version)
		if err != nil {
			return nil, 0, err
		}
		if users != nil {
			members = among(members, users)
		}
		if svc.handOut(id, asOf, members, frames...) {
			return members, asOf, nil
		}
	}
}

// among returns those of the users who are in members, which are ascending.
func among(members, users []UserID) []UserID {
	both := make([]UserID, 0, len(users))
	for _, u := range users {
		if _, ok := slices.BinarySearch(members, u); ok {
			both = append(both, u)
		}
	}
	return both
}
