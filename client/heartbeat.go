package client

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// heartbeat pings, and gives a connection up that is silent or stuck: one timer
// fires in turn to ping and, half the time between pings later, to see whether
// anything has come since.
type heartbeat struct {
	l     *Live
	w     *wire
	fresh atomic.Bool // something was heard since the last ping

	mu    sync.Mutex
	timer *time.Timer
	asked bool // a ping waits for its answer
	ended bool
}

func (l *Live) heartbeat(w *wire) *heartbeat {
	h := &heartbeat{l: l, w: w}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.timer = time.AfterFunc(rand.N(l.opt.Heartbeat)+1, h.tick)
	return h
}

func (h *heartbeat) heard() {
	if !h.fresh.Load() {
		h.fresh.Store(true)
	}
}

// tick pings, or gives the connection up if nothing came after a ping.
func (h *heartbeat) tick() {
	h.turn()
	h.w.flush()
}

func (h *heartbeat) turn() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended {
		return
	}
	every := h.l.opt.Heartbeat
	silent := h.asked && !h.fresh.Load()
	if silent || h.w.stuck(every) || h.l.out.overdue(ackTimeout) {
		h.ended = true
		h.w.abort()
		return
	}
	h.asked = !h.asked
	if !h.asked {
		h.timer.Reset(every - every/2)
		return
	}
	h.fresh.Store(false)
	h.timer.Reset(every / 2)
	ping := `{"op":"ping","active":true}`
	if h.l.opt.Active != nil && !h.l.opt.Active() {
		ping = `{"op":"ping","active":false}`
	}
	h.w.enqueue([]byte(ping))
}

func (h *heartbeat) stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ended = true
	h.timer.Stop()
}
