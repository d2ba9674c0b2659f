package presence

import (
	"slices"
	"sync"

	"gori/chat"
)

// spot is a record and the node it is of: a user's place in the table.
type spot struct {
	record
	node uint16
}

// table is who is where on the other nodes: one spot for each user and node.
// Nearly everyone is on one node, so the first spot is kept in place, eight
// bytes beside the id, and only the others take more. It is spread over buckets
// so that a bucket can be compared and replaced by itself.
//
// Writers hold the Tracker's mu and mu; readers hold either.
type table struct {
	mu    sync.RWMutex
	first [bucketCount]map[chat.UserID]spot
	more  map[chat.UserID][]spot // of users whose first spot has wordMore
}

func (t *table) init() {
	for i := range t.first {
		t.first[i] = map[chat.UserID]spot{}
	}
	t.more = map[chat.UserID][]spot{}
}

// each calls f for each spot of the user.
func (t *table) each(u chat.UserID, f func(s spot)) {
	s, ok := t.first[bucketOf(u)][u]
	if !ok {
		return
	}
	if s.word&wordMore == 0 {
		f(s)
		return
	}
	s.word &^= wordMore
	f(s)
	for _, s := range t.more[u] {
		f(s)
	}
}

// get reads the user's record on a node.
func (t *table) get(u chat.UserID, node uint16) record {
	var r record
	t.each(u, func(s spot) {
		if s.node == node {
			r = s.record
		}
	})
	return r
}

// put replaces the user's record on a node; an empty one removes it.
func (t *table) put(u chat.UserID, node uint16, r record) {
	t.mu.Lock()
	defer t.mu.Unlock()
	b := t.first[bucketOf(u)]
	s, ok := b[u]
	if !ok || s.node == node && s.word&wordMore == 0 {
		if r.word.empty() {
			delete(b, u)
		} else {
			b[u] = spot{r, node}
		}
		return
	}
	all := []spot{s}
	all[0].word &^= wordMore
	all = append(all, t.more[u]...)
	i := slices.IndexFunc(all, func(s spot) bool { return s.node == node })
	switch {
	case i < 0 && !r.word.empty():
		all = append(all, spot{r, node})
	case i >= 0 && r.word.empty():
		all = slices.Delete(all, i, i+1)
	case i >= 0:
		all[i].record = r
	}
	t.storeLocked(u, all)
}

func (t *table) storeLocked(u chat.UserID, all []spot) {
	b := t.first[bucketOf(u)]
	if len(all) == 0 {
		delete(b, u)
		delete(t.more, u)
		return
	}
	if len(all) == 1 {
		b[u] = all[0]
		delete(t.more, u)
		return
	}
	all[0].word |= wordMore
	b[u] = all[0]
	t.more[u] = slices.Clone(all[1:])
}

// inBucket lists the users of a node in a bucket.
func (t *table) inBucket(bucket uint8, node uint16) []chat.UserID {
	var users []chat.UserID
	for u, s := range t.first[bucket] {
		if s.node == node {
			users = append(users, u)
		} else if s.word&wordMore != 0 &&
			slices.ContainsFunc(t.more[u], func(s spot) bool { return s.node == node }) {
			users = append(users, u)
		}
	}
	return users
}

// users counts those in the table.
func (t *table) users() int {
	n := 0
	for i := range t.first {
		n += len(t.first[i])
	}
	return n
}
