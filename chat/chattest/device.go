package chattest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"gori/chat"
)

// deviceWait is how long a Device waits for what is missing before it fetches
// it, as real ones do.
const deviceWait = 500 * time.Millisecond

// Device is a client of a Cluster: it keeps what it is told, fetches what is
// missing, and comes back on another node when its connection ends.
type Device struct {
	Who chat.Identity

	c    *Cluster
	ctx  context.Context
	stop context.CancelFunc
	work sync.WaitGroup

	mu      sync.Mutex
	line    *line // the present connection
	pos     chat.Pos
	views   map[chat.ChannelID]*view
	entries map[chat.ChannelID]chat.InboxEntry
	heard   map[string]int // frames, by op
	last    map[string]map[string]any
	ended   chat.CloseCode // why it does not come back
	resumes int
}

// view is what a device has of a channel.
type view struct {
	seq, seqTo       chat.Seq
	change, changeTo chat.Change
	messages         map[chat.Seq]chat.Message
	kept             map[chat.Seq]chat.Message // too early
	looking          bool
}

// line is one connection.
type line struct {
	d    *Device
	node *Node
	in   chan []byte
	gone chan struct{}

	mu   sync.Mutex
	code chat.CloseCode
}

var errLine = errors.New("the connection has ended")

// Connect makes a device of a user on a node. It lives until ctx ends or its
// login does.
func (c *Cluster) Connect(ctx context.Context, who chat.Identity, node int) *Device {
	d := &Device{Who: who, c: c, views: map[chat.ChannelID]*view{}, entries: map[chat.ChannelID]chat.InboxEntry{},
		heard: map[string]int{}, last: map[string]map[string]any{}}
	d.ctx, d.stop = context.WithCancel(ctx)
	d.work.Go(func() { d.live(node) })
	d.work.Go(d.beat)
	return d
}

// Close ends the device and waits.
func (d *Device) Close() {
	d.stop()
	d.Hangup()
	d.work.Wait()
}

// Hangup cuts the connection; the device comes back on some node.
func (d *Device) Hangup() {
	d.mu.Lock()
	l := d.line
	d.mu.Unlock()
	if l != nil {
		l.Close(-1, "")
	}
}

func (d *Device) live(node int) {
	for d.ctx.Err() == nil {
		l := &line{d: d, node: d.c.Nodes[node], in: make(chan []byte, 16), gone: make(chan struct{})}
		d.mu.Lock()
		d.line = l
		l.in <- fmt.Appendf(nil, `{"op":"resume","v":1,"pos":%d}`, d.pos)
		d.mu.Unlock()
		_ = l.node.Service.NewSession(d.Who, l).Run(d.ctx)
		l.Close(-1, "")
		if l.code >= 4100 {
			d.mu.Lock()
			d.ended = l.code
			d.mu.Unlock()
			return
		}
		d.sleep(time.Duration(100+d.c.Intn(500)) * time.Millisecond)
		node = d.c.Intn(len(d.c.Nodes))
	}
}

// beat keeps the connection from being taken for dead.
func (d *Device) beat() {
	for d.ctx.Err() == nil && d.Ended() == 0 {
		d.sleep(chat.HeartbeatSeconds * time.Second)
		d.Say(`{"op":"ping","active":true}`)
	}
}

func (d *Device) sleep(t time.Duration) {
	select {
	case <-time.After(t):
	case <-d.ctx.Done():
	}
}

// Say sends a frame.
func (d *Device) Say(format string, args ...any) {
	d.mu.Lock()
	l := d.line
	d.mu.Unlock()
	if l == nil {
		return
	}
	select {
	case l.in <- fmt.Appendf(nil, format, args...):
	case <-l.gone:
	}
}

// Heard returns how many frames of an op have come.
func (d *Device) Heard(op string) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.heard[op]
}

// Last returns the last frame of an op.
func (d *Device) Last(op string) map[string]any {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.last[op]
}

// Ended returns why the device does not come back; 0: it lives.
func (d *Device) Ended() chat.CloseCode {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ended
}

// Resumes returns how often the device has resumed.
func (d *Device) Resumes() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.resumes
}

// Holds tells whether a message of a channel has reached the device.
func (d *Device) Holds(ch chat.ChannelID, seq chat.Seq) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	v := d.views[ch]
	if v == nil {
		return false
	}
	_, has := v.messages[seq]
	_, kept := v.kept[seq]
	return has || kept
}

func (l *line) ReadFrame(ctx context.Context) ([]byte, error) {
	select {
	case b := <-l.in:
		return b, nil
	case <-l.gone:
		return nil, errLine
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *line) WriteFrames(_ context.Context, frames [][]byte, may func() bool) (int, error) {
	select {
	case <-l.gone:
		return 0, errLine
	default:
	}
	for i, b := range frames {
		if !may() {
			return i, chat.ErrMayNot
		}
		l.d.take(l, b)
	}
	return len(frames), nil
}

func (l *line) Close(code chat.CloseCode, _ string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.code == 0 {
		l.code = code
		close(l.gone)
	}
}

// anyFrame is what a device reads of a frame.
type anyFrame struct {
	Op      string            `json:"op"`
	Pos     chat.Pos          `json:"pos"`
	More    bool              `json:"more"`
	Entries []chat.InboxEntry `json:"entries"`
	Message json.RawMessage   `json:"message"`
}

func (d *Device) take(l *line, b []byte) {
	var f anyFrame
	var all map[string]any
	if err := errors.Join(json.Unmarshal(b, &all), json.Unmarshal(b, &f)); err != nil {
		panic(fmt.Sprintf("a frame %.200q: %v", b, err))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.heard[f.Op]++
	d.last[f.Op] = all
	switch f.Op {
	case "resumed":
		d.resumes++
		d.enter(f.Entries, f.Pos)
		if f.More {
			d.work.Go(func() { d.page(l.node, f.Pos) })
		}
	case "inbox":
		d.enter(f.Entries, f.Pos)
	case "msg", "change":
		var m chat.Message
		if err := json.Unmarshal(f.Message, &m); err != nil {
			panic(err)
		}
		d.message(m, f.Op == "change")
	}
}

// page reads the rest of the inbox.
func (d *Device) page(n *Node, pos chat.Pos) {
	for more := true; more; {
		page, _, err := n.Service.Inbox(d.ctx, d.Who, pos, 500)
		if err != nil {
			return
		}
		d.mu.Lock()
		d.enter(page.Entries, page.Pos)
		d.mu.Unlock()
		pos, more = page.Pos, page.More
	}
}
