package host

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"reflect"
	"sync"
	"time"

	"gori/chat"
	"gori/nginx"
)

// State is how a node looks from outside.
type State string

const (
	stateStarting State = "starting" // its process runs and does not serve yet
	StateReady    State = "ready"
	StateUnready  State = "unready" // it serves and says that it can do nothing: no shard answers
	StateDraining State = "draining"
	StateSilent   State = "silent"  // it does not answer: frozen, or far too busy
	stateDown     State = "down"    // no process
	stateFailing  State = "failing" // it ends again and again
)

const (
	watchEvery  = time.Second
	AnswerTime  = time.Second // an answer that takes longer is none
	missesToOut = 3           // so many looks without readiness take a node out
)

// watch is what looking at a node has found.
type watch struct {
	mu     sync.Mutex
	state  State
	misses int  // looks in a row that did not find it ready
	rolled bool // it is being replaced
	out    bool
}

// found notes one look and tells whether the proxy should send no requests. A
// node that keeps dying is out even while it is ready: it will not be for long.
func (w *watch) found(s State, keepsDying bool) (out bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if keepsDying && s != StateReady {
		s = stateFailing
	}
	w.state = s
	if s == StateReady {
		w.misses = 0
	} else {
		w.misses++
	}
	switch {
	case s == StateDraining, keepsDying, w.misses >= missesToOut, w.rolled:
		w.out = true
	case s == StateReady:
		w.out = false
	}
	return w.out
}

// rests notes that there is no process for a while. The proxy passes the node
// over by itself: a new picture, twice, would be one more burden for it just then.
func (w *watch) rests() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.state, w.misses = stateDown, 0
}

func (w *watch) roll(on bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rolled = on
	w.out = w.out || on
}

func (w *watch) now() (s State, out bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.state == "" {
		return stateStarting, w.out
	}
	return w.state, w.out
}

// looker asks nodes how they are, over connections that it keeps.
var looker = &http.Client{Timeout: AnswerTime, Transport: &http.Transport{MaxIdleConnsPerHost: 1, IdleConnTimeout: time.Minute}}

// look asks a node whether it may be sent people.
func look(ctx context.Context, url string, pid int) State {
	if pid == 0 {
		return stateDown
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return StateSilent
	}
	res, err := looker.Do(req)
	switch {
	case os.IsTimeout(err):
		return StateSilent
	case err != nil:
		return stateStarting
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusOK {
		return StateReady
	}
	var answer struct {
		Error struct {
			Code string `json:"code"`
		} `json:"error"`
	}
	_ = json.NewDecoder(res.Body).Decode(&answer)
	if answer.Error.Code == string(chat.CodeDraining) {
		return StateDraining
	}
	return StateUnready
}

// attend looks at the nodes, keeps the proxy's picture of them true, notes what
// runs and replaces the nodes when that is wished for, in goroutines of wg that
// end with ctx. A terminal that has been closed stops everything.
func (f *Fleet) attend(ctx context.Context, hangUp <-chan os.Signal, stop context.CancelCauseFunc, wg *sync.WaitGroup) {
	f.lookAll(ctx)
	f.attendCommands(ctx, stop, wg)
	f.keepNoted(ctx, wg)
	wg.Go(func() {
		tick := time.NewTicker(watchEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				f.lookAll(ctx)
			}
		}
	})
	wg.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-hangUp:
				if f.o.Terminal && !HaveTerminal() {
					stop(nil)
					return
				}
				f.rollAll(ctx)
			}
		}
	})
}

// HaveTerminal tells whether this process belongs to a terminal. SIGHUP comes
// when that is closed, too.
func HaveTerminal() bool {
	tty, err := os.Open("/dev/tty")
	if err != nil {
		return false
	}
	_ = tty.Close()
	return true
}

// lookAll looks at every node once and tells the proxy what has changed.
func (f *Fleet) lookAll(ctx context.Context) {
	var wg sync.WaitGroup
	for _, n := range f.nodes {
		wg.Go(func() {
			s := look(ctx, "http://"+n.addr+"/readyz", n.proc.PID())
			if ctx.Err() != nil {
				return
			}
			if n.proc.Rests() && !n.proc.KeepsDying() {
				n.watch.rests()
				return
			}
			_, before := n.watch.now()
			if out := n.watch.found(s, n.proc.KeepsDying()); out && !before && s != StateDraining {
				f.logger.Warn("the proxy sends no more requests to node "+n.name, "state", s)
			}
		})
	}
	wg.Wait()
	if err := f.tellProxy(ctx); err != nil && ctx.Err() == nil {
		f.logger.Error("Nginx keeps its old picture of the nodes", "error", err)
	}
}

// tellProxy brings the proxy's picture of the nodes up to date.
func (f *Fleet) tellProxy(ctx context.Context) error {
	if f.front == nil {
		return nil
	}
	return f.front.Change(ctx, false, func(c *nginx.Config) error {
		for i, n := range f.nodes {
			_, c.Nodes[i].Down = n.watch.now()
		}
		return nil
	})
}

// state is what runs now.
func (f *Fleet) state() Running {
	url := URL(f.Scheme(), f.l)
	f.mu.Lock()
	defer f.mu.Unlock()
	r := Running{PID: os.Getpid(), URL: url, Admin: f.nodes[0].admin.Addr().String(), Shards: f.cluster.Shards(), Instances: f.cluster.Instances(), Control: f.control.Addr().String(), Roll: f.roll}
	for _, n := range f.nodes {
		s, out := n.watch.now()
		pid := n.proc.PID()
		if pid == 0 && s != stateFailing {
			s = stateDown
		}
		r.Nodes = append(r.Nodes, Node{Name: n.name, PID: pid, URL: "http://" + n.addr, Admin: n.admin.Addr().String(),
			State: s, Out: out, Restarts: n.proc.Restarts()})
	}
	if f.front != nil {
		r.Proxy = f.front.state()
	}
	return r
}

// Scheme is that of the address people see.
func (f *Fleet) Scheme() string {
	if f.front == nil {
		return "http"
	}
	return f.settings().Proxy.Scheme()
}

// keepNoted writes what runs into the data folder, now and whenever it has
// changed, in a goroutine of wg that ends with ctx.
func (f *Fleet) keepNoted(ctx context.Context, wg *sync.WaitGroup) {
	last := f.state()
	if err := last.write(f.cluster.Dir()); err != nil {
		f.logger.Error("other commands will not find this system", "error", err)
	}
	wg.Go(func() {
		tick := time.NewTicker(watchEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			case <-f.changed:
			}
			if now := f.state(); !reflect.DeepEqual(now, last) && now.write(f.cluster.Dir()) == nil {
				last = now
			}
		}
	})
}

// note asks for what runs to be noted at once.
func (f *Fleet) note() {
	select {
	case f.changed <- struct{}{}:
	default: // it will be anyway
	}
}

// AwaitReady polls a node's /readyz, every 20 ms, until it may be sent traffic or ctx
// ends, whose error it returns.
func AwaitReady(ctx context.Context, url string) error {
	client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		if res, err := client.Do(req); err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}
