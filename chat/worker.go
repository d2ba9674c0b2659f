package chat

import (
	"fmt"
	"runtime/debug"
	"sync"
)

// maxIdleWorkers is how many goroutines wait for a frame to handle; more come
// and go while they are needed.
const maxIdleWorkers = 16

// workers lends goroutines on which frames are handled. Decoding a frame needs
// a stack of 8 KB or more, and a stack that has grown never shrinks back under
// a goroutine that waits in a read: with frames handled here the read loop of a
// silent session keeps the 4 KB it was made with, which halves its memory.
// Each handling is waited for by the read loop that asked for it. The idle ones
// end with the last session.
type workers struct {
	mu   sync.Mutex
	idle []*worker
}

type worker struct {
	in   chan handling
	out  chan handled
	done chan struct{}
}

type handling struct {
	s    *Session
	data []byte
}

type handled struct {
	ok       bool
	panicked error // nil: it did not
}

// handle runs s.handle(data) and returns what it returns. A panic there comes
// back as one here, so that whoever runs the session deals with it.
func (w *workers) handle(s *Session, data []byte) bool {
	k := w.take()
	k.in <- handling{s, data}
	res := <-k.out
	w.put(k)
	if res.panicked != nil {
		panic(res.panicked)
	}
	return res.ok
}

func (w *workers) take() *worker {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n := len(w.idle); n > 0 {
		k := w.idle[n-1]
		w.idle = w.idle[:n-1]
		return k
	}
	k := &worker{in: make(chan handling), out: make(chan handled), done: make(chan struct{})}
	go k.run()
	return k
}

func (w *workers) put(k *worker) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.idle) < maxIdleWorkers {
		w.idle = append(w.idle, k)
		return
	}
	close(k.in)
}

// stop ends the idle workers and waits for them.
func (w *workers) stop() {
	w.mu.Lock()
	idle := w.idle
	w.idle = nil
	w.mu.Unlock()
	for _, k := range idle {
		close(k.in)
		<-k.done
	}
}

func (k *worker) run() {
	defer close(k.done)
	for h := range k.in {
		k.out <- k.one(h)
	}
}

func (k *worker) one(h handling) (res handled) {
	defer func() {
		if v := recover(); v != nil {
			res.panicked = fmt.Errorf("handling a frame: %v\n%s", v, debug.Stack())
		}
	}()
	return handled{ok: h.s.handle(h.data)}
}
