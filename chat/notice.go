package chat

import (
	"slices"
	"sync"
	"time"
)

// Bounds of the notice board.
const (
	maxNoticesPerUser = 500             // entries of one user gathered for one frame
	settleAfter       = 1 * time.Second // notices come out of order by less than this
)

// noticeBoard gathers the inbox entries that changed, per user, so that a
// session gets one inbox frame per round however many messages came.
type noticeBoard struct {
	wake chan struct{} // capacity 1: something is on an empty board

	mu    sync.Mutex
	users map[UserID]*userNotices
	marks map[UserID]*settledPos
	swept time.Time // when marks of quiet users were last dropped
}

// userNotices is what one user's sessions have not been told of yet.
type userNotices struct {
	entries  []InboxEntry
	overflow bool // more than fit: sessions must resume to be exact
}

// settledPos finds the Pos that may be told as applied. Notices of one user may
// arrive a little out of order, since channels of different shards commit on
// their own; a Pos told too early would make a later resume miss the late one.
// So it trails: a Pos is told once it is older than settleAfter.
type settledPos struct {
	told        Pos       // may be told now
	next        Pos       // becomes told when due
	high        Pos       // highest noticed
	due         time.Time // of next
	lastTouched time.Time
}

func (b *noticeBoard) init() {
	b.wake = make(chan struct{}, 1)
	b.users = make(map[UserID]*userNotices)
	b.marks = make(map[UserID]*settledPos)
}

// InboxChanged passes on that inbox entries have changed, to the sessions and
// long polls the users have, here and on other nodes. It never blocks. Package
// store calls it after the inbox rows are committed.
func (h *Hub) InboxChanged(notices []InboxNotice) {
	h.inboxChangedHere(notices)
	h.sendAbroad(notices)
}

func (h *Hub) inboxChangedHere(notices []InboxNotice) {
	b := &h.notices
	first := false
	for _, n := range notices {
		h.wakeWaits(n.User)
		if !h.Online(n.User) {
			continue
		}
		b.mu.Lock()
		first = b.putLocked(n) || first
		b.mu.Unlock()
	}
	if first {
		select {
		case b.wake <- struct{}{}:
		default:
		}
	}
}

// putLocked adds one notice and tells whether the board was empty.
func (b *noticeBoard) putLocked(n InboxNotice) (first bool) {
	first = len(b.users) == 0
	u := b.users[n.User]
	if u == nil {
		u = &userNotices{}
		b.users[n.User] = u
	}
	i := slices.IndexFunc(u.entries, func(e InboxEntry) bool { return e.Channel == n.Entry.Channel })
	switch {
	case i >= 0 && n.Entry.Pos > u.entries[i].Pos:
		u.entries[i] = n.Entry
	case i >= 0:
	case len(u.entries) >= maxNoticesPerUser:
		u.overflow = true
	default:
		u.entries = append(u.entries, n.Entry)
	}
	return first
}

// flushNotices sends one inbox frame to each user on the board.
func (h *Hub) flushNotices() {
	b := &h.notices
	now := h.cfg.Now()
	b.mu.Lock()
	users := b.users
	b.users = make(map[UserID]*userNotices)
	b.mu.Unlock()
	for id, u := range users {
		slices.SortFunc(u.entries, func(x, y InboxEntry) int { return int(x.Pos - y.Pos) })
		pos := b.settle(id, u.entries[len(u.entries)-1].Pos, now)
		h.Deliver([]UserID{id}, Frame{Bytes: encode(inboxFrame{Op: OpInbox, Pos: pos, Entries: u.entries})})
		if u.overflow {
			h.resync(id)
		}
	}
	b.forgetMarks(now)
}

// settle notes the highest Pos noticed and returns the one that may be told.
func (b *noticeBoard) settle(user UserID, high Pos, now time.Time) Pos {
	b.mu.Lock()
	defer b.mu.Unlock()
	m := b.marks[user]
	if m == nil {
		m = &settledPos{}
		b.marks[user] = m
	}
	m.lastTouched = now
	if m.next != 0 && !now.Before(m.due) {
		m.told, m.next = max(m.told, m.next), 0
	}
	m.high = max(m.high, high)
	if m.next == 0 && m.high > m.told {
		m.next, m.due = m.high, now.Add(settleAfter)
	}
	return m.told
}

// forgetMarks drops the marks of users who have been quiet: they start anew
// from 0, which only makes a later resume read a little more.
func (b *noticeBoard) forgetMarks(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now.Sub(b.swept) < settleAfter {
		return
	}
	b.swept = now
	for id, m := range b.marks {
		if now.Sub(m.lastTouched) > 10*settleAfter {
			delete(b.marks, id)
		}
	}
}

// resync closes the user's sessions as slow, so that they resume: more has
// changed in one round than a frame may hold.
func (h *Hub) resync(user UserID) {
	h.CloseUser(user, CloseSlow, "too much has changed; resume")
}
