package mesh

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"os"
	"strconv"
	"sync/atomic"
)

// Stats counts since Open.
type Stats struct {
	Sent, SentBytes         uint64 // messages published
	Received, ReceivedBytes uint64 // messages heard
	Items                   uint64 // tidings and gossip in them
	Dropped                 uint64 // items for a peer whose queue was full
	Lost                    uint64 // messages that NATS did not take, or that were lost on purpose
	Missed                  uint64 // times that chat was told to look
	Unread                  uint64 // messages that could not be read
	Unknown                 uint64 // messages of a node whose beat had not come
	Peers                   int
}

type counters struct {
	sent, sentBytes, received, receivedBytes, items, dropped, lost, missed, unread, unknown atomic.Uint64
}

// Stats reads the counters.
func (m *Mesh) Stats() Stats {
	c := &m.stats
	m.mu.Lock()
	peers := len(m.names)
	m.mu.Unlock()
	return Stats{Sent: c.sent.Load(), SentBytes: c.sentBytes.Load(), Received: c.received.Load(), ReceivedBytes: c.receivedBytes.Load(),
		Items: c.items.Load(), Dropped: c.dropped.Load(), Lost: c.lost.Load(), Missed: c.missed.Load(),
		Unread: c.unread.Load(), Unknown: c.unknown.Load(), Peers: peers}
}

// newRun makes a name for this run of the node. NATS subjects hold it.
func newRun() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

func pid() int { return os.Getpid() }

// cpuMeter measures the host's CPU between two calls, in thousandths.
type cpuMeter struct{ busy, all uint64 }

// read returns 0 the first time and where /proc is missing.
func (c *cpuMeter) read() int {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	line, _, _ := bytes.Cut(b, []byte("\n"))
	var busy, all uint64
	for i, f := range bytes.Fields(line) {
		n, err := strconv.ParseUint(string(f), 10, 64)
		if err != nil || i > 8 {
			continue // the name, and guests, who are in user already
		}
		all += n
		if i != 4 && i != 5 { // idle and waiting for disks
			busy += n
		}
	}
	spent, passed, first := busy-c.busy, all-c.all, c.all == 0
	c.busy, c.all = busy, all
	if first || passed == 0 {
		return 0
	}
	return int(spent * 1000 / passed)
}
