package command

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"
)

// progress shows how far a long job is: a bar on a terminal, a line now and
// then elsewhere. Safe for concurrent use; its goroutine ends with close.
type progress struct {
	w           io.Writer
	tty         bool
	unit, parts string

	mu          sync.Mutex
	done, total int
	part1, all  int
	start       time.Time
	shown       bool

	stop chan struct{}
	wg   sync.WaitGroup
}

func newProgress(w io.Writer, unit string, parts int, partUnit string) *progress {
	p := &progress{w: w, unit: unit, parts: partUnit, all: parts, start: time.Now(), stop: make(chan struct{})}
	every := 5 * time.Second
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.tty, every = true, 200*time.Millisecond
	}
	p.wg.Go(func() {
		t := time.NewTicker(every)
		defer t.Stop()
		for {
			select {
			case <-p.stop:
				return
			case <-t.C:
				p.show()
			}
		}
	})
	return p
}

// restart begins a new count.
func (p *progress) restart(total, parts int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done, p.total, p.part1, p.all, p.start = 0, total, 0, parts, time.Now()
}

func (p *progress) Add(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done += n
}

// Part notes that one of the parts is done.
func (p *progress) Part() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.part1++
}

// Say prints a line without breaking the bar.
func (p *progress) Say(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clearLocked()
	fmt.Fprintln(p.w, text)
}

// clear takes the bar away, before something else is printed.
func (p *progress) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clearLocked()
	p.total = 0
}

func (p *progress) clearLocked() {
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.shown = false
	}
}

func (p *progress) show() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.total == 0 || p.done == 0 {
		return
	}
	done := min(p.done, p.total)
	rate := float64(p.done) / time.Since(p.start).Seconds()
	text := fmt.Sprintf("%d of %d %s, %d of %d %s, %.0f %s/s", done, p.total, p.unit, p.part1, p.all, p.parts, rate, p.unit)
	if !p.tty {
		fmt.Fprintln(p.w, text)
		return
	}
	const width = 30
	full := width * done / p.total
	fmt.Fprintf(p.w, "\r[%s%s] %s\x1b[K", strings.Repeat("█", full), strings.Repeat("·", width-full), text)
	p.shown = true
}

// close ends the goroutine and takes the bar away.
func (p *progress) close() {
	close(p.stop)
	p.wg.Wait()
	p.clear()
}
