package chat

import (
	"context"
	"sync"
	"time"
)

// Bounds of the profile cache.
const (
	profileFor  = 30 * time.Second
	maxProfiles = 20_000
)

// profileCache spares a resume from asking every shard for the same faces.
type profileCache struct {
	mu   sync.Mutex
	gen  uint64 // grows with every forget, so that a read begun before is not kept
	byID map[UserID]cachedProfile
}

type cachedProfile struct {
	user  User
	until time.Time
}

func (c *profileCache) init() { c.byID = make(map[UserID]cachedProfile) }

func (c *profileCache) forget(ids ...UserID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gen++
	for _, id := range ids {
		delete(c.byID, id)
	}
}

// forgetAll forgets everyone, when some change may not have been heard of.
func (c *profileCache) forgetAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gen++
	c.byID = make(map[UserID]cachedProfile)
}

// facesOf is profilesOf for showing people beside something else: those whose
// home cannot be reached now are left out, as a shard that is down must not
// keep anyone from their own inbox.
func (svc *Service) facesOf(ctx context.Context, ids []UserID) ([]User, error) {
	users, err := svc.profilesOf(ctx, ids)
	if code := CodeOf(err); code == CodeShardDown || code == CodeMoving {
		return users, nil
	}
	return users, err
}

// profilesOf reads profiles, from the cache where it can, in the order asked;
// unknown users are left out. The result is never nil. With an error it holds
// those that could be read.
func (svc *Service) profilesOf(ctx context.Context, ids []UserID) ([]User, error) {
	c, now := &svc.profiles, svc.now()
	found := make(map[UserID]User, len(ids))
	var missing []UserID
	c.mu.Lock()
	gen := c.gen
	for _, id := range ids {
		if p, ok := c.byID[id]; ok && now.Before(p.until) {
			found[id] = p.user
		} else {
			missing = append(missing, id)
		}
	}
	c.mu.Unlock()
	var failed error
	for len(missing) > 0 {
		n := min(len(missing), MaxProfilesPerCall)
		users, err := svc.people.Profiles(ctx, missing[:n])
		if err != nil {
			failed = err
		}
		missing = missing[n:]
		c.mu.Lock()
		for _, u := range users {
			found[u.ID] = u
			if c.gen == gen {
				if len(c.byID) >= maxProfiles {
					c.byID = make(map[UserID]cachedProfile)
				}
				c.byID[u.ID] = cachedProfile{u, now.Add(profileFor)}
			}
		}
		c.mu.Unlock()
	}
	out := make([]User, 0, len(ids))
	for _, id := range ids {
		if u, ok := found[id]; ok {
			out = append(out, u)
		}
	}
	return out, failed
}

// Profiles reads up to MaxProfilesPerCall profiles; unknown ids are left out.
func (svc *Service) Profiles(ctx context.Context, ids []UserID) ([]User, error) {
	if len(ids) > MaxProfilesPerCall {
		return nil, Errorf(CodeTooLong, "at most %d people at once", MaxProfilesPerCall)
	}
	return svc.profilesOf(ctx, ids)
}

// ProfileChanged tells the user's friends and own devices of a new profile.
func (svc *Service) ProfileChanged(ctx context.Context, u User) {
	u.LastActiveAt = 0 // presence's to tell
	svc.profiles.forget(u.ID)
	svc.toAll(usersTiding(TidingProfile, u.ID))
	users := []UserID{u.ID}
	friends, err := svc.contacts.Friends(ctx, u.ID)
	svc.logFault(ctx, "friends of a changed profile", err)
	users = append(users, acceptedOf(friends)...)
	svc.deliver(users, Frame{Bytes: encode(userFrame{Op: OpUser, User: u})})
}

// FriendsOf lists the user's accepted friends. Package presence asks whom to
// tell.
func (svc *Service) FriendsOf(ctx context.Context, user UserID) ([]UserID, error) {
	friends, err := svc.contacts.Friends(ctx, user)
	if err != nil {
		return nil, err
	}
	return acceptedOf(friends), nil
}
