package torture

import (
	"context"
	"fmt"
	"slices"
	"time"

	"gori/client"
)

const (
	maxProblems = 40    // told in the report; all are counted
	maxFound    = 1_000 // differences counted
)

// problem is one violation in words.
type problem struct {
	what, detail string
	history      []string
}

func (w *world) problem(what, detail string) { w.problemWith(what, detail, nil) }

// problemIn is a problem with the history of its channel.
func (w *world) problemIn(what, detail string, ch *channel, seq client.Seq) {
	w.problemWith(what, detail, func() []string {
		if ch == nil {
			return nil
		}
		return ch.excerpt(seq, w.began)
	})
}

// problemWith is a problem with more lines; those of the first few are kept.
func (w *world) problemWith(what, detail string, lines func() []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.problems) >= maxProblems {
		return
	}
	p := problem{what: what, detail: detail}
	if lines != nil && len(w.problems) < 5 {
		p.history = lines()
	}
	w.problems = append(w.problems, p)
}

// judge fills the report.
func (w *world) judge(ctx context.Context, r *Report, log []Fault) {
	for _, d := range w.compareDevices(maxFound) {
		r.Diverged++
		w.problemIn("P4: a device differs from the server", d.what, d.ch, d.seq)
	}
	for _, d := range w.compareUnread(ctx, maxFound) {
		r.UnreadWrong++
		w.problemIn("P5: unread differs", d.what, d.ch, d.seq)
	}
	for _, f := range w.flickers(log) {
		r.PresenceWrong++
		w.problemWith("P8: somebody who was there was shown offline",
			fmt.Sprintf("%s to %s on node %s at %.3f s (resume: %t)", f.of, f.by, f.node, (f.at-w.began).Seconds(), f.resumed),
			func() []string { return f.of.sessionsAbout(f.at, w.began) })
	}
	w.say("asking who is there")
	r.PresenceWrong += w.finalPresence(ctx)
	w.say("comparing what was acknowledged with history")
	for _, d := range w.devices() {
		st := d.total()
		w.tellSkipped(d)
		d.mu.Lock()
		r.Delivered += d.delivered
		r.Doubled += d.doubled
		r.Gaps += d.gaps
		d.mu.Unlock()
		r.Reconnects += max(0, st.Connects-1)
		r.LongestGapMS = max(r.LongestGapMS, st.LongestGap.Milliseconds())
		r.LongestSendMS = max(r.LongestSendMS, st.LongestSend.Milliseconds())
	}
	for _, ch := range w.channels {
		if ch.truth == nil {
			r.Unsettled++
			continue
		}
		ch.judge(r)
	}
	w.judgeAccess(r)
	w.isolation(log, r)
	r.GivenUp = w.opErrors.Load()
	r.LagMS = w.lag.Milliseconds()
	r.problems = w.problems
	if r.Unsettled > 0 {
		r.problems = append(r.problems, problem{what: "not everything was answered", detail: fmt.Sprintf("%d sends or channels, after %v of waiting", r.Unsettled, w.o.Patience)})
	}
}

// judge holds what was acknowledged in a channel against what the server has.
func (ch *channel) judge(r *Report) {
	ch.mu.Lock()
	defer ch.mu.Unlock()
	w, t := ch.w, ch.truth
	r.Gaps += t.holes
	seen := map[client.ClientMsgID]client.Seq{}
	for _, m := range t.messages {
		if at, again := seen[m.ClientMsgID]; again && m.Kind == 0 {
			r.Doubled++
			w.problemIn("P2: a message is there twice", fmt.Sprintf("%s, as %d and %d", m.ClientMsgID, at, m.Seq), ch, m.Seq)
		}
		seen[m.ClientMsgID] = m.Seq
	}
	for _, s := range ch.sends {
		switch {
		case s.refused != "":
			if !ch.mayRefuse(s) {
				r.Refused++
				w.problemIn("a send was refused without a reason", s.times(w.began), ch, s.seq)
			}
			continue
		case s.ret == 0:
			continue // counted as unsettled
		}
		r.Acked++
		if seen[s.id] != s.seq {
			r.Lost++
			w.problemIn("P1: an acknowledged message is not where it was said to be", fmt.Sprintf("%s; the server has it at %d (0: not at all)", s.times(w.began), seen[s.id]), ch, s.seq)
			continue
		}
		if what := s.altered(t.messages[s.seq-1]); what != "" {
			r.Lost++
			w.problemIn("P1: an acknowledged alteration is lost", what+"; "+s.times(w.began), ch, s.seq)
		}
	}
	wrong, verdict := ch.disorder()
	for _, o := range wrong {
		w.problemIn("P3: the order contradicts real time", fmt.Sprintf("at %d (a read: %t), called %.3f s, returned %.3f s", o.seq, o.read, (o.call-w.began).Seconds(), (o.ret-w.began).Seconds()), ch, o.seq)
	}
	if verdict != "" && len(wrong) == 0 {
		wrong = append(wrong, op{})
		w.problemIn("P3: the order contradicts real time", verdict, ch, 1)
	}
	over := ch.overtaken()
	for _, s := range over {
		w.problemIn("P3: a message was overtaken by a later one of its device", s.times(w.began), ch, s.seq)
	}
	r.Reordered += int64(len(wrong) + len(over))
}

// mayRefuse tells whether a send could be refused for good: the person was out
// at the time, or the thread's root was deleted.
func (ch *channel) mayRefuse(s *send) bool {
	switch s.refused {
	case "not_member":
		return ch.seats[s.from.p].churns
	case "deleted", "not_found":
		return s.thread != 0
	}
	return false
}

// altered says how a message differs from what its sender was told. Where a call
// was slow or failed it may have been made twice, the second time late, so any
// of the bodies given will do.
func (s *send) altered(m client.Message) string {
	switch {
	case s.undone && !m.Deleted:
		return "deleted, and there again"
	case m.Deleted:
		if !s.deleted {
			return "deleted by nobody"
		}
		return ""
	case !slices.Contains(s.bodies, m.Body):
		return fmt.Sprintf("it reads %q, which nobody wrote", short(m.Body))
	case s.clean && s.bodies[len(s.bodies)-1] != m.Body:
		return fmt.Sprintf("it reads %q, the last edit was %q", short(m.Body), short(s.bodies[len(s.bodies)-1]))
	}
	return ""
}

// judgeShards has the system look at its shards.
func (w *world) judgeShards(ctx context.Context, r *Report) error {
	w.say("looking at the shards")
	bound, cancel := context.WithTimeout(ctx, w.o.Patience)
	defer cancel()
	wrong, err := w.sys.Verify(bound)
	switch {
	case bound.Err() != nil && ctx.Err() == nil:
		wrong = append(wrong, fmt.Sprintf("looking at them does not end within %v", w.o.Patience))
	case err != nil:
		return fmt.Errorf("looking at the shards: %w", err)
	}
	r.Misplaced = int64(len(wrong))
	for _, what := range wrong {
		w.problem("the shards: something is not in its place", what)
	}
	return nil
}

// judgeAccess looks at what came to people who were shut out, and to logins that
// had ended. Where the server tells of more joinings than were asked for, an old
// call came late and the person was in again by right.
func (w *world) judgeAccess(r *Report) {
	for _, s := range w.suspects {
		seat := s.ch.seats[s.p]
		if s.ch.truth != nil {
			if _, times := s.ch.truth.joined(s.p.id); times > seat.adds {
				continue
			}
		}
		if s.after < lastWord+wordSlack+w.lag {
			continue
		}
		r.Unauthorised++
		w.problemIn("P7: delivered after the removal", fmt.Sprintf("%s %d of %s to %s on node %s at %.3f s, %.3f s after the removal was acknowledged",
			s.op, s.seq, s.ch.name, s.device, s.node, (s.at-w.began).Seconds(), s.after.Seconds()), s.ch, s.seq)
	}
	for _, v := range w.revoked {
		v.mu.Lock()
		if v.at > 0 {
			r.Revoked++
		}
		if v.frames > 0 && v.last > lastWord+wordSlack+w.lag || len(v.doors) > 0 {
			r.Unauthorised++
			w.problem("P7: a login that was revoked is still served", fmt.Sprintf("%s on node %s, revoked at %.3f s: %d frames later than they may, the last %.3f s after; let in by %v",
				v.p, v.node, (v.at-w.began).Seconds(), v.frames, v.last.Seconds(), v.doors))
		}
		v.mu.Unlock()
	}
}

// finalPresence lets some people leave and asks about all of them until the
// answers are right, or they have been wrong for too long.
func (w *world) finalPresence(ctx context.Context) int64 {
	const patience = 15 * time.Second
	gone, ids := w.sendHome(ctx)
	var wrong []string
	right := 0 // answers in a row: several nodes answer
	for end := time.Now().Add(patience); time.Now().Before(end) && right < 6; {
		states, err := w.people[0].c.Presence(ctx, ids...)
		if err != nil {
			return 1
		}
		wrong = wrong[:0]
		for _, s := range states {
			if (s.State == "offline") != gone[s.User] {
				wrong = append(wrong, fmt.Sprintf("%s is %s", w.byUser[s.User], s.State))
			}
		}
		if right++; len(wrong) > 0 {
			right = 0
			if pause(ctx, 200*time.Millisecond) != nil {
				return 0
			}
		}
	}
	for _, what := range wrong {
		w.problem("P8: presence is wrong at the end", what)
	}
	return int64(len(wrong))
}

// sendHome lets every fourth person leave, one device after the other: a bye of
// the last device means offline at once.
func (w *world) sendHome(ctx context.Context) (gone map[client.UserID]bool, all []client.UserID) {
	gone = map[client.UserID]bool{}
	most := 0
	for _, p := range w.people {
		all = append(all, p.id)
		gone[p.id] = p.i%4 == 2
		most = max(most, len(p.devices))
	}
	for n := range most {
		for _, p := range w.people {
			if gone[p.id] && n < len(p.devices) {
				p.devices[n].leave(false)
			}
		}
		_ = pause(ctx, 500*time.Millisecond) // the caller looks at ctx
	}
	return gone, all
}
