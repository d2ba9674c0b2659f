package chat

import (
	"sync"
	"time"
)

// CloseLogins ends the live sessions of the logins at once, and refuses new
// ones of them that were authenticated a moment before.
func (h *Hub) CloseLogins(user UserID, code CloseCode, reason string, logins ...LoginID) {
	if len(logins) == 0 {
		return
	}
	h.markGone(user, logins)
	h.endWaits(user, logins...)
	for _, s := range h.sessionsOf(user) {
		for _, id := range logins {
			if s.who.Login == id {
				s.end(code, reason)
			}
		}
	}
}

// CloseUser ends all live sessions of a user at once.
func (h *Hub) CloseUser(user UserID, code CloseCode, reason string) {
	if code == CloseDisabled || code == CloseRevoked {
		h.endWaits(user)
	}
	for _, s := range h.sessionsOf(user) {
		s.end(code, reason)
	}
}

// markGone notes ended logins under the lock that add takes, so a session is
// either refused there or found by sessionsOf.
func (h *Hub) markGone(user UserID, logins []LoginID) {
	sh := &h.shards[userShard(user)]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	until := h.cfg.Now().Add(time.Minute)
	for _, id := range logins {
		h.gone.put(loginKey{user, id}, until)
	}
}

// takeBack drops what is queued of a channel on the users' sessions.
func (h *Hub) takeBack(channel ChannelID, users []UserID) {
	for _, id := range users {
		for _, s := range h.sessionsOf(id) {
			s.dropChannel(channel)
		}
	}
}

// Expel takes a channel away from users who may no longer read it: what is
// queued of it is dropped, and they no longer watch it.
func (h *Hub) Expel(channel ChannelID, users []UserID) {
	for _, id := range users {
		for _, s := range h.sessionsOf(id) {
			s.dropChannel(channel)
			if s.viewing() == channel {
				h.unview(s)
				if s.svc.attendance != nil {
					s.svc.attendance.Watch(s.id, nil)
				}
			}
		}
	}
}

type loginKey struct {
	user  UserID
	login LoginID
}

// goneLogins remembers for a minute which logins have ended: longer than a
// handshake may take, so it stays small.
type goneLogins struct {
	mu    sync.Mutex
	until map[loginKey]time.Time
}

func (g *goneLogins) init() { g.until = make(map[loginKey]time.Time) }

func (g *goneLogins) put(k loginKey, until time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.until[k] = until
}

func (g *goneLogins) has(who Identity, now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	until, ok := g.until[loginKey{who.User, who.Login}]
	return ok && now.Before(until)
}

func (g *goneLogins) forget(now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for k, until := range g.until {
		if !now.Before(until) {
			delete(g.until, k)
		}
	}
}

// closeCounts counts why sessions ended.
type closeCounts struct {
	mu sync.Mutex
	n  map[CloseCode]int64
}

func (c *closeCounts) init() { c.n = make(map[CloseCode]int64) }

func (c *closeCounts) add(code CloseCode) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n[code]++
}

func (c *closeCounts) snapshot() map[CloseCode]int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make(map[CloseCode]int64, len(c.n))
	for code, n := range c.n {
		out[code] = n
	}
	return out
}
