package chat

import (
	"context"
	"strconv"
	"time"
)

// resumeWithin bounds the reads of one resume; resumeEntries is how many inbox
// entries its answer holds. The client asks for the rest by HTTP.
const (
	resumeWithin  = 10 * time.Second
	resumeEntries = 200
)

// resume answers the first frame. First the session is subscribed, so that
// what happens from now on waits on its queue; then the inbox is read; then
// the queue is released behind the answer. So nothing falls between.
func (s *Session) resume(f *resumeOp) bool {
	if f.V != ProtocolVersion {
		s.end(CloseUnsupported, "this server speaks version 1")
		return false
	}
	s.mu.Lock()
	s.phase = phaseResuming
	s.mu.Unlock()
	if s.svc.attendance != nil {
		s.svc.attendance.Arrived(s.who.User, s.who.Login, s.id)
	}
	// Not under the session's own context: a child would leave 400 bytes in it
	// for as long as the session lives, and the time is short anyway.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), resumeWithin)
	defer cancel()
	still := s.svc.Steady(ctx)
	answer, err := s.svc.resumed(ctx, s.who, f.Pos)
	if !still() {
		s.end(CloseSlow, "this node stood still; resume")
		return false
	}
	if err != nil {
		e := ErrorOf(err)
		if e.Code == CodeUnauthenticated {
			s.end(CloseRevoked, "this login has ended")
			return false
		}
		s.svc.logFault(s.ctx, "resume", err)
		s.end(CloseOverload, "resume is not possible now")
		return false
	}
	s.svc.arrived(s.who.User, answer.head)
	answer.Session = strconv.FormatUint(uint64(s.id), 10)
	s.release(encode(answer))
	return true
}

// resumed reads what a device needs to go on. It touches the user's home shard
// and, for faces not in the cache, those of their people.
func (svc *Service) resumed(ctx context.Context, who Identity, pos Pos) (*Resumed, error) {
	r := &Resumed{Op: OpResumed, Login: who.Login, Node: svc.node, Limits: PublicLimits(), Now: MillisOf(svc.now()),
		Entries: []InboxEntry{}, Friends: []Friend{}, Presence: []PresenceState{}}
	home, err := svc.inboxes.Home(ctx, who.User, pos, resumeEntries)
	if err != nil {
		return nil, err
	}
	page, friends := home.Inbox, home.Friends
	r.Me, r.Pos, r.More, r.head = home.Self, page.Pos, page.More, max(page.Head, page.Pos)
	r.Generation = page.Generation
	r.Entries = append(r.Entries, page.Entries...)
	r.Friends = append(r.Friends, friends...)
	if r.People, err = svc.facesOf(ctx, peersOf(page.Entries, friends)); err != nil {
		return nil, err
	}
	if svc.attendance != nil {
		svc.seenBy(who.User, home.Self.PresenceTo)
		r.Presence = append(r.Presence, svc.attendance.Befriended(who.User, acceptedOf(friends), home.Hiding)...)
	}
	return r, nil
}

func acceptedOf(friends []Friend) []UserID {
	var ids []UserID
	for _, f := range friends {
		if f.State == FriendAccepted {
			ids = append(ids, f.User)
		}
	}
	return ids
}

// encodePresence writes the frame presence.
func encodePresence(states []PresenceState) []byte {
	if states == nil {
		states = []PresenceState{}
	}
	return encode(presenceFrame{Op: OpPresence, States: states})
}

// TellPresence queues one presence frame, encoded once, on all sessions of the
// users and on the sessions; package presence calls it.
func (h *Hub) TellPresence(users []UserID, sessions []SessionID, states []PresenceState) {
	frame := encodePresence(states)
	h.Send(users, frame)
	h.SendSessions(sessions, frame)
}
