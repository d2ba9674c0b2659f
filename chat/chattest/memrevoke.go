package chattest

import (
	"context"
	"slices"
	"time"

	"gori/chat"
)

// revokedFor is how long Memory tells of a revocation again.
const revokedFor = 10 * time.Second

// revocation is what was taken away, and when.
type revocation struct {
	chat.Revocation
	at time.Time
}

func (m *Memory) revoke(r chat.Revocation) {
	r.ID = m.newID()
	m.revoked = append(m.revoked, revocation{r, m.Now()})
}

func (m *Memory) revokeLogins(u *user, ended []chat.LoginID) {
	kind := chat.RevokedLogin
	if u.Disabled {
		kind = chat.RevokedAccount
	}
	for _, id := range ended {
		m.revoke(chat.Revocation{Kind: kind, User: u.ID, Login: id})
	}
}

// Revoked implements chat.Revocations; its only part is called "memory".
func (m *Memory) Revoked(_ context.Context, since chat.RevokedSince, _ time.Duration) (chat.RevokedPage, error) {
	defer m.lock()()
	now := m.Now()
	from, known := since["memory"]
	if !known {
		from = now
	}
	page := chat.RevokedPage{Since: chat.RevokedSince{"memory": now}}
	for _, r := range m.revoked {
		if r.at.After(from.Add(-revokedFor)) {
			page.List = append(page.List, r.Revocation)
		}
	}
	return page, nil
}

// InboxPositions implements chat.Positions.
func (m *Memory) InboxPositions(_ context.Context, users []chat.UserID) (map[chat.UserID]chat.Pos, error) {
	defer m.lock()()
	at := map[chat.UserID]chat.Pos{}
	for _, id := range users {
		if u := m.users[id]; u != nil {
			at[id] = u.pos
		}
	}
	return at, nil
}

// makeRoom ends the logins that were used longest ago, so that one more fits.
func (u *user) makeRoom() []chat.LoginID {
	var list []*login
	for _, l := range u.logins {
		list = append(list, l)
	}
	slices.SortFunc(list, func(a, b *login) int {
		if a.LastUsedAt != b.LastUsedAt {
			return int(b.LastUsedAt - a.LastUsedAt)
		}
		return int(b.ID - a.ID)
	})
	var ended []chat.LoginID
	for _, l := range list[min(len(list), chat.MaxLoginsPerUser-1):] {
		ended = append(ended, l.ID)
		delete(u.logins, l.ID)
	}
	return ended
}
