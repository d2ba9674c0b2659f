package chat

import "context"

// maxLaneBatch is how many waiting sends of one channel become one append.
const maxLaneBatch = 64

// sendLane is one channel's sends of one session, in order of arrival. While
// one append is under way, the next ones wait here and become the next append:
// so a device that sends many at once stays in order and costs few commits.
type sendLane struct {
	waiting []Draft
}

// send takes a send frame. It waits only when MaxInFlightSends are unanswered:
// the client is then read more slowly.
func (s *Session) send(f *sendOp) bool {
	d := Draft{Channel: f.Channel, Sender: s.who.User, ClientMsgID: f.ClientMsgID, Body: f.Body, ReplyTo: f.ReplyTo,
		Thread: f.Thread, Mentions: f.Mentions, MentionAll: f.MentionAll}
	if err := CheckDraft(&d); err != nil {
		return s.refuse(f, &refusal{OpSend, err})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.sends >= MaxInFlightSends && !s.ended {
		s.slots.Wait()
	}
	if s.ended {
		return false
	}
	if s.leaving {
		return true // not a word: the device sends it again where it goes
	}
	s.sends++
	if s.lanes == nil {
		s.lanes = make(map[ChannelID]*sendLane)
	}
	ln := s.lanes[d.Channel]
	if ln != nil {
		ln.waiting = append(ln.waiting, d)
		return true
	}
	ln = &sendLane{waiting: []Draft{d}}
	s.lanes[d.Channel] = ln
	s.work.Add(1)
	go s.runLane(d.Channel, ln)
	return true
}

// runLane appends what waits in a lane until nothing does. It goes on when the
// connection ends: what was accepted is finished.
func (s *Session) runLane(id ChannelID, ln *sendLane) {
	defer s.work.Done()
	defer s.survive()
	ctx := context.WithoutCancel(s.ctx)
	for {
		s.mu.Lock()
		n := min(len(ln.waiting), maxLaneBatch)
		if n == 0 {
			delete(s.lanes, id)
			if len(s.lanes) == 0 {
				s.lanes = nil
			}
			s.mu.Unlock()
			return
		}
		batch := ln.waiting[:n:n]
		ln.waiting = ln.waiting[n:]
		s.mu.Unlock()

		s.appendBatch(ctx, batch)

		s.mu.Lock()
		s.sends -= n
		s.slots.Broadcast()
		s.mu.Unlock()
	}
}

// appendBatch stores drafts and answers each. When one of several is refused
// for good, all are tried one by one, in order, so that it hurts no other.
func (s *Session) appendBatch(ctx context.Context, batch []Draft) {
	begun := s.svc.now()
	receipts, err := s.svc.sendAll(ctx, batch)
	took := s.svc.now().Sub(begun)
	if err == nil {
		s.ack(batch, receipts)
		for range batch {
			s.svc.meter.Sent("", took)
		}
		return
	}
	if len(batch) == 1 || ErrorOf(err).Retry {
		for _, d := range batch {
			s.svc.meter.Sent(CodeOf(err), took)
			s.nack(OpSend, d.ClientMsgID.String(), err)
		}
		return
	}
	for i := range batch {
		s.appendBatch(ctx, batch[i:i+1])
	}
}

func (s *Session) ack(batch []Draft, receipts []Receipt) {
	for i := range batch {
		a := AckOf(batch[i], receipts[i])
		s.reply(encodeAck(&a))
	}
}
