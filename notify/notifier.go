package notify

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Config is what a Notifier is made of. Book, Vault and Reader are required.
type Config struct {
	Book     Book
	Vault    Vault
	Reader   Reader
	Queues   Queues   // nil: none
	Desk     Desk     // required with Queues
	Presence Presence // nil: nobody is ever there

	Poll   time.Duration // the longest pause between two looks at a queue; 3 s
	Warmup time.Duration // before the first look, as presence is not known yet; 0: none

	// Subject is how a push service reaches the owner of this system: a mail
	// address or an https URL.
	Subject string
	// AllowNetworks may be called although they are not public.
	AllowNetworks []netip.Prefix

	Transport *http.Transport  // what connections are made from, such as roots of TLS; nil: the defaults
	Log       *slog.Logger     // nil: slog.Default()
	Now       func() time.Time // nil: time.Now
	Rand      io.Reader        // nil: crypto/rand
}

// Notifier is the push side of one node.
type Notifier struct {
	// static after New
	cfg    Config
	book   Book
	vault  Vault
	dialer *Dialer
	client *http.Client

	ringing sync.Mutex
	rings   map[chan struct{}]bool // of the queues tended: something is due now; capacity 1

	pair   atomic.Pointer[KeyPair] // once read
	counts counts
	lanes  lanes

	calls context.Context // of calls to the outside; ends a little after Run's
	hang  context.CancelFunc
	work  sync.WaitGroup // jobs in hand
}

const (
	requestTimeout = 10 * time.Second // of one call to a push service or webhook
	hostInFlight   = 4                // calls to one host at the same time
)

// New makes a Notifier, or tells which part is missing.
func New(cfg Config) (*Notifier, error) {
	for name, missing := range map[string]bool{"Book": cfg.Book == nil, "Vault": cfg.Vault == nil, "Reader": cfg.Reader == nil,
		"Desk": cfg.Desk == nil && cfg.Queues != nil} {
		if missing {
			return nil, fmt.Errorf("notify: New needs %s", name)
		}
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	if cfg.Transport == nil {
		cfg.Transport = &http.Transport{}
	}
	if cfg.Poll == 0 {
		cfg.Poll = 3 * time.Second
	}
	n := &Notifier{cfg: cfg, book: cfg.Book, vault: cfg.Vault, dialer: NewDialer(cfg.AllowNetworks),
		rings: map[chan struct{}]bool{}}
	n.client = n.dialer.client(cfg.Transport, requestTimeout)
	n.calls, n.hang = context.WithCancel(context.Background())
	return n, nil
}

// Ring says that something is due now. It never waits.
func (n *Notifier) Ring() {
	n.ringing.Lock()
	defer n.ringing.Unlock()
	for r := range n.rings {
		select {
		case r <- struct{}{}:
		default:
		}
	}
}

// Stats returns what has happened since the start.
func (n *Notifier) Stats() Stats {
	st := n.counts.stats()
	st.InHand = maxInHand - n.lanes.room()
	return st
}

// lastCalls is how long calls under way may take when Run has to end: then
// they are given up, and whether they were delivered is not known.
const lastCalls = 2 * time.Second

// Run decides and sends until ctx ends, and then waits for calls under way. It
// runs once.
func (n *Notifier) Run(ctx context.Context) error {
	if n.cfg.Queues != nil {
		n.cfg.Queues.Tend(ctx, n.tend)
	}
	<-ctx.Done()
	late := time.AfterFunc(lastCalls, n.hang)
	n.work.Wait()
	late.Stop()
	n.hang()
	n.client.CloseIdleConnections()
	return nil
}

// bell hangs up what Ring rings.
func (n *Notifier) bell() chan struct{} {
	n.ringing.Lock()
	defer n.ringing.Unlock()
	ring := make(chan struct{}, 1)
	n.rings[ring] = true
	return ring
}

func (n *Notifier) unhang(ring chan struct{}) {
	n.ringing.Lock()
	defer n.ringing.Unlock()
	delete(n.rings, ring)
}

// tend looks after one queue. While nothing is due it costs one small query in
// each Poll.
func (n *Notifier) tend(ctx context.Context, q Queue) {
	ring := n.bell()
	defer n.unhang(ring)
	if nap(ctx, n.cfg.Warmup) != nil {
		return
	}
	for {
		pause := n.cfg.Poll
		due, waits, err := q.Next(ctx)
		switch {
		case err != nil || !waits:
		case due > 0:
			pause = min(due, pause)
		default:
			did, err := n.pass(ctx, q)
			if err != nil && ctx.Err() == nil {
				n.cfg.Log.Debug("pushes wait", "error", err)
			}
			// Where something is due that cannot be taken, it is no use to hurry.
			if pause = idlePause; did > 0 && err == nil {
				pause = busyPause
			}
		}
		t := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-t.C:
		case <-ring:
			t.Stop()
		}
	}
}

const (
	busyPause = 20 * time.Millisecond
	idlePause = time.Second
)

// pass decides and claims what is due, and tells how much that was.
func (n *Notifier) pass(ctx context.Context, q Queue) (int, error) {
	decided, err := n.decideDue(ctx, q)
	if err != nil {
		return 0, err
	}
	claimed, err := n.claimDue(ctx, q)
	return decided + claimed, err
}
