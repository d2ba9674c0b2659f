package client

import (
	"sync"
	"sync/atomic"
	"time"
)

// Stats are a Live's counts since its start.
type Stats struct {
	Connects int64 // resumes
	Fetched  int64 // messages that came by history, because their live frames did not come, or not in order
	// LongestGap is the longest time without a session: from the loss, as the
	// device noticed it, to the next resume. One that goes on counts.
	LongestGap time.Duration
	// LongestSend is the longest time from Enqueue to the receipt, with all
	// waiting in the outbox; it contains what LongestGap cannot know.
	LongestSend time.Duration
}

// meter keeps Stats.
type meter struct {
	connects atomic.Int64
	fetched  atomic.Int64
	send     atomic.Int64

	mu      sync.Mutex
	since   time.Time // when the last session was lost; zero: there is one, or has been none
	live    bool
	longest time.Duration
}

func (m *meter) resumed() {
	m.connects.Add(1)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.live = true
	if !m.since.IsZero() {
		m.longest = max(m.longest, time.Since(m.since))
		m.since = time.Time{}
	}
}

func (m *meter) lost() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.live {
		m.live, m.since = false, time.Now()
	}
}

func (m *meter) sent(d time.Duration) {
	for {
		old := m.send.Load()
		if int64(d) <= old || m.send.CompareAndSwap(old, int64(d)) {
			return
		}
	}
}

// Connects counts resumes.
func (l *Live) Connects() int64 { return l.meter.connects.Load() }

// Fetched is Stats().Fetched.
func (l *Live) Fetched() int64 { return l.meter.fetched.Load() }

// Stats are the counts so far.
func (l *Live) Stats() Stats {
	m := &l.meter
	m.mu.Lock()
	defer m.mu.Unlock()
	gap := m.longest
	select {
	case <-l.done:
	default:
		if !m.since.IsZero() {
			gap = max(gap, time.Since(m.since))
		}
	}
	return Stats{Connects: m.connects.Load(), Fetched: m.fetched.Load(), LongestGap: gap, LongestSend: time.Duration(m.send.Load())}
}
