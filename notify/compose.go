package notify

import (
	"context"
	"slices"

	webpush "github.com/SherClockHolmes/webpush-go"

	"gori/chat"
)

// lookBack is how many messages are read for one push: the newest one to tell,
// and some before it should that be deleted.
const lookBack = 20

// draft is what a job has to say now.
type draft struct {
	payload payload
	urgency webpush.Urgency
	attempt Attempt
	prev    chat.Seq // what attempt replaces
}

// compose reads what a job has to say, as its user, so that nothing is told
// that the user may not read at this moment. ok is false when there is nothing
// to say.
func (n *Notifier) compose(ctx context.Context, j Job, st State) (d draft, ok bool, err error) {
	if st.Seq > st.SentSeq && n.wanted(j, st) {
		m, found, err := n.newest(ctx, j, st)
		if err != nil {
			return draft{}, false, err
		}
		if found {
			d, err := n.tell(ctx, j, st, m)
			return d, err == nil, err
		}
	}
	// What is not told now never will be; a told push may be to be taken back.
	if j.Device.Kind == WebPush && st.clears() {
		p := payload{V: 1, Kind: "clear", Channel: j.Channel, Seq: st.ReadSeq, Badge: &st.Badge}
		return draft{payload: p, urgency: webpush.UrgencyLow, attempt: Attempt{Seq: st.SentSeq, Clear: true}, prev: st.Cleared}, true, nil
	}
	return draft{}, false, nil
}

// wanted asks once more what was asked when the job was made: between two
// tries may lie hours.
func (n *Notifier) wanted(j Job, st State) bool {
	if st.Level == chat.LevelNone || st.Settings.quiet(n.cfg.Now()) {
		return false
	}
	if j.Attempts == 0 || n.cfg.Presence == nil {
		return true
	}
	live, _ := n.cfg.Presence.Liveness(j.Device.User)
	return !live
}

// newest finds the newest message that the device is to be told of.
func (n *Notifier) newest(ctx context.Context, j Job, st State) (chat.Message, bool, error) {
	user := j.Device.User
	page, err := n.cfg.Reader.History(ctx, chat.Identity{User: user}, chat.HistoryQuery{Channel: j.Channel, Before: st.Seq + 1, Limit: lookBack})
	if code := chat.CodeOf(err); code == chat.CodeNotMember || code == chat.CodeNotFound {
		return chat.Message{}, false, nil
	}
	if err != nil {
		return chat.Message{}, false, err
	}
	for _, m := range slices.Backward(page.Messages) {
		if m.Seq <= st.SentSeq {
			break
		}
		if m.Sender == user || m.Kind != chat.KindText || m.Deleted {
			continue
		}
		mentioned := m.MentionAll || slices.Contains(m.Mentions, user)
		if st.Level == chat.LevelMentions && !mentioned {
			continue
		}
		if m.Thread == 0 && m.Seq > st.ReadSeq || m.Thread != 0 && slices.Contains(st.Threads, m.Thread) {
			return m, true, nil
		}
	}
	return chat.Message{}, false, nil
}

// tell makes the push of a message.
func (n *Notifier) tell(ctx context.Context, j Job, st State, m chat.Message) (draft, error) {
	p, err := n.about(ctx, j, st, m)
	if err != nil {
		return draft{}, err
	}
	if !st.Settings.HideBody {
		p.Body = m.Body
	}
	urgency := webpush.UrgencyNormal
	if st.Direct || slices.Contains(m.Mentions, j.Device.User) {
		urgency = webpush.UrgencyHigh
	}
	return draft{payload: p, urgency: urgency, attempt: Attempt{Seq: st.Seq}, prev: st.SentSeq}, nil
}

// about says where a message is and who wrote it. Someone whose profile cannot
// be reached now has no name: a push is better than none.
func (n *Notifier) about(ctx context.Context, j Job, st State, m chat.Message) (payload, error) {
	p := payload{V: 1, Kind: "message", Channel: j.Channel, Seq: m.Seq, Thread: m.Thread, Title: st.Name, Count: &st.Unread, Badge: &st.Badge, At: m.At}
	people, err := n.cfg.Reader.Profiles(ctx, []chat.UserID{m.Sender})
	if err != nil && ctx.Err() != nil {
		return payload{}, err
	}
	if len(people) > 0 {
		p.Sender = people[0].DisplayName
	}
	if st.Direct || p.Title == "" {
		p.Title = p.Sender
	}
	if j.Device.Kind != WebPush {
		p.User = j.Device.User
	}
	return p, nil
}
