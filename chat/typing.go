package chat

import (
	"context"
	"slices"
	"time"
)

// typingEvery is how often one session may tell that its person types in one
// channel; typingGap, in any.
const (
	typingEvery = 3 * time.Second
	typingGap   = 500 * time.Millisecond
)

// typedAt remembers what a session last passed on. Owned by its read loop.
type typedAt struct {
	channel ChannelID
	thread  Seq
	millis  int64
}

// allow tells whether typing may be passed on now, and notes it.
func (t *typedAt) allow(id ChannelID, thread Seq, now time.Time) bool {
	ms := now.UnixMilli()
	gap := typingGap
	if id == t.channel && thread == t.thread {
		gap = typingEvery
	}
	if t.millis != 0 && ms-t.millis < gap.Milliseconds() {
		return false
	}
	*t = typedAt{id, thread, ms}
	return true
}

// Typing tells others in the channel that the user types. Only members may.
func (svc *Service) Typing(ctx context.Context, who Identity, id ChannelID, thread Seq) error {
	if id <= 0 || thread < 0 {
		return Errorf(CodeBadID, "no channel is named")
	}
	users, err := svc.members(ctx, id, 0)
	if err != nil {
		return err
	}
	if !slices.Contains(users, who.User) {
		return Errorf(CodeNotMember, "there is no such channel for you")
	}
	svc.tellLightly(ctx, id, who.User, encode(typingFrame{Op: OpTyping, Channel: id, User: who.User, Thread: thread}))
	return nil
}
