package chat

import (
	"errors"
	"os"
	"runtime"
	"slices"
	"time"
)

// outQueue is what waits to be written on one session. Guarded by the
// session's mu. It holds no memory while empty.
type outQueue struct {
	frames []Frame
	bytes  int
}

// enqueue puts a frame on the session's queue and sees to it that a flush runs.
// It never waits: a queue that is full ends the session as slow, since what it
// resumes to holds everything; light frames are dropped from half full on.
func (s *Session) enqueue(f Frame) bool { return s.enqueueAll([]Frame{f}) == 1 }

// enqueueAll does so with several, and returns how many are on the queue.
func (s *Session) enqueueAll(frames []Frame) (put int) {
	s.mu.Lock()
	for i, f := range frames {
		reason, ok := s.putLocked(f)
		if ok {
			put++
			continue
		}
		s.hub.drops[reason].Add(1)
		if reason == dropFullFrames || reason == dropFullBytes {
			s.hub.drops[dropEnded].Add(int64(len(frames) - i - 1))
			defer s.end(CloseSlow, "too much is waiting; resume")
			break
		}
	}
	s.mu.Unlock()
	return put
}

func (s *Session) putLocked(f Frame) (dropReason, bool) {
	frames, bytes := len(s.out.frames)+int(s.writing.frames), s.out.bytes+s.writing.bytes
	switch {
	case s.ended:
		return dropEnded, false
	case s.phase == phaseNew:
		return dropUnresumed, false
	case f.Light && (frames >= MaxQueuedFrames/2 || bytes >= MaxQueuedBytes/2 || s.phase == phaseResuming):
		return dropLight, false
	case frames >= MaxQueuedFrames:
		return dropFullFrames, false
	case bytes+len(f.Bytes) > MaxQueuedBytes:
		return dropFullBytes, false
	}
	s.out.frames = append(s.out.frames, f)
	s.out.bytes += len(f.Bytes)
	if s.phase == phaseLive {
		s.startFlushLocked()
	}
	return 0, true
}

// startFlushLocked starts a flush unless one runs.
func (s *Session) startFlushLocked() {
	if s.flushing || s.ended || len(s.out.frames) == 0 {
		return
	}
	s.flushing = true
	s.work.Add(1)
	go s.flush()
}

// flush writes what is queued, each time all of it at once, until nothing is.
// One runs at a time, and only while something is queued.
func (s *Session) flush() {
	defer s.work.Done()
	// Whoever queued this frame often has another one at hand (an ack and the
	// message itself): to let it go first makes one write of two.
	runtime.Gosched()
	may := s.mayWrite
	for {
		s.hub.lease.await(s.ctx, s.hub.cfg.Now)
		s.mu.Lock()
		batch := s.out
		s.out = outQueue{}
		if len(batch.frames) == 0 || s.ended {
			s.flushing = false
			s.writing = writing{}
			s.mu.Unlock()
			return
		}
		s.writing = writing{frames: int32(len(batch.frames)), bytes: batch.bytes}
		s.recalled.Store(false)
		s.mu.Unlock()

		s.writeSince.Store(s.hub.cfg.Now().UnixMilli())
		bufs := make([][]byte, len(batch.frames))
		for i, f := range batch.frames {
			bufs[i] = f.Bytes
		}
		out, err := s.conn.WriteFrames(s.ctx, bufs, may)
		s.writeSince.Store(0)
		switch {
		case errors.Is(err, ErrMayNot):
			s.putBack(batch.frames[out:])
		case err != nil:
			s.hub.drops[dropWrite].Add(int64(len(batch.frames) - out))
			code := CloseGoingAway
			if errors.Is(err, os.ErrDeadlineExceeded) {
				code = CloseSlow
			}
			s.end(code, "the connection failed")
		}
	}
}

// mayWrite tells whether what the running flush has taken may go out. It is asked
// immediately before the network is given anything: between the taking and the
// writing the node may have been frozen, and may have looked since.
func (s *Session) mayWrite() bool {
	return !s.recalled.Load() && s.hub.lease.holds(s.hub.cfg.Now())
}

// putBack puts what was not written before all that was queued meanwhile.
func (s *Session) putBack(frames []Frame) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		s.hub.drops[dropEnded].Add(int64(len(frames)))
		return
	}
	frames, bytes := s.without(frames, s.writing.gone...)
	s.out.frames = append(frames, s.out.frames...)
	s.out.bytes += bytes
	s.writing = writing{}
}

// without leaves out the frames of channels, and returns the bytes of the others.
func (s *Session) without(frames []Frame, gone ...ChannelID) (kept []Frame, bytes int) {
	kept = frames[:0:0]
	for _, f := range frames {
		if f.Channel != 0 && slices.Contains(gone, f.Channel) {
			s.hub.drops[dropExpelled].Add(1)
			continue
		}
		kept = append(kept, f)
		bytes += len(f.Bytes)
	}
	return kept, bytes
}

// release puts the answer to resume before all that was queued meanwhile and
// lets the queue flow.
func (s *Session) release(first []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	s.phase = phaseLive
	s.out.frames = append([]Frame{{Bytes: first}}, s.out.frames...)
	s.out.bytes += len(first)
	s.startFlushLocked()
}

// stuckFor is how long a write that may hold what was taken away may go on.
const stuckFor = 500 * time.Millisecond

// dropChannel takes back what is queued of a channel. What is being written it
// cannot take back: if that does not go out soon, the connection is cut.
func (s *Session) dropChannel(id ChannelID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writing.frames > 0 && !s.ended {
		s.writing.gone = append(s.writing.gone, id)
		s.recalled.Store(true)
		s.work.Add(1)
		go s.cutStuckWrite(s.hub.cfg.Now())
	}
	s.out.frames, s.out.bytes = s.without(s.out.frames, id)
}

func (s *Session) cutStuckWrite(began time.Time) {
	defer s.work.Done()
	t := time.NewTimer(stuckFor)
	defer t.Stop()
	select {
	case <-s.ctx.Done():
	case <-t.C:
		if w := s.writeSince.Load(); w != 0 && w <= began.UnixMilli() {
			s.end(CloseSlow, "a write does not end; resume")
		}
	}
}
