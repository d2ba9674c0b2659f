package notify

import (
	"context"
	"time"

	"gori/chat"
)

const (
	wakeBatch = 256
	// sureAfter is when it is certain that a device which is still connected
	// was so after the message came: one that has vanished without a word is
	// noticed after chat.SilenceSeconds.
	sureAfter = (chat.SilenceSeconds + 2) * time.Second
	// leastWait keeps a wake from being looked at again at once.
	leastWait = time.Second
)

// decideDue decides wakes of one shard that are due, and tells how many there
// were.
func (n *Notifier) decideDue(ctx context.Context, q Queue) (int, error) {
	wakes, err := q.DueWakes(ctx, wakeBatch)
	if err != nil || len(wakes) == 0 {
		return 0, err
	}
	ds := make([]Decision, 0, len(wakes))
	became := map[string]int{}
	for _, w := range wakes {
		d, why := n.decide(w)
		ds = append(ds, d)
		became[why]++
	}
	if err := q.Settle(ctx, ds); err != nil {
		return 0, err
	}
	for why, by := range became {
		n.counts.woke(why, by)
	}
	return len(wakes), nil
}

// decide says what becomes of a wake, and names it for the counters.
func (n *Notifier) decide(w Wake) (Decision, string) {
	d := Decision{Wake: w}
	if !w.Member || w.Disabled {
		return d, "gone"
	}
	if w.Bot {
		if d.Tell = w.MentionSeq; w.Direct {
			d.Tell = max(d.Tell, w.Seq, w.ThreadSeq)
		}
		return d, "told"
	}
	tell, why := w.tells()
	if tell == 0 {
		return d, why
	}
	if w.Settings.quiet(n.cfg.Now()) {
		return d, "quiet"
	}
	if n.cfg.Presence != nil {
		live, grace := n.cfg.Presence.Liveness(w.User)
		if live && w.Age >= sureAfter {
			return d, "live"
		}
		if live {
			d.Wait = max(sureAfter-w.Age, leastWait)
			return d, "waits"
		}
		if grace > 0 {
			d.Wait = max(grace, leastWait)
			return d, "waits"
		}
	}
	d.Tell = tell
	return d, "told"
}

// tells returns the newest message that the user wants to be told of and has
// not read, or 0 and why there is none.
func (w Wake) tells() (chat.Seq, string) {
	var tell chat.Seq
	if w.MentionUnread {
		tell = w.MentionSeq
	}
	switch w.Level {
	case chat.LevelAll:
		if w.Seq > w.ReadSeq {
			tell = max(tell, w.Seq)
		}
		if w.ThreadUnread {
			tell = max(tell, w.ThreadSeq)
		}
	case chat.LevelMentions:
		if tell == 0 && w.MentionSeq == 0 {
			return 0, "level"
		}
	default:
		return 0, "level"
	}
	if tell == 0 {
		return 0, "read"
	}
	return tell, ""
}
