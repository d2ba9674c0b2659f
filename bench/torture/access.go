package torture

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"gori/client"
)

// Who was removed or revoked hears nothing more after lastWord; the slack is for
// a machine with few cores and is added to by what this process itself was late.
const (
	lastWord    = time.Second
	wordSlack   = 300 * time.Millisecond
	maxSuspects = 1_000
)

// suspect is a frame that came to somebody shut out of its channel.
type suspect struct {
	ch     *channel
	p      *person
	device string
	node   string
	op     string
	seq    client.Seq
	after  time.Duration // since the removal was acknowledged
	at     time.Duration
}

// aboutChannel is what of a frame tells its channel.
type aboutChannel struct {
	Op      string           `json:"op"`
	Channel client.ChannelID `json:"channel"`
	Message struct {
		Channel client.ChannelID `json:"channel"`
		Seq     client.Seq       `json:"seq"`
	} `json:"message"`
}

// frame judges whether a frame may come now. Frames that the person asked for,
// such as ack and nack, tell nothing of a channel.
func (d *device) frame(raw []byte) {
	if d.p.absent.Load() == 0 {
		return
	}
	at := d.p.w.now()
	var f aboutChannel
	// A read or typing frame has its channel as a string beside op; channel
	// frames have an object there and are read as none.
	if err := json.Unmarshal(raw, &f); err != nil && f.Op == "" {
		return
	}
	switch f.Op {
	case "msg", "change":
		f.Channel = f.Message.Channel
	case "read", "typing":
	default:
		return
	}
	ch := d.p.w.byID[f.Channel]
	if ch == nil || ch.seats[d.p] == nil {
		return
	}
	after := ch.seats[d.p].outFor(at)
	if after < lastWord+wordSlack {
		return
	}
	d.mu.Lock()
	node := d.node
	d.mu.Unlock()
	d.p.w.suspect(suspect{ch, d.p, d.name, node, f.Op, f.Message.Seq, after, at})
}

// outFor is how long at a time the person had been shut out.
func (s *seat) outFor(at time.Duration) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.absences); n > 0 && s.absences[n-1].to == 0 {
		return at - s.absences[n-1].from
	}
	return 0
}

func (w *world) suspect(s suspect) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.suspects) < maxSuspects {
		w.suspects = append(w.suspects, s)
	}
}

// shutOut removes a person from a group, by the owner or by themselves, and
// notes it once it is acknowledged. False: it is not known whether it happened.
func (ch *channel) shutOut(ctx context.Context, p *person, self bool) bool {
	s := ch.seats[p]
	s.ops.Lock()
	defer s.ops.Unlock()
	by := ch.members[0]
	if self {
		by = p
	}
	if !ch.w.insist(ctx, func(ctx context.Context) error { return by.c.RemoveMember(ctx, ch.id, p.id) }, "not_found", "not_member") {
		return false
	}
	s.mu.Lock()
	s.in = false
	s.read, s.unsure = 0, 0
	s.absences = append(s.absences, absence{from: ch.w.now()})
	s.mu.Unlock()
	p.absent.Add(1)
	return true
}

// letIn adds a person again.
func (ch *channel) letIn(ctx context.Context, p *person) bool {
	s := ch.seats[p]
	s.ops.Lock()
	defer s.ops.Unlock()
	s.mu.Lock()
	s.absences[len(s.absences)-1].to = ch.w.now()
	s.mu.Unlock()
	p.absent.Add(-1)
	done := ch.w.insist(ctx, func(ctx context.Context) error {
		_, err := ch.members[0].c.AddMembers(ctx, ch.id, p.id)
		return err
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	if done {
		s.in = true
		s.adds++
	}
	return done
}

// insist makes a repeatable call until its outcome is known, or the run's patience
// ends: then what it needs does not come back, and that is a violation. Codes that
// say that it was done already count as success.
func (w *world) insist(ctx context.Context, f func(context.Context) error, fine ...string) bool {
	var last error
	for end := w.now() + w.o.For + w.o.Patience; ctx.Err() == nil; {
		if w.now() > end {
			w.unhealed.Add(1)
			w.problem("a call had no answer", fmt.Sprintf("for %v, again and again: %v", w.o.For+w.o.Patience, last))
			return false
		}
		one, cancel := context.WithTimeout(ctx, callPatience)
		err := f(one)
		cancel()
		if err == nil {
			return true
		}
		for _, code := range fine {
			if client.CodeOf(err) == code {
				return true
			}
		}
		var refused *client.Error
		if errors.As(err, &refused) && !refused.Retry {
			w.problem("a call was refused", err.Error())
			return false
		}
		last = err
		w.opErrors.Add(1)
		if pause(ctx, 200*time.Millisecond) != nil {
			return false
		}
	}
	return false
}

// revoked is a login that was ended while its device was connected.
type revoked struct {
	p    *person
	live *client.Live
	c    *client.Client

	mu     sync.Mutex
	node   string
	at     time.Duration // when the revocation was acknowledged; zero: not yet
	frames int           // that came later than they may
	last   time.Duration // the latest of them, after the acknowledgement
	doors  []string      // by which the token was still let in
}

// revoke logs a person in anew, connects that device, ends its login after a
// while, and then knocks at the door with its token.
func (p *person) revoke(ctx context.Context, after time.Duration) {
	v := &revoked{p: p}
	var err error
	if v.c, err = client.New(p.w.sys.URL(), client.Options{HTTP: p.w.http, UserAgent: "gori torture, to be revoked"}); err != nil {
		return
	}
	in, cancel := context.WithTimeout(ctx, callPatience)
	defer cancel()
	if err := v.c.LogIn(in, p.String(), password(p)); err != nil {
		return // the fault of the moment; another one will be revoked
	}
	p.w.mu.Lock()
	p.w.revoked = append(p.w.revoked, v)
	p.w.mu.Unlock()
	v.live = v.c.Start(ctx, client.LiveOptions{CatchUp: -1, Backoff: client.Backoff{Cap: time.Second}, Events: client.Events{
		Frame: v.frame, Connected: func(r client.Resumed) {
			v.mu.Lock()
			defer v.mu.Unlock()
			v.node = r.Node
		}}})
	defer v.live.Close()
	if pause(ctx, after) != nil {
		return
	}
	if !p.w.insist(ctx, func(ctx context.Context) error { return p.c.RevokeLogin(ctx, v.c.Login()) }, "not_found") {
		return
	}
	v.mu.Lock()
	v.at = p.w.now()
	v.mu.Unlock()
	if pause(ctx, lastWord+wordSlack) != nil {
		return
	}
	v.knock(ctx)
	for end := time.Now().Add(4 * time.Second); time.Now().Before(end) && p.w.talking.Load(); { // what may still come would be seen
		_ = pause(ctx, 100*time.Millisecond) // talking ends with it
	}
}

func (v *revoked) frame([]byte) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.at == 0 {
		return
	}
	if after := v.p.w.now() - v.at; after > lastWord+wordSlack {
		v.frames++
		v.last = max(v.last, after)
	}
}

// knock asks with the token of an ended login, a few times since several nodes
// answer.
func (v *revoked) knock(ctx context.Context) {
	for range 4 {
		one, cancel := context.WithTimeout(ctx, callPatience)
		_, err := v.c.Discover(one)
		cancel()
		if err == nil {
			v.mu.Lock()
			v.doors = append(v.doors, "GET /discover")
			v.mu.Unlock()
		}
	}
}
