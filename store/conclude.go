package store

import (
	"gori/chat"
)

// conclude ends the calls of a committed batch and starts its fan-out. The
// fan-out comes first: it is only put in queues.
func (w *writer) conclude(calls []*appendCall, outcomes []outcome, res batchResult) {
	if res.pending != 0 {
		w.fanBatch(calls, outcomes, res)
	}
	at := 0
	for _, c := range calls {
		own := outcomes[at : at+len(c.drafts)]
		at += len(c.drafts)
		if err := callError(own); err != nil {
			c.finish(err)
			continue
		}
		c.receipts = make([]chat.Receipt, len(own))
		for i := range own {
			c.receipts[i] = own[i].receipt
			c.receipts[i].MemberVersion = res.channels[c.channel].memberVersion
		}
		c.finish(nil)
	}
}

// callError is the error of the first draft that cannot be stored.
func callError(own []outcome) error {
	for i := range own {
		switch own[i].verdict {
		case verdictNew, verdictKnown:
			continue
		case verdictReused:
			return reusedError()
		case verdictNotMember:
			return chat.Errorf(chat.CodeNotMember, "there is no such channel for you")
		case verdictMuzzled:
			return chat.Errorf(chat.CodeBlocked, "you cannot write to this person")
		case verdictNoReply:
			return chat.Errorf(chat.CodeNotFound, "the message it answers does not exist")
		case verdictNoThread:
			return chat.Errorf(chat.CodeNotFound, "there is no such message to make a thread under")
		}
	}
	return nil
}

// fanBatch tells the fan-out of a committed batch what it needs to know, so
// that nothing is read again: the last message of each channel, who wrote and
// who was mentioned. Channels with replies in threads are read instead.
func (w *writer) fanBatch(calls []*appendCall, outcomes []outcome, res batchResult) {
	ref := newFanRef(w.sh, res.pending)
	defer ref.done()
	states := map[chat.ChannelID]*channelNews{}
	threaded := map[chat.ChannelID]bool{}
	at := 0
	for _, c := range calls {
		own := outcomes[at : at+len(c.drafts)]
		at += len(c.drafts)
		if callError(own) != nil {
			continue
		}
		for i := range own {
			o := &own[i]
			if o.verdict != verdictNew {
				continue
			}
			n := states[c.channel]
			if n == nil {
				n = newsOf(c.channel, res.channels[c.channel])
				n.from = o.receipt.Seq
				states[c.channel] = n
			}
			n.note(o)
			threaded[c.channel] = threaded[c.channel] || o.draft.Thread != 0
		}
	}
	for id, n := range states {
		ref.add()
		if threaded[id] {
			w.s.fan.read(fanRequest{ref: ref, channel: id, from: n.from, to: n.lastSeq})
		} else {
			w.s.fan.spread(n, ref)
		}
	}
}

// newsOf begins the news of a channel that a batch has written to.
func newsOf(id chat.ChannelID, c channelState) *channelNews {
	return &channelNews{channel: id, kind: c.kind, name: c.name, pair: c.pair, memberVersion: c.memberVersion, lastChange: c.lastChange}
}

// note takes in the next message of the channel.
func (n *channelNews) note(o *outcome) {
	d, r := o.draft, &o.receipt
	n.lastSeq, n.lastCount = r.Seq, r.Count
	n.lastAt, n.lastSender = r.At, d.Sender
	n.previewSeq, n.preview, n.previewKind = r.Seq, chat.Preview(d.Body), chat.KindText
	n.own = append(n.own, ownMark{d.Sender, r.Seq, r.Count})
	for _, u := range d.Mentions {
		n.mentions = append(n.mentions, mentionMark{user: u, sender: d.Sender, seq: r.Seq})
	}
	if d.MentionAll {
		n.mentions = append(n.mentions, mentionMark{sender: d.Sender, seq: r.Seq})
	}
}
