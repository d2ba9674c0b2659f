package chat

import "sync"

// deliveries counts the hand-outs under way, so that Service.Run can wait for
// them. Unlike a sync.WaitGroup it may be asked to begin one more while it is
// being waited for: a request may commit a message at the very moment the node
// stops. The zero value is ready.
type deliveries struct {
	mu       sync.Mutex
	underWay int
	stopped  bool
	idle     chan struct{} // made by stop, closed when nothing is under way
}

// begin counts one more, or tells that the service has stopped: then no session
// is left that could hear it.
func (d *deliveries) begin() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopped {
		return false
	}
	d.underWay++
	return true
}

func (d *deliveries) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.underWay--
	if d.underWay == 0 && d.idle != nil {
		close(d.idle)
		d.idle = nil
		d.stopped = true
	}
}

// stop waits until nothing is under way; after it, begin answers false.
func (d *deliveries) stop() {
	d.mu.Lock()
	if d.underWay == 0 || d.stopped {
		d.stopped = true
		d.mu.Unlock()
		return
	}
	if d.idle == nil {
		d.idle = make(chan struct{})
	}
	idle := d.idle
	d.mu.Unlock()
	<-idle
}
