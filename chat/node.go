package chat

import "time"

// NodeState is what a node tells the others of itself every 2 s, and how long
// ago that was. A node silent for NodeDeadAfter is dead.
type NodeState struct {
	Name      string `json:"name"`
	Region    string `json:"region,omitempty"` // a label; devices of the same one are sent here first
	Version   string `json:"version"`
	Run       string `json:"run"` // differs between two runs of a node of the same name
	PID       int    `json:"pid"`
	Sessions  int    `json:"sessions"`
	Capacity  int    `json:"capacity"` // sessions the node takes
	CPU       int    `json:"cpu"`      // thousandths of the host's CPU used since the last beat
	Ready     bool   `json:"ready"`    // it may be sent people
	Draining  bool   `json:"draining"`
	StartedAt Millis `json:"started_at"`

	// Set by whoever reads the table; not sent.
	Self bool          `json:"self,omitempty"` // the node that answers
	Age  time.Duration `json:"-"`              // since its last beat, by the reader's monotonic clock
}

// Times of the beats between nodes.
const (
	NodeBeatEvery = 2 * time.Second
	NodeDeadAfter = 6 * time.Second
)
