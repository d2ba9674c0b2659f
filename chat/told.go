package chat

import "math/bits"

// told is what one user's sessions on this node have been told of the user's
// inbox. Positions are dense but for a few, so a missing one shows that a notice
// was lost or is late. Guarded by the hub shard's mu.
type told struct {
	low   Pos    // all up to here
	high  Pos    // the highest
	above uint64 // bit i: low+1+i
	known bool   // low is: a session has resumed
}

// note marks one position as told.
func (t *told) note(p Pos) {
	t.high = max(t.high, p)
	if !t.known || p <= t.low {
		return
	}
	if d := uint64(p - t.low - 1); d < 64 {
		t.above |= 1 << d
		t.close()
	}
}

// settle marks all up to p as told.
func (t *told) settle(p Pos) {
	t.high = max(t.high, p)
	if !t.known || p > t.low {
		t.above >>= uint64(p - t.low) // 64 and more leave nothing
		t.low, t.known = p, true
		t.close()
	}
}

// close moves low over what has become contiguous.
func (t *told) close() {
	n := bits.TrailingZeros64(^t.above)
	t.low += Pos(n)
	t.above >>= uint(n)
}

// lacks tells whether something before the highest has not been told.
func (t *told) lacks() bool { return t.known && t.low < t.high }

// updateTold changes what is told of a user who is here; false if nobody is.
func (h *Hub) updateTold(user UserID, change func(t *told)) bool {
	sh := &h.shards[userShard(user)]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	u := sh.users[user]
	if u == nil {
		return false
	}
	change(&u.told)
	return true
}

// toldOf returns what is told of a user; false if no session has resumed here.
func (h *Hub) toldOf(user UserID) (told, bool) {
	sh := &h.shards[userShard(user)]
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	u := sh.users[user]
	if u == nil || !u.told.known {
		return told{}, false
	}
	return u.told, true
}

// usersIn lists the users of one of the hub's shards.
func (h *Hub) usersIn(shard int) []UserID {
	sh := &h.shards[shard]
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	users := make([]UserID, 0, len(sh.users))
	for id := range sh.users {
		users = append(users, id)
	}
	return users
}
