package chat

import (
	"context"
	"slices"
	"sync"
	"time"
)

// What nodes tell each other may be lost: the mesh is a doorbell. So each node
// compares what its sessions were told with what their inboxes hold, and reads
// what is missing:
//
//   - when a notice comes after one that has not come (see told);
//   - soon after a user's first session has resumed, since the other nodes may
//     not have known that the user is here;
//   - for everybody when the mesh has lost something (Missed);
//   - for everybody, slowly: about once a minute each.
//
// The inbox tells of messages and changes, which clients then fetch by their
// cursors; of membership, of one's own read marks and preferences, and of
// friends. What it does not tell of is found when it is next looked at: others'
// read marks and presence when a channel is opened, profiles at the next resume.

// Bounds of repair.
const (
	positionsAtOnce = 1000            // users of one look at positions
	repairsAtOnce   = 4               // inboxes read at a time
	missedEvery     = time.Second     // at most, for everybody
	slowStep        = time.Second     // one of the hub's shards of users each
	firstLook       = lateFor         // after the first resume
	secondLook      = 8 * time.Second // when the mesh has surely said who is where
	repairWithin    = 3 * time.Second // one look, one read
	maxArrivals     = 100_000         // users who wait for a look; others are found slowly
)

// repairer is what is to be looked at. The zero value is ready but for wake.
type repairer struct {
	wake chan struct{} // capacity 1

	mu       sync.Mutex
	missed   bool
	arrivals [2][]arrival // for the first and the second look; ascending by time

	// owned by runRepair
	missedAt time.Time
	slowAt   time.Time
	slowNext int
}

type arrival struct {
	user UserID
	at   time.Time
}

func (r *repairer) init() { r.wake = make(chan struct{}, 1) }

func (r *repairer) kick() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Repaired is how many inboxes were read since the start because something in
// them had not been told.
func (svc *Service) Repaired() int64 { return svc.repaired.Load() }

// Missed tells that tidings of another node may have been lost.
func (svc *Service) Missed() {
	svc.profiles.forgetAll()
	r := &svc.repair
	r.mu.Lock()
	r.missed = true
	r.mu.Unlock()
	r.kick()
}

// arrived notes that a session has resumed and holds the inbox up to pos.
func (svc *Service) arrived(user UserID, pos Pos) {
	first := false
	var now told
	svc.hub.updateTold(user, func(t *told) {
		if first = !t.known; first {
			t.settle(pos)
		}
		t.high = max(t.high, pos)
		now = *t
	})
	if now.lacks() {
		svc.hub.behind.suspect(user, now.high, svc.now())
	}
	if !first || svc.alone() {
		return
	}
	r := &svc.repair
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.arrivals[0]) < maxArrivals {
		r.arrivals[0] = append(r.arrivals[0], arrival{user, svc.now()})
	}
}

// runRepair repairs until ctx ends. A node that is alone sleeps unless a notice
// is missing.
func (svc *Service) runRepair(ctx context.Context) {
	pause := time.NewTimer(repairEvery)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-svc.repair.wake:
		case <-svc.hub.behind.wake:
		case <-pause.C:
		}
		svc.repairRound(ctx)
		switch {
		case !svc.hub.behind.empty():
			pause.Reset(repairEvery)
		case !svc.alone():
			pause.Reset(slowStep)
		}
	}
}

func (svc *Service) repairRound(ctx context.Context) {
	now := svc.now()
	if !svc.alone() && svc.positions != nil {
		svc.lookAt(ctx, svc.repair.due(svc.hub, now))
	}
	svc.readBehind(ctx, svc.hub.behind.overdue(now))
}

// due lists whose positions are to be looked at now.
func (r *repairer) due(h *Hub, now time.Time) (users []UserID) {
	r.mu.Lock()
	all := r.missed && now.Sub(r.missedAt) >= missedEvery
	if all {
		r.missed, r.missedAt = false, now
	}
	for look, after := range [...]time.Duration{firstLook, secondLook} {
		list := &r.arrivals[look]
		n := 0
		for n < len(*list) && now.Sub((*list)[n].at) >= after {
			users = append(users, (*list)[n].user)
			n++
		}
		if look == 0 && len(r.arrivals[1]) < maxArrivals {
			r.arrivals[1] = append(r.arrivals[1], (*list)[:n]...)
		}
		*list = slices.Delete(*list, 0, n)
	}
	r.mu.Unlock()
	switch {
	case all:
		users = nil
		for i := range hubShards {
			users = append(users, h.usersIn(i)...)
		}
	case now.Sub(r.slowAt) >= slowStep:
		r.slowAt = now
		users = append(users, h.usersIn(r.slowNext%hubShards)...)
		r.slowNext++
	}
	return users
}

// lookAt compares what users were told with what their inboxes hold.
func (svc *Service) lookAt(ctx context.Context, users []UserID) {
	for some := range slices.Chunk(users, positionsAtOnce) {
		within, cancel := context.WithTimeout(ctx, repairWithin)
		kept, err := svc.positions.InboxPositions(within, some)
		cancel()
		if err != nil { // a shard is down: others say so, and its people are looked at again
			svc.logger.Debug("inbox positions", "err", err)
		}
		now := svc.now()
		for user, pos := range kept {
			if t, here := svc.hub.toldOf(user); here && t.low < pos {
				svc.hub.behind.suspect(user, pos, now)
			}
		}
	}
}

// readBehind reads what users have not been told, a few users at a time.
func (svc *Service) readBehind(ctx context.Context, due map[UserID]Pos) {
	if len(due) == 0 {
		return
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	slots := make(chan struct{}, repairsAtOnce)
	for user, to := range due {
		t, here := svc.hub.toldOf(user)
		if !here || t.low >= to && !t.lacks() {
			continue // it came meanwhile, or they went
		}
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		wg.Go(func() {
			defer func() { <-slots }()
			svc.readMissing(ctx, user, t.low)
		})
	}
}

// readMissing reads what was not told to one user and has it told. A failure
// leaves them behind.
func (svc *Service) readMissing(ctx context.Context, user UserID, low Pos) {
	ctx, cancel := context.WithTimeout(ctx, repairWithin)
	defer cancel()
	page, err := svc.inboxes.Inbox(ctx, user, low, maxNoticesPerUser)
	if err != nil {
		svc.logger.Debug("an inbox to repair waits", "err", err)
		svc.hub.behind.suspect(user, low+1, svc.now())
		return
	}
	svc.repaired.Add(1)
	if page.More {
		svc.hub.resync(user)
		return
	}
	if n := len(page.Entries); !svc.alone() && (n == 0 || page.Entries[n-1].Pos < page.Pos) {
		svc.tellFriendsAgain(ctx, user)
	}
	svc.hub.inboxRepaired(user, page)
}

// tellFriendsAgain tells presence and the user's sessions here of the list of
// people: its changes advance the inbox, but no entry tells of them. Lines that
// are gone stay on the screen until the next resume; presence is right at once.
func (svc *Service) tellFriendsAgain(ctx context.Context, user UserID) {
	svc.befriended(ctx, user)
	friends, people, err := svc.Friends(ctx, Identity{User: user})
	if err != nil {
		svc.logFault(ctx, "friends to repair", err)
		return
	}
	if len(friends) > maxNoticesPerUser {
		svc.hub.resync(user)
		return
	}
	faces := make(map[UserID]User, len(people))
	for _, p := range people {
		faces[p.ID] = p
	}
	var frames []Frame
	for _, f := range friends {
		if face, ok := faces[f.User]; ok {
			frames = append(frames, Frame{Bytes: encode(friendFrame{Op: OpFriend, Friend: f, User: face})})
		}
	}
	svc.hub.Deliver([]UserID{user}, frames...)
}
