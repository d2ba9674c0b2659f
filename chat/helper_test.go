package chat_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/alexedwards/argon2id"

	"gori/chat"
	"gori/chat/chattest"
)

// world is a node on a store in memory.
type world struct {
	testing.TB
	mem    *chattest.Memory
	hub    *chat.Hub
	svc    *chat.Service
	people *chat.PeopleService
	crowd  *crowd
	ctx    context.Context

	mu      sync.Mutex
	devices []*device
	keys    int
}

// inWorld runs a test in a bubble of fake time, on a node that runs.
func inWorld(t *testing.T, run func(w *world), change ...func(*chat.Deps)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, change...)
		ctx, stop := context.WithCancel(context.Background())
		w.ctx = ctx
		var wg sync.WaitGroup
		wg.Go(func() { _ = w.svc.Run(ctx) })
		wg.Go(func() { _ = w.people.Run(ctx) })
		run(w)
		w.hangUp()
		stop()
		wg.Wait()
	})
}

func newWorld(t testing.TB, change ...func(*chat.Deps)) *world {
	mem := chattest.NewMemory()
	logger := slog.New(slog.NewTextHandler(io.Discard, nil))
	w := &world{TB: t, mem: mem, hub: chat.NewHub(chat.HubConfig{Log: logger}), crowd: newCrowd(), ctx: context.Background()}
	mem.OnInbox = w.hub.InboxChanged
	deps := chat.Deps{Log: mem, Directory: mem, Roster: mem, Inboxes: mem, Invites: mem, People: mem, Contacts: mem,
		Attendance: w.crowd, Audit: mem, Hub: w.hub, Node: "n1", Logger: logger}
	for _, c := range change {
		c(&deps)
	}
	var err error
	if w.svc, err = chat.NewService(deps); err != nil {
		t.Fatal(err)
	}
	w.people, err = chat.NewPeople(chat.PeopleDeps{Accounts: mem, Logins: mem, People: mem, Avatars: mem, Service: w.svc,
		Audit: mem, Logger: logger, Password: &argon2id.Params{Memory: 8, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32}})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// user makes an account and returns its first login.
func (w *world) user(name string) chat.Identity {
	w.Helper()
	self, login, err := w.mem.SignUp(w.ctx, chat.NewAccount{LoginName: name, DisplayName: name, DeviceName: "test"})
	w.must(err)
	return chat.Identity{User: self.ID, Login: login, Admin: self.Admin}
}

func (w *world) users(names ...string) []chat.Identity {
	w.Helper()
	var out []chat.Identity
	for _, n := range names {
		out = append(out, w.user(n))
	}
	return out
}

func (w *world) key() chat.ClientMsgID {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.keys++
	return chattest.Key(w.keys)
}

func (w *world) group(owner chat.Identity, members ...chat.Identity) chat.ChannelID {
	w.Helper()
	d := chat.GroupDraft{Key: w.key(), Name: "room", Limit: 1000}
	for _, m := range members {
		d.Members = append(d.Members, m.User)
	}
	c, err := w.svc.CreateGroup(w.ctx, owner, d)
	w.must(err)
	return c.ID
}

func (w *world) say(who chat.Identity, ch chat.ChannelID, body string) chat.Receipt {
	w.Helper()
	r, err := w.svc.Send(w.ctx, who, chat.Draft{Channel: ch, ClientMsgID: w.key(), Body: body})
	w.must(err)
	return r
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) wantCode(err error, code chat.Code) {
	w.Helper()
	if chat.CodeOf(err) != code {
		w.Fatalf("error %v, want code %q", err, code)
	}
}

// hangUp cuts all connections and waits for their sessions.
func (w *world) hangUp() {
	w.mu.Lock()
	devices := w.devices
	w.mu.Unlock()
	for _, d := range devices {
		d.cut()
		<-d.done
	}
}

// device is one connection of a client, seen from the client.
type device struct {
	w    *world
	in   chan []byte
	gone chan struct{}
	done chan struct{} // Run has returned
	s    *chat.Session

	mu      sync.Mutex
	frames  []frame
	writes  int
	stalled chan struct{} // writes wait until it is closed; nil: they do not
	code    chat.CloseCode
}

// frame is one frame a device has received.
type frame map[string]any

// dial connects without saying anything.
func (w *world) dial(who chat.Identity) *device {
	w.Helper()
	d := &device{w: w, in: make(chan []byte, 4096), gone: make(chan struct{}), done: make(chan struct{})}
	d.s = w.svc.NewSession(who, d)
	w.mu.Lock()
	w.devices = append(w.devices, d)
	w.mu.Unlock()
	go func() {
		defer close(d.done)
		_ = d.s.Run(w.ctx)
	}()
	return d
}

// connect dials and resumes.
func (w *world) connect(who chat.Identity) *device {
	w.Helper()
	d := w.dial(who)
	d.say(`{"op":"resume","v":1,"pos":0}`)
	synctest.Wait()
	d.one("resumed")
	return d
}

var errGone = errors.New("the connection is gone")

func (d *device) ReadFrame(ctx context.Context) ([]byte, error) {
	select {
	case b := <-d.in:
		return b, nil
	case <-d.gone:
		return nil, errGone
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (d *device) WriteFrames(_ context.Context, frames [][]byte, _ func() bool) (int, error) {
	d.mu.Lock()
	stalled := d.stalled
	d.mu.Unlock()
	if stalled != nil {
		select {
		case <-stalled:
		case <-d.gone:
			return 0, errGone
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.code != 0 {
		return 0, errGone
	}
	d.writes++
	for _, b := range frames {
		var f frame
		if err := json.Unmarshal(b, &f); err != nil {
			panic(fmt.Sprintf("the server wrote %q: %v", b, err))
		}
		d.frames = append(d.frames, f)
	}
	return len(frames), nil
}

func (d *device) Close(code chat.CloseCode, _ string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.code == 0 {
		d.code = code
		close(d.gone)
	}
}

// cut ends the connection from the client's side.
func (d *device) cut() { d.Close(-1, "") }

// stall makes the client stop reading; the returned function lets it go on.
func (d *device) stall() (resume func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	ch := make(chan struct{})
	d.stalled = ch
	return func() {
		d.mu.Lock()
		d.stalled = nil
		d.mu.Unlock()
		close(ch)
	}
}

func (d *device) closedWith() chat.CloseCode {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.code
}

func (d *device) say(format string, args ...any) {
	select {
	case d.in <- fmt.Appendf(nil, format, args...):
	case <-d.gone:
	}
}

func (d *device) send(ch chat.ChannelID, body string) chat.ClientMsgID {
	id := d.w.key()
	d.say(`{"op":"send","channel":"%d","client_msg_id":"%s","body":%q}`, ch, id, body)
	return id
}

// take returns the frames received so far with one of the ops (all, if none is
// named) and forgets them.
func (d *device) take(ops ...string) []frame {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out, rest []frame
	for _, f := range d.frames {
		if len(ops) == 0 || slices.Contains(ops, f["op"].(string)) {
			out = append(out, f)
		} else {
			rest = append(rest, f)
		}
	}
	d.frames = rest
	return out
}

// one takes the frames of an op and wants exactly one.
func (d *device) one(op string) frame {
	d.w.Helper()
	got := d.take(op)
	if len(got) != 1 {
		d.w.Fatalf("%d frames %s, want one; the others are %v", len(got), op, d.take())
	}
	return got[0]
}

func (d *device) none(op string) {
	d.w.Helper()
	if got := d.take(op); len(got) != 0 {
		d.w.Fatalf("frames %s came: %v", op, got)
	}
}

// get finds a value by its path.
func (f frame) get(path ...string) any {
	var v any = map[string]any(f)
	for _, p := range path {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[p]
	}
	return v
}

func (f frame) num(path ...string) int {
	n, _ := f.get(path...).(float64)
	return int(n)
}

// crowd is an Attendance that remembers.
type crowd struct {
	mu      sync.Mutex
	here    map[chat.SessionID]chat.UserID
	left    map[chat.SessionID]bool
	beats   map[chat.SessionID]int
	watched map[chat.SessionID][]chat.UserID
	friends map[chat.UserID][]chat.UserID
}

func newCrowd() *crowd {
	return &crowd{here: map[chat.SessionID]chat.UserID{}, left: map[chat.SessionID]bool{}, beats: map[chat.SessionID]int{},
		watched: map[chat.SessionID][]chat.UserID{}, friends: map[chat.UserID][]chat.UserID{}}
}

func (c *crowd) Arrived(user chat.UserID, _ chat.LoginID, s chat.SessionID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.here[s] = user
}

func (c *crowd) Beat(_ chat.UserID, s chat.SessionID, _ bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.beats[s]++
}

func (c *crowd) Left(_ chat.UserID, s chat.SessionID, explicit bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.here, s)
	c.left[s] = explicit
}

func (c *crowd) Watch(s chat.SessionID, users []chat.UserID) []chat.PresenceState {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watched[s] = users
	return states(users)
}

func (c *crowd) Befriended(user chat.UserID, friends, _ []chat.UserID) []chat.PresenceState {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.friends[user] = friends
	return states(friends)
}

func states(users []chat.UserID) []chat.PresenceState {
	out := make([]chat.PresenceState, len(users))
	for i, u := range users {
		out[i] = chat.PresenceState{User: u, State: "online"}
	}
	return out
}
