package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os/exec"
	"runtime"
	"sync/atomic"
	"time"

	"gori/client"
)

// Limits of a run.
const (
	MaxPairs   = 5_000
	MaxMembers = 5_000
	MaxConns   = 200_000
	MaxSeconds = 3_600
	maxRate    = 1_000_000

	sessionsPerUser = 25 // the server allows 32
	dialsAtOnce     = 64
	perAddress      = 20_000 // connections from one address of this host to one port
)

// Options of a run; zero means the default.
type Options struct {
	URL     string
	Pairs   int           // of pairs, default 200
	Members int           // of group, default 100
	Senders int           // of group: how many members send, default all
	Conns   int           // of idle: default 1,000; of connect: connecting at the same time, default 32
	For     time.Duration // how long to measure, default 20 s
	Warmup  time.Duration // before, default 2 s
	Window  int           // messages one sender has under way, default 1
	Rate    float64       // messages a second of all senders; 0: as many as are acknowledged
	Size    int           // characters of a message, default 100
	// Every is how often the rates are said while measuring; 0: never.
	Every time.Duration
	// UsersFile keeps the people for the next run; "" keeps none.
	UsersFile string
	// StallPatience is how long, after the last send, nothing may move before
	// what is missing counts as lost; default 20 s.
	StallPatience time.Duration
	// Processes finds the system's processes, asked at both ends of the
	// measurement; nil: by name.
	Processes func() Processes
	// Kill kills a node, for storm.
	Kill func(node string) error
	// Crowd is a process that runs Crowd with these options and so many
	// sessions, for storm.
	Crowd func(ctx context.Context, conns int, node string) *exec.Cmd
	// Say tells of progress; nil: nobody.
	Say func(string)

	http *http.Client
}

func (o Options) say(format string, args ...any) {
	if o.Say != nil {
		o.Say(fmt.Sprintf(format, args...))
	}
}

// Check says what is wrong with options.
func (o Options) Check() error {
	_, err := o.withDefaults()
	return err
}

func (o Options) withDefaults() (Options, error) {
	def := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	def(&o.Pairs, 200)
	def(&o.Members, 100)
	def(&o.Senders, o.Members)
	def(&o.Window, 1)
	def(&o.Size, 100)
	if o.For == 0 {
		o.For = 20 * time.Second
	}
	if o.Warmup == 0 {
		o.Warmup = 2 * time.Second
	}
	if o.StallPatience == 0 {
		o.StallPatience = 20 * time.Second
	}
	if o.Processes == nil {
		o.Processes = FindProcesses
	}
	for _, b := range []struct {
		name      string
		v, lo, hi int
	}{
		{"pairs", o.Pairs, 1, MaxPairs}, {"members", o.Members, 2, MaxMembers}, {"senders", o.Senders, 1, o.Members},
		{"conns", o.Conns, 0, MaxConns}, {"window", o.Window, 1, 60}, {"size", o.Size, 1, 100_000},
		{"seconds", int(o.For.Seconds()), 1, MaxSeconds}, {"rate", int(o.Rate), 0, maxRate},
	} {
		if b.v < b.lo || b.v > b.hi {
			return o, fmt.Errorf("%s must be from %d to %d", b.name, b.lo, b.hi)
		}
	}
	u, err := url.Parse(o.URL)
	if err != nil || u.Host == "" {
		return o, fmt.Errorf("the address %q is not http://HOST or https://HOST", o.URL)
	}
	o.http = httpClient(u.Hostname(), o.Conns)
	return o, nil
}

// httpClient makes the one http.Client of the process. To a server on this
// host, more connections than one address has ports come from several of the
// loopback addresses.
func httpClient(host string, conns int) *http.Client {
	h := client.NewHTTP()
	tr := h.Transport.(*http.Transport)
	tr.ReadBufferSize, tr.WriteBufferSize = 2048, 1024 // a socket keeps the first one
	ip := net.ParseIP(host)
	if conns <= perAddress || host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return h
	}
	var n atomic.Uint32
	tr.DialContext = func(ctx context.Context, _, addr string) (net.Conn, error) {
		from := n.Add(1) / perAddress
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(1+from))}}
		return d.DialContext(ctx, "tcp4", addr)
	}
	return h
}

// Run runs a workload: pairs, group, idle, connect or storm.
func Run(ctx context.Context, work string, o Options) (Result, error) {
	o, err := o.withDefaults()
	if err != nil {
		return Result{}, err
	}
	defer o.http.CloseIdleConnections()
	var r Result
	switch work {
	case "pairs":
		r, err = pairs(ctx, o)
	case "group":
		r, err = group(ctx, o)
	case "idle":
		r, err = idle(ctx, o)
	case "connect":
		r, err = connects(ctx, o)
	case "storm":
		r, err = storm(ctx, o)
	default:
		return Result{}, fmt.Errorf("there is no workload %q", work)
	}
	r.Work, r.Cores = work, runtime.NumCPU()
	if ctx.Err() != nil && err != nil {
		err = errors.New("stopped before the end")
	}
	return r, err
}

// sleep waits, or less if ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
