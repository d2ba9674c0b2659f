package chat

import "time"

// Rate of frames of one session. Who sends faster is read more slowly: to
// refuse single frames would put a device's messages out of order.
const (
	framesPerSecond = 200
	framesBurst     = 400
)

// pace waits until the session may send its next frame; false: it has ended.
func (s *Session) pace() bool {
	wait := s.bucket.take(s.svc.now(), framesPerSecond, framesBurst)
	if wait == 0 {
		return true
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-s.ctx.Done():
		return false
	}
}

// handle does what one frame asks for; false ends the session.
func (s *Session) handle(data []byte) bool {
	frame, refused := decodeFrame(data)
	s.svc.meter.FrameIn(nameOf(frame, refused))
	if s.phase == phaseNew { // only this goroutine changes it, but mu guards it for the others
		resume, ok := frame.(*resumeOp)
		if refused != nil || !ok {
			s.end(CloseGarbage, "the first frame must be resume")
			return false
		}
		return s.resume(resume)
	}
	if refused != nil {
		return s.refuse(frame, refused)
	}
	switch f := frame.(type) {
	case *sendOp:
		return s.send(f)
	case *readOp:
		s.later(sideJob{op: OpRead, channel: f.Channel, thread: f.Thread, seq: f.Seq})
	case *typingOp:
		if s.typed.allow(f.Channel, f.Thread, s.svc.now()) {
			s.later(sideJob{op: OpTyping, channel: f.Channel, thread: f.Thread})
		}
	case *openOp:
		id, _ := f.channel() // checked
		s.later(sideJob{op: OpOpen, channel: id})
	case *pingOp:
		s.reply(encode(pongFrame{Op: OpPong, Now: MillisOf(s.svc.now())}))
		if s.svc.attendance != nil {
			s.svc.attendance.Beat(s.who.User, s.id, f.Active)
		}
	case *byeOp:
		s.explicit = true
		s.end(CloseNormal, "bye")
		return false
	case *resumeOp:
		return s.refuse(f, &refusal{OpResume, Errorf(CodeBadRequest, "this session has resumed already")})
	}
	return true
}

// nameOf names a frame for the meter.
func nameOf(f clientFrame, r *refusal) string {
	if r != nil {
		return r.op
	}
	switch f.(type) {
	case *sendOp:
		return OpSend
	case *readOp:
		return OpRead
	case *typingOp:
		return OpTyping
	case *openOp:
		return OpOpen
	case *pingOp:
		return OpPing
	case *byeOp:
		return OpBye
	case *resumeOp:
		return OpResume
	}
	return ""
}

// reply puts a frame of the session's own on its queue.
func (s *Session) reply(frame []byte) { s.enqueue(Frame{Bytes: frame}) }

// refuse answers a frame that is no good; too many of them end the session.
func (s *Session) refuse(f clientFrame, r *refusal) bool {
	s.nack(r.op, idOf(f), r.err)
	if s.bad.add(s.svc.now()) {
		s.end(CloseGarbage, "too many refused frames")
		return false
	}
	return true
}

// idOf is the client_msg_id of a frame, if it has one.
func idOf(f clientFrame) string {
	if send, ok := f.(*sendOp); ok && send.ClientMsgID != (ClientMsgID{}) {
		return send.ClientMsgID.String()
	}
	return ""
}

// nack tells the client why something was refused. Faults of ours are logged.
func (s *Session) nack(op, clientMsgID string, err error) {
	e := ErrorOf(err)
	s.svc.meter.Nacked(e.Code)
	if e.Code == CodeInternal {
		s.svc.logger.ErrorContext(s.ctx, "frame failed", "op", op, "err", err)
	}
	s.reply(encode(Nack{Op: OpNack, ClientMsgID: clientMsgID, Ref: op, Code: e.Code, Message: e.Message,
		Retry: e.Retry, AfterMillis: e.After.Milliseconds()}))
}
