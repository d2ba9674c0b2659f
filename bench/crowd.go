package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"gori/client"
)

// A crowd is many sessions that only beat. It is a process of its own, and the
// last to get a processor: many devices that come at once have processors of
// their own, and neither those who talk meanwhile, and are measured, nor the
// system must wait for them.

// crowdWord is what the crowd's process writes, a line each.
type crowdWord struct {
	Up       int   `json:"up"`   // connected now
	Back     int   `json:"back"` // of them, connected again after a loss
	Connects int64 `json:"connects"`
	GapMS    int64 `json:"gap_ms"` // the longest that one was not connected
}

const crowdTick = 20 * time.Millisecond // between two words

// Crowd connects o.Conns sessions, all to one node at first and where discover
// says when they come again, and tells on out how they are until in ends.
func Crowd(ctx context.Context, o Options, node string, in io.Reader, out io.Writer) error {
	o, err := o.withDefaults()
	if err != nil {
		return err
	}
	giveWay()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, in) // ends with the process that started this one
		cancel()
	}()
	people, err := o.people(ctx, stormPeople(o.Conns))
	if err != nil {
		return err
	}
	c := &gathering{lives: make([]*client.Live, o.Conns)}
	defer c.leave()
	if err := c.gather(ctx, people[2*stormPairs:], node); err != nil {
		return err
	}
	tick := time.NewTicker(crowdTick)
	defer tick.Stop()
	enc := json.NewEncoder(out)
	for {
		if err := enc.Encode(c.word()); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return enc.Encode(c.word())
		case <-tick.C:
		}
	}
}

// stormPeople is how many people a storm needs: first those who talk.
func stormPeople(conns int) int { return 2*stormPairs + (conns+sessionsPerUser-1)/sessionsPerUser }

// giveWay makes a process that has a session of its own the last to get a
// processor: by the niceness of its threads, and where the kernel shares the
// processors out by sessions by that of its session. What is refused is done
// without.
func giveWay() {
	if syscall.Getpgrp() != os.Getpid() {
		return // it would be that of others too
	}
	_ = syscall.Setpriority(syscall.PRIO_PGRP, 0, lastInTurn)
	_ = os.WriteFile("/proc/self/autogroup", []byte(strconv.Itoa(lastInTurn)), 0)
}

const lastInTurn = 19 // niceness

type gathering struct {
	lives              []*client.Live
	up, back, connects atomic.Int64
	gap                atomic.Int64 // the longest, in ms
}

func (c *gathering) gather(ctx context.Context, people []*client.Client, node string) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(dialsAtOnce)
	for i := range c.lives {
		g.Go(func() error {
			if gctx.Err() != nil {
				return gctx.Err()
			}
			// It remembers its position, as every device does: coming back costs less
			// than coming. The life of a Live is longer than gctx. Its events come one at a time;
			// Disconnected also comes for each try that fails.
			up, again := false, false
			var lost time.Time
			l := people[i%len(people)].Start(ctx, client.LiveOptions{CatchUp: 1, First: node, Events: client.Events{
				Connected: func(client.Resumed) {
					up = true
					c.up.Add(1)
					c.connects.Add(1)
					if again {
						c.back.Add(1)
						c.gapped(time.Since(lost))
					}
				},
				Disconnected: func(error) {
					if !up {
						return
					}
					c.up.Add(-1)
					if again {
						c.back.Add(-1)
					}
					up, again, lost = false, true, time.Now()
				},
			}})
			c.lives[i] = l
			select {
			case <-l.Ready():
				return nil
			case <-l.Done():
				return fmt.Errorf("session %d: %w", i+1, l.Err())
			case <-gctx.Done():
				return gctx.Err()
			}
		})
	}
	return g.Wait()
}

// gapped notes for how long one was not connected.
func (c *gathering) gapped(d time.Duration) {
	for old := c.gap.Load(); old < d.Milliseconds() && !c.gap.CompareAndSwap(old, d.Milliseconds()); old = c.gap.Load() {
	}
}

func (c *gathering) word() crowdWord {
	return crowdWord{Up: int(c.up.Load()), Back: int(c.back.Load()), Connects: c.connects.Load(), GapMS: c.gap.Load()}
}

func (c *gathering) leave() {
	var wg sync.WaitGroup
	for _, l := range c.lives {
		if l != nil {
			wg.Go(l.Close)
		}
	}
	wg.Wait()
}

// crowdProcess is the crowd as its parent sees it.
type crowdProcess struct {
	cmd  *exec.Cmd
	in   io.Closer
	last atomic.Pointer[crowdWord] // nil: not gathered yet
	done chan struct{}             // closed when it has ended
	err  error                     // why; read after done
}

// startCrowd starts it; end it with stop.
func startCrowd(cmd *exec.Cmd) (*crowdProcess, error) {
	p := &crowdProcess{cmd: cmd, done: make(chan struct{})}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.in = in
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.done)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			w := new(crowdWord)
			if json.Unmarshal(lines.Bytes(), w) == nil {
				p.last.Store(w)
			}
		}
		p.err = cmd.Wait()
	}()
	return p, nil
}

// word is the last one; an error if the crowd has ended.
func (p *crowdProcess) word() (*crowdWord, error) {
	select {
	case <-p.done:
		return nil, errors.Join(errors.New("the crowd has ended"), p.err)
	default:
		return p.last.Load(), nil
	}
}

func (p *crowdProcess) stop() {
	_ = p.in.Close()
	<-p.done
}
