package notify

import (
	"context"
	"time"

	"gori/chat"
)

const (
	botBatch = 20               // messages of one channel told in one go
	botTime  = 20 * time.Second // after which others have their turn; less than the lease
)

// serveBot tells a bot's webhook of the messages that concern the bot, in
// order, each at least once: the next one only when this one was taken.
func (n *Notifier) serveBot(ctx context.Context, j Job, a *lane) {
	st, ok, err := n.cfg.Desk.State(ctx, j)
	if err == nil && (!ok || !st.Member) {
		n.end(ctx, j, Result{Kind: ResultEnded})
		return
	}
	began := time.Now()
	at := st.SentSeq
	for err == nil && at < st.Seq {
		var seqs []chat.Seq
		var looked chat.Seq
		seqs, looked, err = n.cfg.Desk.Calls(ctx, j.Device.User, j.Channel, at, st.Seq, botBatch)
		if err != nil {
			break
		}
		for _, seq := range seqs {
			if time.Since(began) > botTime {
				n.later(ctx, j, leastWait)
				return
			}
			if !n.tellBot(ctx, j, a, st, seq) {
				return
			}
			j.Attempts = 0
		}
		at = looked
	}
	if err != nil {
		n.cfg.Log.Debug("a bot's webhook waits", "error", err)
		n.later(ctx, j, putOff)
		return
	}
	n.end(ctx, j, Result{Kind: ResultSkip, At: Attempt{Seq: st.Seq}})
}

// tellBot tells of one message, and returns whether to go on with the next.
func (n *Notifier) tellBot(ctx context.Context, j Job, a *lane, st State, seq chat.Seq) bool {
	page, err := n.cfg.Reader.History(ctx, chat.Identity{User: j.Device.User}, chat.HistoryQuery{Channel: j.Channel, Before: seq + 1, Limit: 1})
	if err == nil && (len(page.Messages) == 0 || page.Messages[0].Seq != seq || page.Messages[0].Deleted) ||
		chat.CodeOf(err) == chat.CodeNotMember {
		return true // nothing to tell any more
	}
	var p payload
	if err == nil {
		p, err = n.about(ctx, j, st, page.Messages[0])
	}
	if err != nil {
		n.later(ctx, j, putOff)
		return false
	}
	p.Message, p.Body = &page.Messages[0], page.Messages[0].Body
	out := n.call(ctx, j.Device, push{body: p.encode()})
	n.counts.called(out)
	switch {
	case out.verdict == gone:
		n.end(ctx, j, Result{Kind: ResultGone})
		return false
	case out.verdict == delivered:
		n.end(ctx, j, Result{Kind: ResultTold, At: Attempt{Seq: seq}})
		return true
	case j.Attempts+1 >= maxAttempts || j.Age >= maxAge || out.verdict == refused:
		// Given up; those after it have their chance.
		n.end(ctx, j, Result{Kind: ResultDrop, At: Attempt{Seq: seq}, Prev: st.Cleared})
		n.end(ctx, j, Result{Kind: ResultTold, At: Attempt{Seq: seq}})
		return true
	}
	if out.after > 0 {
		n.lanes.pause(a, time.Now(), out.after)
	}
	n.end(ctx, j, Result{Kind: ResultAgain, Wait: retryWait(j.Attempts, out.after)})
	return false
}
