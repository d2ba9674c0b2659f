package chat

import (
	"context"
	"slices"
	"time"
)

// deliverWithin bounds the look-up of a channel's members for one delivery.
const deliverWithin = 5 * time.Second

// Send stores a message and returns its receipt once it is durable; delivery to
// live sessions goes on after that. The same ClientMsgID gets the first result,
// and is delivered only once.
func (svc *Service) Send(ctx context.Context, who Identity, d Draft) (Receipt, error) {
	d.Sender = who.User
	receipts, err := svc.sendAll(ctx, []Draft{d})
	if err != nil {
		return Receipt{}, err
	}
	return receipts[0], nil
}

// sendAll stores drafts of one channel in order, all or none.
func (svc *Service) sendAll(ctx context.Context, drafts []Draft) ([]Receipt, error) {
	if err := svc.Takes(); err != nil {
		return nil, err
	}
	for i := range drafts {
		if err := CheckDraft(&drafts[i]); err != nil {
			return nil, err
		}
	}
	id := drafts[0].Channel
	ln := svc.enter(id)
	var out []outgoing
	defer func() { svc.leave(ln, out) }()
	receipts, err := svc.log.Append(ctx, drafts...)
	if err != nil {
		return nil, err
	}
	for i, r := range receipts {
		if !r.Duplicate { // only the caller that committed a message tells of it
			m := MessageOf(drafts[i], r)
			out = append(out, outgoing{seq: r.Seq, version: r.MemberVersion, frame: encodeMessage(OpMessage, &m)})
		}
	}
	return receipts, nil
}

// CheckDraft brings a draft into its normal form or tells what is wrong with
// it. Every draft passes it before Log.Append.
func CheckDraft(d *Draft) error {
	if d.Channel <= 0 {
		return Errorf(CodeBadID, "no channel is named")
	}
	if d.ClientMsgID == (ClientMsgID{}) {
		return Errorf(CodeBadID, "client_msg_id is missing")
	}
	body, err := NormalBody(d.Body)
	if err != nil {
		return err
	}
	d.Body = body
	if d.ReplyTo < 0 || d.Thread < 0 || d.ReplyToDraft < 0 {
		return Errorf(CodeBadRequest, "a seq cannot be negative")
	}
	d.Mentions, err = checkMentions(d.Mentions)
	return err
}

// checkMentions sorts mentions and removes repetitions.
func checkMentions(ids []UserID) ([]UserID, error) {
	if len(ids) > MaxMentions {
		return nil, Errorf(CodeTooLong, "a message may mention at most %d people", MaxMentions)
	}
	if len(ids) == 0 {
		return nil, nil
	}
	ids = slices.Clone(ids)
	slices.Sort(ids)
	if ids[0] <= 0 {
		return nil, Errorf(CodeBadID, "a mention names nobody")
	}
	return slices.Compact(ids), nil
}

// MessageOf is the message that a draft has become.
func MessageOf(d Draft, r Receipt) Message {
	return Message{Channel: d.Channel, Seq: r.Seq, Count: r.Count, ThreadCount: r.ThreadCount, Sender: d.Sender,
		ClientMsgID: d.ClientMsgID, Kind: KindText, Body: d.Body, At: r.At, OrigAt: d.OrigAt, ReplyTo: d.ReplyTo,
		Thread: d.Thread, Mentions: d.Mentions, MentionAll: d.MentionAll}
}

// fanOut finds who should hear frames of a channel, hands them to their
// sessions on this node and passes them on to the other nodes.
func (svc *Service) fanOut(ctx context.Context, id ChannelID, version int64, frames ...Frame) {
	users, asOf, err := svc.handOutNow(ctx, id, version, nil, frames...)
	if err != nil {
		// Nothing is lost: inboxes and gaps repair it. But it should be seen.
		svc.logFault(ctx, "members for delivery", err)
		return
	}
	svc.relayFrames(id, asOf, users, frames...)
}
