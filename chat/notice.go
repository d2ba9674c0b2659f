package chat

import (
	"slices"
	"sync"
)

// maxNoticesPerUser bounds the entries of one user gathered for one frame.
const maxNoticesPerUser = 500

// noticeBoard gathers the inbox entries that changed, per user, so that a
// session gets one inbox frame per round however many messages came.
type noticeBoard struct {
	wake chan struct{} // capacity 1: something is on an empty board

	mu    sync.Mutex
	users map[UserID]*userNotices
}

// userNotices is what one user's sessions have not been told of yet.
type userNotices struct {
	entries  []InboxEntry
	passed   []Pos      // of older states of the entries
	repair   *InboxPage // what was read because notices were missing
	overflow bool       // more than fit: sessions must resume to be exact
}

func (b *noticeBoard) init() {
	b.wake = make(chan struct{}, 1)
	b.users = make(map[UserID]*userNotices)
}

// InboxChanged passes on that inbox entries have changed, to the sessions and
// long polls the users have, here and on other nodes. It never blocks. Package
// store calls it after the inbox rows are committed.
func (h *Hub) InboxChanged(notices []InboxNotice) {
	h.inboxChangedHere(notices)
	h.sendAbroad(notices)
}

func (h *Hub) inboxChangedHere(notices []InboxNotice) {
	for _, n := range notices {
		h.wakeWaits(n.User)
		if h.Online(n.User) {
			h.notices.post(n.User, func(u *userNotices) { u.put(n.Entry, n.Passed...) })
		}
	}
}

// inboxRepaired passes on what was read of a user's inbox after the last
// position that was told.
func (h *Hub) inboxRepaired(user UserID, page InboxPage) {
	h.notices.post(user, func(u *userNotices) { u.repair = &page })
}

// post changes what is on the board for a user.
func (b *noticeBoard) post(user UserID, change func(u *userNotices)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	first := len(b.users) == 0
	u := b.users[user]
	if u == nil {
		u = &userNotices{}
		b.users[user] = u
	}
	change(u)
	if first {
		select {
		case b.wake <- struct{}{}:
		default:
		}
	}
}

// forget takes off what is on the board for a user.
func (b *noticeBoard) forget(user UserID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.users, user)
}

// put adds an entry, which stands for older states too; of each channel the
// newest state stays.
func (u *userNotices) put(e InboxEntry, passed ...Pos) {
	for _, p := range passed {
		u.pass(p)
	}
	i := slices.IndexFunc(u.entries, func(old InboxEntry) bool { return old.Channel == e.Channel })
	switch {
	case i < 0 && len(u.entries) >= maxNoticesPerUser:
		u.overflow = true
		return
	case i < 0:
		u.entries = append(u.entries, e)
		return
	case e.Pos > u.entries[i].Pos:
		u.entries[i], e = e, u.entries[i]
	}
	u.pass(e.Pos)
}

func (u *userNotices) pass(p Pos) {
	if len(u.passed) < maxNoticesPerUser { // one not noted is found missing and read again
		u.passed = append(u.passed, p)
	}
}

// flushNotices sends one inbox frame to each user on the board.
func (h *Hub) flushNotices() {
	b := &h.notices
	b.mu.Lock()
	users := b.users
	b.users = make(map[UserID]*userNotices)
	b.mu.Unlock()
	for id, u := range users {
		h.flushUser(id, u)
	}
}

// flushUser tells one user. The Pos of the frame is the last one up to which
// nothing is missing, for a device that resumes from there must miss nothing.
func (h *Hub) flushUser(id UserID, u *userNotices) {
	var now told
	here := h.updateTold(id, func(t *told) {
		u.mend(t)
		for _, e := range u.entries {
			t.note(e.Pos)
		}
		for _, p := range u.passed {
			t.note(p)
		}
		now = *t
	})
	if !here {
		return
	}
	if len(u.entries) > 0 {
		slices.SortFunc(u.entries, func(x, y InboxEntry) int { return int(x.Pos - y.Pos) })
		h.Deliver([]UserID{id}, Frame{Bytes: encode(inboxFrame{Op: OpInbox, Pos: now.low, Entries: u.entries})})
	}
	if u.overflow {
		h.resync(id)
		return
	}
	if now.lacks() {
		h.behind.suspect(id, now.high, h.cfg.Now())
	}
}

// mend merges what a repair has read into the entries. One that was read before
// the last notices were told is left: it may hold what is no longer so, and will
// be read again.
func (u *userNotices) mend(t *told) {
	page := u.repair
	if page == nil || page.Pos < t.high {
		return
	}
	fresh := u.entries
	u.entries = slices.Clone(page.Entries)
	for _, e := range fresh {
		u.put(e)
	}
	t.settle(page.Pos)
}

// resync closes the user's sessions as slow, so that they resume: more has
// changed than a frame may hold.
func (h *Hub) resync(user UserID) {
	h.CloseUser(user, CloseSlow, "too much has changed; resume")
}
