package proof

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"gori/chat"
	"gori/store"
)

type person struct {
	i  int
	id chat.UserID

	mu      sync.Mutex
	logins  map[[32]byte]bool // by token: whether they are still good
	name    string
	friends map[chat.UserID]bool
}

// room is a channel and what was said in it.
type room struct {
	id      chat.ChannelID
	members []*person

	mu    sync.Mutex
	words map[chat.ClientMsgID]*word
	read  map[*person]chat.Seq // acknowledged read marks
}

// word is a message somebody sent. Only its worker alters it.
type word struct {
	id       chat.ClientMsgID
	worker   int // in the room
	from     *person
	seq      chat.Seq // 0: never acknowledged
	body     string   // as last acknowledged
	deleted  bool
	liked    bool // by its sender
	mentions []chat.UserID
}

// load is people who write until it is stopped.
type load struct {
	w       *town
	stopped atomic.Bool
	wg      sync.WaitGroup
	acked   atomic.Int64
	pace    time.Duration // between two calls of a worker, about

	mu     sync.Mutex
	wrong  []string // what went wrong on the way
	worst  time.Duration
	retold int // duplicates that had the same answer
}

// begin lets people write: in each room so many workers a member, through nodes
// in turn.
func (w *town) begin(workers int, pace time.Duration, nodes ...*store.Store) *load {
	l := &load{w: w, pace: pace}
	if len(nodes) == 0 {
		nodes = []*store.Store{w.node}
	}
	n := 0
	for at, r := range w.rooms {
		for k, p := range r.members {
			for again := range workers {
				me := worker{load: l, room: r, p: p, n: k*workers + again, node: nodes[n%len(nodes)],
					rng: rand.New(rand.NewPCG(w.seed, uint64(at)<<20|uint64(k)<<8|uint64(again)))}
				l.wg.Go(me.run)
				n++
			}
		}
	}
	for i, p := range w.people {
		me := worker{load: l, p: p, node: nodes[i%len(nodes)], rng: rand.New(rand.NewPCG(w.seed, 1<<40|uint64(i)))}
		l.wg.Go(me.live)
	}
	return l
}

// end stops all and waits until everything is answered.
func (l *load) end() {
	l.stopped.Store(true)
	l.wg.Wait()
}

func (l *load) problem(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.wrong) < 20 {
		l.wrong = append(l.wrong, fmt.Sprintf(format, args...))
	}
}

// insist repeats a call as clients do, until it is answered.
func (l *load) insist(what string, call func(context.Context) error) bool {
	ctx, cancel := context.WithTimeout(context.Background(), l.w.patience)
	defer cancel()
	began := time.Now()
	for {
		err := call(ctx)
		if err == nil {
			l.acked.Add(1)
			l.mu.Lock()
			l.worst = max(l.worst, time.Since(began))
			l.mu.Unlock()
			return true
		}
		if !chat.ErrorOf(err).Retry || ctx.Err() != nil {
			l.problem("%s, after %v: %v", what, time.Since(began).Round(time.Millisecond), err)
			return false
		}
		rest(ctx, 5*time.Millisecond)
	}
}

func rest(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// worker is one device of a person: it makes one call after the other.
type worker struct {
	*load
	room *room
	p    *person
	n    int
	node *store.Store
	rng  *rand.Rand
	mine []*word
}

// pause rests a little and tells whether to go on.
func (w *worker) pause() bool {
	if w.load.pace > 0 {
		rest(context.Background(), time.Duration(w.rng.Int64N(int64(2*w.load.pace))))
	}
	return !w.stopped.Load()
}

func (w *worker) run() {
	for w.pause() {
		switch what := w.rng.IntN(100); {
		case what < 60:
			w.send()
		case what < 75:
			w.edit()
		case what < 80:
			w.remove()
		case what < 90:
			w.react()
		default:
			w.mark()
		}
	}
}

func (w *worker) send() {
	s := &word{id: idOf(w.load.w.seed, int(w.load.w.ids.Add(1))), worker: w.n, from: w.p}
	s.body = fmt.Sprintf("person %d says %x", w.p.i, s.id[8:])
	switch what := w.rng.IntN(200); {
	case what < 10:
		s.mentions = []chat.UserID{w.room.members[w.rng.IntN(len(w.room.members))].id}
	case what == 10:
		s.body = strings.Repeat("가나다라마바사아자차", 10_000) // the longest there may be
	}
	w.room.mu.Lock()
	w.room.words[s.id] = s
	w.room.mu.Unlock()
	d := chat.Draft{Channel: w.room.id, Sender: w.p.id, ClientMsgID: s.id, Body: s.body, Mentions: s.mentions}
	w.insist("a send", func(ctx context.Context) error {
		rs, err := w.node.Append(ctx, d)
		if err == nil {
			w.room.mu.Lock()
			s.seq = rs[0].Seq
			w.room.mu.Unlock()
		}
		return err
	})
	w.mine = append(w.mine, s)
	if w.rng.IntN(20) == 0 { // the answer was lost, the client asks again
		w.insist("a repeated send", func(ctx context.Context) error {
			rs, err := w.node.Append(ctx, d)
			if err == nil && (rs[0].Seq != s.seq || !rs[0].Duplicate) {
				w.problem("%x was stored at %d and, repeated, at %d (duplicate: %t)", s.id, s.seq, rs[0].Seq, rs[0].Duplicate)
			}
			return err
		})
		w.mu.Lock()
		w.retold++
		w.mu.Unlock()
	}
}

// one is one of the worker's own messages, the newer the likelier, that is not deleted.
func (w *worker) one() *word {
	for range 5 {
		if n := len(w.mine); n > 0 {
			back := w.rng.IntN(min(n, 30))
			if w.rng.IntN(5) == 0 {
				back = w.rng.IntN(n)
			}
			if s := w.mine[n-1-back]; s.seq != 0 && !s.deleted {
				return s
			}
		}
	}
	return nil
}

func (w *worker) alter(s *word, a chat.Alteration, done func()) {
	a.Channel, a.Seq, a.Actor, a.Now = w.room.id, s.seq, w.p.id, time.Now()
	w.insist("an alteration", func(ctx context.Context) error {
		_, err := w.node.Alter(ctx, a)
		if err == nil {
			w.room.mu.Lock()
			done()
			w.room.mu.Unlock()
		}
		return err
	})
}

func (w *worker) edit() {
	if s := w.one(); s != nil {
		body := fmt.Sprintf("edited %d by person %d: 고침", w.load.w.ids.Add(1), w.p.i)
		w.alter(s, chat.Alteration{Kind: chat.AlterEdit, Body: body, Mentions: s.mentions}, func() { s.body = body })
	}
}

func (w *worker) remove() {
	if s := w.one(); s != nil {
		w.alter(s, chat.Alteration{Kind: chat.AlterDelete}, func() { s.deleted = true })
	}
}

func (w *worker) react() {
	s := w.one()
	if s == nil {
		return
	}
	kind, liked := chat.AlterReact, !s.liked
	if !liked {
		kind = chat.AlterUnreact
	}
	w.alter(s, chat.Alteration{Kind: kind, Emoji: "👍"}, func() { s.liked = liked })
}

func (w *worker) mark() {
	s := w.one()
	if s == nil {
		return
	}
	if w.insist("a read mark", func(ctx context.Context) error {
		_, _, err := w.node.MarkRead(ctx, chat.ReadMark{User: w.p.id, Channel: w.room.id, Seq: s.seq})
		return err
	}) {
		w.room.mu.Lock()
		w.room.read[w.p] = max(w.room.read[w.p], s.seq)
		w.room.mu.Unlock()
	}
}

// live logs in and out, changes the profile and reads the inbox: a person's home
// moves like a channel.
func (w *worker) live() {
	for n := 1; w.pause(); n++ {
		rest(context.Background(), 5*w.load.pace)
		switch w.rng.IntN(4) {
		case 0:
			w.login(n)
		case 1:
			name := fmt.Sprintf("이름 %d", n)
			if w.insist("a new name", func(ctx context.Context) error {
				_, err := w.node.EditProfile(ctx, w.p.id, chat.ProfileEdit{DisplayName: &name})
				return err
			}) {
				w.p.mu.Lock()
				w.p.name = name
				w.p.mu.Unlock()
			}
		case 2:
			token := tokenOf(w.load.w.seed, w.p.i, 0)
			w.insist("a request", func(ctx context.Context) error {
				_, err := w.node.Authenticate(ctx, w.p.id, token)
				return err
			})
		default:
			w.insist("a look at the inbox", func(ctx context.Context) error {
				_, err := w.node.Inbox(ctx, w.p.id, 0, 100)
				return err
			})
		}
	}
}

// login makes a login, and mostly ends it.
func (w *worker) login(n int) {
	var token [32]byte
	if !w.insist("a login", func(ctx context.Context) error {
		token = tokenOf(w.load.w.seed, w.p.i, int(w.load.w.ids.Add(1))) // a new one each time, as the service does
		_, _, err := w.node.CreateLogin(ctx, w.p.id, token, "another")
		return err
	}) {
		return
	}
	var who chat.Identity
	ok := w.insist("a first request", func(ctx context.Context) (err error) {
		who, err = w.node.Authenticate(ctx, w.p.id, token)
		return err
	})
	good := true
	if ok && (w.rng.IntN(4) > 0 || n > 20) {
		good = !w.insist("a logout", func(ctx context.Context) error { return w.node.RevokeLogins(ctx, w.p.id, who.Login) })
	}
	w.p.mu.Lock()
	w.p.logins[token] = good
	w.p.mu.Unlock()
}
