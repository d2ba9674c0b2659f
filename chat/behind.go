package chat

import (
	"sync"
	"time"
)

// Times of repair.
const (
	lateFor     = 1500 * time.Millisecond // how long a notice may be on its way before it is taken for lost
	repairEvery = 500 * time.Millisecond  // while somebody is behind
)

// maxBehind bounds the users noted as behind; others are found by the slow look
// at all.
const maxBehind = 50_000

// behindTable knows the users here whose inbox holds something that they have
// not been told.
type behindTable struct {
	wake chan struct{} // capacity 1: something is on an empty table

	mu    sync.Mutex
	users map[UserID]lag
}

// lag is how far a user's inbox is known to have come, and since when it is
// known that they have not been told all of it.
type lag struct {
	to    Pos
	since time.Time
}

func (b *behindTable) init() {
	b.wake = make(chan struct{}, 1)
	b.users = make(map[UserID]lag)
}

// suspect notes that a user may be behind. Most are not: what is missing is on
// its way, and they are looked at again before anything is read.
func (b *behindTable) suspect(user UserID, to Pos, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	old, known := b.users[user]
	if !known && len(b.users) >= maxBehind {
		return
	}
	first := len(b.users) == 0
	if !known {
		old.since = now
	}
	old.to = max(old.to, to)
	b.users[user] = old
	if first {
		select {
		case b.wake <- struct{}{}:
		default:
		}
	}
}

// overdue takes those who have been behind for so long that what is missing is
// lost.
func (b *behindTable) overdue(now time.Time) map[UserID]Pos {
	b.mu.Lock()
	defer b.mu.Unlock()
	due := map[UserID]Pos{}
	for id, l := range b.users {
		if now.Sub(l.since) >= lateFor {
			due[id] = l.to
			delete(b.users, id)
		}
	}
	return due
}

func (b *behindTable) empty() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.users) == 0
}
