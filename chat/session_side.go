package chat

import (
	"context"
	"slices"
)

// maxSideJobs bounds what one session may ask for at once besides sends.
const maxSideJobs = 32

// maxWatched is how many members of an open channel a session hears of.
const maxWatched = 500

// sideJob is a read, open or typing frame on its way. These need a shard, which
// may be down; they must not hold up the read loop.
type sideJob struct {
	op      string
	channel ChannelID
	thread  Seq
	seq     Seq
}

// sideQueue is what one session's side goroutine has to do; it exists only
// while there is something.
type sideQueue struct {
	jobs []sideJob
}

// later gives a job to the side goroutine. Read marks and opens replace an
// earlier one that has not begun; typing is dropped when there is much to do.
func (s *Session) later(j sideJob) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	if s.side == nil {
		s.side = &sideQueue{jobs: []sideJob{j}}
		s.work.Add(1)
		go s.runSide()
		return
	}
	q := s.side
	same := slices.IndexFunc(q.jobs, func(o sideJob) bool {
		return o.op == j.op && (j.op == OpOpen || o.channel == j.channel && o.thread == j.thread)
	})
	switch {
	case same >= 0 && j.op == OpRead:
		q.jobs[same].seq = max(q.jobs[same].seq, j.seq)
	case same >= 0:
		q.jobs[same] = j
	case len(q.jobs) < maxSideJobs:
		q.jobs = append(q.jobs, j)
	case j.op != OpTyping:
		s.work.Add(1)
		go func() {
			defer s.work.Done()
			s.nack(j.op, "", Retryable(CodeOverloaded, 0, nil, "too much at once"))
		}()
	}
}

// runSide does the jobs one after the other until there are none.
func (s *Session) runSide() {
	defer s.work.Done()
	defer s.survive()
	for {
		s.mu.Lock()
		if s.ended || len(s.side.jobs) == 0 {
			s.side = nil
			s.mu.Unlock()
			return
		}
		j := s.side.jobs[0]
		s.side.jobs = s.side.jobs[1:]
		s.mu.Unlock()
		if err := s.do(j); err != nil && s.ctx.Err() == nil {
			s.nack(j.op, "", err)
		}
	}
}

func (s *Session) do(j sideJob) error {
	switch j.op {
	case OpRead:
		_, err := s.svc.Read(s.ctx, s.who, j.channel, j.thread, j.seq)
		return err
	case OpTyping:
		return s.svc.Typing(s.ctx, s.who, j.channel, j.thread)
	default:
		return s.openChannel(s.ctx, j.channel)
	}
}

// openChannel notes which channel the session shows, and tells how its people
// are. Only members may.
func (s *Session) openChannel(ctx context.Context, id ChannelID) error {
	s.hub.unview(s)
	if id == 0 {
		s.watch(nil)
		return nil
	}
	members, err := s.svc.directory.Members(ctx, s.who.User, id)
	if err != nil {
		s.watch(nil)
		return err
	}
	s.hub.view(s, id)
	ids := make([]UserID, 0, min(len(members), maxWatched))
	for _, m := range members[:min(len(members), maxWatched)] {
		ids = append(ids, m.User)
	}
	states := s.watch(ids)
	// The user may have been removed while the members were read; then the
	// removal did not find this session, but it has raised the version.
	now, err := s.svc.members(ctx, id, 0)
	if err != nil || !slices.Contains(now, s.who.User) {
		s.hub.unview(s)
		s.watch(nil)
		if err == nil {
			err = Errorf(CodeNotMember, "there is no such channel for you")
		}
		return err
	}
	s.enqueue(Frame{Bytes: encodePresence(states), Channel: id})
	return nil
}

func (s *Session) watch(users []UserID) []PresenceState {
	if s.svc.attendance == nil {
		return nil
	}
	return s.svc.attendance.Watch(s.id, users)
}
