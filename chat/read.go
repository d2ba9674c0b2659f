package chat

import (
	"context"
	"sync"
	"time"
)

// Bounds of read marks on their way to other people.
const (
	marksEvery   = 300 * time.Millisecond
	maxReadMarks = 20_000 // gathered in one round; more are seen when the channel is opened
	smallChannel = 8      // up to here everyone hears of read marks; above, those who look
)

// readMarks gathers the read marks that moved, so that quick scrolling costs
// other people one frame per round.
type readMarks struct {
	wake chan struct{}

	mu    sync.Mutex
	moved map[markKey]Seq
}

type markKey struct {
	channel ChannelID
	user    UserID
	thread  Seq
}

func (m *readMarks) init() {
	m.wake = make(chan struct{}, 1)
	m.moved = make(map[markKey]Seq)
}

// Inbox reads what changed in the user's inbox after pos, and the profiles of
// the peers in it.
func (svc *Service) Inbox(ctx context.Context, who Identity, after Pos, limit int) (InboxPage, []User, error) {
	if after < 0 {
		return InboxPage{}, nil, Errorf(CodeBadRequest, "a position cannot be negative")
	}
	if limit == 0 {
		limit = 500
	}
	if limit < 0 || limit > 500 {
		return InboxPage{}, nil, Errorf(CodeBadRequest, "limit is 1 to 500")
	}
	page, err := svc.inboxes.Inbox(ctx, who.User, after, limit)
	if err != nil {
		return InboxPage{}, nil, err
	}
	if page.Entries == nil {
		page.Entries = []InboxEntry{}
	}
	people, err := svc.facesOf(ctx, peersOf(page.Entries, nil))
	return page, people, err
}

// peersOf lists who should be known to show the entries and friends.
func peersOf(entries []InboxEntry, friends []Friend) []UserID {
	seen := make(map[UserID]bool)
	var ids []UserID
	add := func(id UserID) {
		if id != 0 && !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	for _, e := range entries {
		add(e.Peer)
		add(e.LastSender)
	}
	for _, f := range friends {
		add(f.User)
	}
	return ids
}

// Read moves the user's read mark and tells others in the channel.
func (svc *Service) Read(ctx context.Context, who Identity, id ChannelID, thread, seq Seq) (InboxEntry, error) {
	if id <= 0 {
		return InboxEntry{}, Errorf(CodeBadID, "no channel is named")
	}
	if seq < 0 || thread < 0 {
		return InboxEntry{}, Errorf(CodeBadRequest, "a seq cannot be negative")
	}
	entry, moved, err := svc.inboxes.MarkRead(ctx, ReadMark{User: who.User, Channel: id, Thread: thread, Seq: seq})
	if err != nil {
		return InboxEntry{}, err
	}
	if moved && thread == 0 {
		svc.noteMark(markKey{channel: id, user: who.User}, entry.ReadSeq)
	}
	return entry, nil
}

// Prefer sets how the user wants to hear of a channel.
func (svc *Service) Prefer(ctx context.Context, who Identity, id ChannelID, p Preference) (InboxEntry, error) {
	if p.Level != nil && (*p.Level < LevelAll || *p.Level > LevelNone) {
		return InboxEntry{}, Errorf(CodeBadRequest, "there is no such level")
	}
	return svc.inboxes.Prefer(ctx, who.User, id, p)
}

func (svc *Service) noteMark(k markKey, seq Seq) {
	m := &svc.marks
	m.mu.Lock()
	first := len(m.moved) == 0
	if _, known := m.moved[k]; known || len(m.moved) < maxReadMarks {
		m.moved[k] = max(m.moved[k], seq)
	}
	m.mu.Unlock()
	if first {
		select {
		case m.wake <- struct{}{}:
		default:
		}
	}
}

// runMarks tells of read marks, some times a second while any move, and passes
// light frames on to the other nodes.
func (svc *Service) runMarks(ctx context.Context) {
	gather, pack := time.NewTimer(time.Hour), time.NewTimer(time.Hour)
	defer gather.Stop()
	defer pack.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-svc.marks.wake:
			gather.Reset(marksEvery)
		case <-gather.C:
			svc.flushMarks(ctx)
		case <-svc.lights.wake:
			pack.Reset(lightsEvery)
		case <-pack.C:
			svc.flushLights()
		}
	}
}

func (svc *Service) flushMarks(ctx context.Context) {
	m := &svc.marks
	m.mu.Lock()
	moved := m.moved
	m.moved = make(map[markKey]Seq)
	m.mu.Unlock()
	for k, seq := range moved {
		frame := encode(readFrame{Op: OpReadMark, Channel: k.channel, User: k.user, Seq: seq, Thread: k.thread})
		svc.tellLightly(ctx, k.channel, k.user, frame)
	}
}

// tellLightly passes a light frame to everyone in a small channel, and to those
// who have it on the screen in a bigger one; not to the user it is about.
func (svc *Service) tellLightly(ctx context.Context, id ChannelID, about UserID, frame []byte) {
	within, cancel := context.WithTimeout(ctx, deliverWithin)
	defer cancel()
	users, asOf, err := svc.membersAsOf(within, id, 0)
	if err != nil {
		svc.logFault(ctx, "members for a light frame", err)
		return
	}
	f := Frame{Bytes: frame, Channel: id, Light: true}
	if len(users) > smallChannel {
		svc.hub.deliverViewers(id, about, f)
		svc.lights.put(lightFrame{id, about, frame}, svc)
		return
	}
	others := make([]UserID, 0, smallChannel)
	for _, u := range users {
		if u != about {
			others = append(others, u)
		}
	}
	if svc.handOut(id, asOf, others, f) {
		svc.relayFrames(id, asOf, others, f)
	}
}
