package store

import (
	"context"
	"encoding/binary"
	"sync/atomic"
	"time"

	"github.com/cespare/xxhash/v2"

	"gori/chat"
	"gori/shard"
)

// appendCall is one call of Append on its way through a writer.
type appendCall struct {
	// static
	channel chat.ChannelID
	p       shard.Partition
	drafts  []chat.Draft
	bytes   int
	asked   time.Time

	taken atomic.Bool   // by the writer into a batch, or by the caller who gave up
	since time.Time     // when its partition was first found in a hand-over; the writer's
	done  chan struct{} // closed when the result stands

	// the result
	receipts []chat.Receipt
	err      error
}

func (c *appendCall) finish(err error) {
	c.err = err
	close(c.done)
}

// tooLate is how long a call of Append may wait for its transaction to begin. Who
// has waited longer may have given up meanwhile and asked on another node, which has
// answered otherwise: it happens when this process stands still.
const tooLate = 2 * time.Second

var errTooLate = chat.Retryable(chat.CodeOverloaded, 100*time.Millisecond, nil, "it has waited too long to be stored; send it again")

// errElsewhere ends a call at a writer whose shard does not own the partition
// any more; the routes know better by then.
var errElsewhere = chat.Retryable(chat.CodeMoving, 0, nil, "this part of the data has moved")

// Append stores drafts; see chat.Log. It joins whatever the writer of the
// channel's shard takes into its next transaction and returns after the
// commit. The commit does not depend on ctx: a caller who leaves early does
// not know whether the drafts were stored, and settles it by the same call.
func (s *Store) Append(ctx context.Context, drafts ...chat.Draft) ([]chat.Receipt, error) {
	if err := checkDrafts(drafts); err != nil {
		return nil, err
	}
	unique, place, err := foldDrafts(drafts)
	if err != nil {
		return nil, err
	}
	receipts, err := s.appendUnique(ctx, unique)
	if err != nil || len(unique) == len(drafts) {
		return receipts, err
	}
	all := make([]chat.Receipt, len(drafts))
	for i, at := range place {
		all[i] = receipts[at]
		all[i].Duplicate = all[i].Duplicate || i > 0 && at != i && !firstAt(place, i)
	}
	return all, nil
}

// firstAt says whether place[i] occurs at i for the first time.
func firstAt(place []int, i int) bool {
	for _, at := range place[:i] {
		if at == place[i] {
			return false
		}
	}
	return true
}

func checkDrafts(drafts []chat.Draft) error {
	if len(drafts) == 0 || len(drafts) > chat.MaxAppendDrafts {
		return chat.Errorf(chat.CodeBadRequest, "an append has 1 to %d drafts, not %d", chat.MaxAppendDrafts, len(drafts))
	}
	for i, d := range drafts {
		if d.Channel != drafts[0].Channel {
			return chat.Errorf(chat.CodeBadRequest, "the drafts of an append are of one channel")
		}
		if d.ReplyToDraft < 0 || d.ReplyToDraft > i || d.ReplyToDraft > 0 && d.ReplyTo != 0 {
			return chat.Errorf(chat.CodeBadRequest, "draft %d cannot answer draft %d", i+1, d.ReplyToDraft)
		}
		if d.ReplyTo < 0 || d.Thread < 0 {
			return chat.Errorf(chat.CodeBadRequest, "seqs are positive")
		}
	}
	return nil
}

type draftKey struct {
	channel chat.ChannelID
	sender  chat.UserID
	id      chat.ClientMsgID
}

func keyOf(d *chat.Draft) draftKey { return draftKey{d.Channel, d.Sender, d.ClientMsgID} }

// foldDrafts leaves out drafts that repeat an earlier one of the same call, and
// tells for each draft the place of the one that stands for it.
func foldDrafts(drafts []chat.Draft) (unique []chat.Draft, place []int, err error) {
	if len(drafts) == 1 {
		return drafts, nil, nil
	}
	seen := make(map[draftKey]int, len(drafts))
	place = make([]int, len(drafts))
	for i := range drafts {
		d := drafts[i]
		if d.ReplyToDraft > 0 {
			d.ReplyToDraft = place[d.ReplyToDraft-1] + 1
		}
		at, ok := seen[keyOf(&d)]
		if !ok {
			at = len(unique)
			seen[keyOf(&d)] = at
			unique = append(unique, d)
		} else if digestOf(&unique[at]) != digestOf(&d) {
			return nil, nil, reusedError()
		}
		place[i] = at
	}
	return unique, place, nil
}

func reusedError() error {
	return chat.Errorf(chat.CodeIDReused, "this client_msg_id was used for another message")
}

// digestOf is what must be equal for two drafts with one ClientMsgID to be the
// same message. What an imported message answers is left out: told by place in
// one run, it may be told by seq in the next.
func digestOf(d *chat.Draft) int64 {
	h := xxhash.New()
	var b [8]byte
	num := func(n int64) {
		binary.BigEndian.PutUint64(b[:], uint64(n))
		_, _ = h.Write(b[:])
	}
	num(int64(len(d.Body)))
	_, _ = h.WriteString(d.Body)
	num(int64(d.Thread))
	if d.OrigAt == 0 {
		num(int64(d.ReplyTo))
	}
	num(int64(len(d.Mentions)))
	for _, u := range d.Mentions {
		num(int64(u))
	}
	if d.MentionAll {
		num(1)
	}
	return int64(h.Sum64())
}

func (s *Store) appendUnique(ctx context.Context, drafts []chat.Draft) ([]chat.Receipt, error) {
	bytes := 0
	for i := range drafts {
		bytes += len(drafts[i].Body)
	}
	p := partitionOf(drafts[0].Channel)
	for try := 1; ; try++ {
		sh, err := s.locate(p)
		if err != nil {
			return nil, err
		}
		c := &appendCall{channel: drafts[0].Channel, p: p, drafts: drafts, bytes: bytes, asked: s.now(), done: make(chan struct{})}
		if err := sh.writerFor(c.channel).enqueue(c); err != nil {
			if err == errElsewhere && try < maxTries {
				continue
			}
			return nil, err
		}
		select {
		case <-c.done:
		case <-ctx.Done():
			c.taken.Store(true)
			return nil, chat.Retryable(chat.CodeShardDown, 0, context.Cause(ctx), "not known whether it is stored; send it again")
		}
		if c.err == errElsewhere && try < maxTries {
			continue
		}
		return c.receipts, c.err
	}
}
