package chat

import (
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// Chooser names the node that a device should use. Between beats it counts
// whom it has sent where itself, so that a storm does not pile on the node
// that was the emptiest a moment ago. It is safe for concurrent use.
type Chooser struct {
	random func(n int) int // uniform, 0 to n-1
	now    func() time.Time

	mu   sync.Mutex
	sent map[string]*sentThere // by run; of live nodes only
}

// sentThere counts the people sent to a node by eighths of a second.
type sentThere struct {
	slots [sentSlots]int32
	last  int64 // the newest slot's time, in slots
}

// People take about a second to arrive; a beat is up to NodeDeadAfter old.
const (
	sentSlot     = time.Second / 8
	sentSlots    = 64
	arriveWithin = time.Second
)

// NewChooser makes a Chooser; nil arguments mean the real ones.
func NewChooser(random func(n int) int, now func() time.Time) *Chooser {
	if random == nil {
		random = rand.IntN
	}
	if now == nil {
		now = time.Now
	}
	return &Chooser{random: random, now: now, sent: make(map[string]*sentThere)}
}

// Choose names one of the nodes, ok is false if none takes people. Nodes of the
// region come first, if it is named and one of them has room. Of two drawn at
// random the one with the greater share of free places is taken: as good as
// the best of all, and two nodes that choose at the same time do not both
// choose the same (Mitzenmacher, The Power of Two Choices, 2001). A node that is
// about as free as the other one chooses itself, for it knows the login already;
// who asks has been spread over the nodes before.
func (c *Chooser) Choose(nodes []NodeState, region string) (chosen NodeState, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	slot := c.now().UnixNano() / int64(sentSlot)
	c.forgetLocked(nodes)
	var near, all []candidate
	for _, n := range nodes {
		if !n.Ready || n.Draining || n.Age >= NodeDeadAfter {
			continue
		}
		there := n.Sessions + c.pendingLocked(n, slot)
		if there >= n.Capacity {
			continue
		}
		one := candidate{n, float64(there) / float64(n.Capacity)}
		all = append(all, one)
		if region != "" && n.Region == region {
			near = append(near, one)
		}
	}
	if len(near) > 0 {
		all = near
	}
	if len(all) == 0 {
		return NodeState{}, false
	}
	best := c.ofTwo(all)
	c.countLocked(best.Run, slot)
	return best, true
}

type candidate struct {
	node NodeState
	load float64
}

// selfSlack is by how much of its places a node may be fuller than another one
// and choose itself all the same: of the other it knows less, and later.
const selfSlack = 0.05

func (c *Chooser) ofTwo(all []candidate) NodeState {
	i := slices.IndexFunc(all, func(one candidate) bool { return one.node.Self })
	slack := selfSlack
	if i < 0 {
		i, slack = c.random(len(all)), 0
	}
	if len(all) == 1 {
		return all[i].node
	}
	j := c.random(len(all) - 1)
	if j >= i {
		j++
	}
	if all[j].load < all[i].load-slack {
		i = j
	}
	return all[i].node
}

// pendingLocked is how many were sent there that the beat does not count yet.
func (c *Chooser) pendingLocked(n NodeState, slot int64) int {
	s := c.sent[n.Run]
	if s == nil {
		return 0
	}
	since := min(int64((n.Age+arriveWithin)/sentSlot)+1, sentSlots)
	sum := 0
	for at := max(slot-since+1, s.last-sentSlots+1); at <= s.last; at++ {
		sum += int(s.slots[uint64(at)%sentSlots])
	}
	return sum
}

func (c *Chooser) countLocked(run string, slot int64) {
	s := c.sent[run]
	if s == nil {
		s = &sentThere{last: slot}
		c.sent[run] = s
	}
	if slot-s.last >= sentSlots {
		s.slots = [sentSlots]int32{}
		s.last = slot
	}
	for s.last < slot {
		s.last++
		s.slots[uint64(s.last)%sentSlots] = 0
	}
	s.slots[uint64(s.last)%sentSlots]++
}

// forgetLocked drops the counts of nodes that are no more.
func (c *Chooser) forgetLocked(nodes []NodeState) {
	if len(c.sent) <= len(nodes) {
		return
	}
	live := make(map[string]bool, len(nodes))
	for _, n := range nodes {
		live[n.Run] = true
	}
	for run := range c.sent {
		if !live[run] {
			delete(c.sent, run)
		}
	}
}
