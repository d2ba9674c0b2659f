package chat

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"
)

// Bounds of lanes.
const (
	laneHold     = 20 * time.Millisecond // how long a message waits for an earlier one
	laneMaxHeld  = 256                   // messages held; more go out as they are
	lanesPerLock = 4096                  // idle lanes remembered, per lock
)

// lane is the delivery of one channel on this node. Appends of one channel
// return in any order; the lane puts their messages back into seq order before
// they reach sessions, since every message out of order costs each client a
// fetch. It holds a message only while an append that may own an earlier seq is
// still under way, and never an ack.
type lane struct {
	id ChannelID

	mu       sync.Mutex
	inFlight int        // appends begun and not ended
	last     Seq        // the highest seq passed on; 0: not known
	held     []outgoing // waiting for an earlier seq, ascending
	ready    []outgoing // in the order to go out
	draining bool       // a goroutine is taking from ready
	timer    *time.Timer
}

// outgoing is an encoded frame of a channel. seq is 0 for frames that have no
// place in the order of messages.
type outgoing struct {
	seq     Seq
	version int64 // of the member list
	frame   []byte
	light   bool
	since   time.Time // held since
}

type laneShard struct {
	mu    sync.Mutex
	lanes map[ChannelID]*lane
}

// enter notes that an append of the channel begins.
func (svc *Service) enter(id ChannelID) *lane {
	sh := &svc.lanes[channelShard(id)]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	ln := sh.lanes[id]
	if ln == nil {
		if len(sh.lanes) >= lanesPerLock {
			sh.forgetIdleLocked()
		}
		ln = &lane{id: id}
		sh.lanes[id] = ln
	}
	ln.mu.Lock()
	ln.inFlight++
	ln.mu.Unlock()
	return ln
}

// forgetIdleLocked drops idle lanes, any of them: what a lane remembers is only
// a shortcut.
func (sh *laneShard) forgetIdleLocked() {
	for id, ln := range sh.lanes {
		ln.mu.Lock()
		idle := ln.inFlight == 0 && len(ln.held) == 0 && len(ln.ready) == 0 && !ln.draining
		ln.mu.Unlock()
		if idle {
			delete(sh.lanes, id)
		}
	}
}

// leave notes that an append has ended and passes its messages on.
func (svc *Service) leave(ln *lane, out []outgoing) {
	ln.mu.Lock()
	defer ln.mu.Unlock()
	ln.inFlight--
	for _, o := range out {
		switch {
		case ln.last != 0 && o.seq <= ln.last+1, len(ln.held) == 0 && ln.inFlight == 0:
			ln.passLocked(o)
		default:
			o.since = time.Now()
			i, _ := slices.BinarySearchFunc(ln.held, o, func(a, b outgoing) int { return cmp.Compare(a.seq, b.seq) })
			ln.held = slices.Insert(ln.held, i, o)
		}
	}
	ln.sortOutLocked()
	svc.armLocked(ln)
	svc.startDrainLocked(ln)
}

// armLocked sees to it that no message is held longer than laneHold.
func (svc *Service) armLocked(ln *lane) {
	if len(ln.held) == 0 || ln.timer != nil {
		return
	}
	oldest := ln.held[0].since
	for _, o := range ln.held {
		if o.since.Before(oldest) {
			oldest = o.since
		}
	}
	if !svc.work.begin() {
		ln.held = nil
		return
	}
	ln.timer = time.AfterFunc(time.Until(oldest.Add(laneHold)), func() {
		defer svc.work.end()
		ln.mu.Lock()
		defer ln.mu.Unlock()
		ln.timer = nil
		ln.passOldLocked(time.Now().Add(-laneHold))
		svc.armLocked(ln)
		svc.startDrainLocked(ln)
	})
}

// passOldLocked passes on what has been held since before a time, and whatever
// has an earlier seq.
func (ln *lane) passOldLocked(before time.Time) {
	for i := len(ln.held) - 1; i >= 0; i-- {
		if !ln.held[i].since.After(before) {
			for _, o := range ln.held[:i+1] {
				ln.passLocked(o)
			}
			ln.held = ln.held[i+1:]
			break
		}
	}
	ln.sortOutLocked()
}

// passLocked puts a message at the end of what goes out.
func (ln *lane) passLocked(o outgoing) {
	ln.ready = append(ln.ready, o)
	ln.last = max(ln.last, o.seq)
}

// sortOutLocked passes on what no longer needs to wait.
func (ln *lane) sortOutLocked() {
	for len(ln.held) > 0 && ln.last != 0 && ln.held[0].seq <= ln.last+1 {
		ln.passLocked(ln.held[0])
		ln.held = ln.held[1:]
	}
	if ln.inFlight == 0 || len(ln.held) > laneMaxHeld {
		ln.passHeldLocked()
	}
	if len(ln.held) == 0 {
		ln.held = nil
	}
}

func (ln *lane) passHeldLocked() {
	for _, o := range ln.held {
		ln.passLocked(o)
	}
	ln.held = nil
}

// tell passes on a frame that has no place in the order of messages, after all
// that is ready now.
func (svc *Service) tell(id ChannelID, o outgoing) {
	ln := svc.enter(id)
	ln.mu.Lock()
	defer ln.mu.Unlock()
	ln.inFlight--
	ln.ready = append(ln.ready, o)
	svc.startDrainLocked(ln)
}

func (svc *Service) startDrainLocked(ln *lane) {
	if ln.draining || len(ln.ready) == 0 {
		return
	}
	if !svc.work.begin() {
		ln.ready = nil
		return
	}
	ln.draining = true
	go svc.drainLane(ln)
}

// drainLane hands what is ready to the sessions, in order, until nothing is.
func (svc *Service) drainLane(ln *lane) {
	defer svc.work.end()
	ctx := context.Background()
	for {
		ln.mu.Lock()
		batch := ln.ready
		ln.ready = nil
		if len(batch) == 0 {
			ln.draining = false
			ln.mu.Unlock()
			return
		}
		ln.mu.Unlock()
		frames := make([]Frame, len(batch))
		version := int64(0)
		for i, o := range batch {
			frames[i] = Frame{Bytes: o.frame, Channel: ln.id, Light: o.light}
			version = max(version, o.version)
		}
		within, cancel := context.WithTimeout(ctx, deliverWithin)
		svc.fanOut(within, ln.id, version, frames...)
		cancel()
	}
}
