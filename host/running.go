package host

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"gori/store/local"
)

// RunningFile is what gori up writes into its data folder while it runs, so
// that other commands find it. It holds no secrets: a shard's address is a
// socket whose folder only its owner may enter.
const RunningFile = "running.json"

// Running describes a running system.
type Running struct {
	PID    int           `json:"pid"`
	URL    string        `json:"url"`
	Admin  string        `json:"admin,omitempty"` // address of /metrics and pprof of the first node
	Shards []local.Shard `json:"shards"`
	// Instances are all PostgreSQL servers by their own names, primaries and
	// standbys.
	Instances []local.Shard `json:"instances"`
	Nodes     []Node        `json:"nodes"`
	Proxy     *Proxy        `json:"proxy,omitempty"` // nil: people connect to the nodes themselves
	// Control is the socket on which instances are asked for.
	Control string `json:"control,omitempty"`
	Roll    *Roll  `json:"roll,omitempty"` // the rolling restart under way, or the last one
}

// Node is a node as gori up sees it.
type Node struct {
	Name     string `json:"name"`
	PID      int    `json:"pid"` // 0: none runs just now
	URL      string `json:"url"` // of this node alone
	Admin    string `json:"admin"`
	State    State  `json:"state"`
	Out      bool   `json:"out,omitempty"` // the proxy sends it no new requests
	Restarts int    `json:"restarts"`      // since gori up began
}

// Proxy is the Nginx that runs.
type Proxy struct {
	PID      int    `json:"pid"` // of the master; its workers are its children
	Config   string `json:"config"`
	Restarts int    `json:"restarts"`
}

// Roll tells how far a rolling restart is.
type Roll struct {
	Number int       `json:"number"` // counts those of this gori up
	Begun  time.Time `json:"begun"`
	Ended  time.Time `json:"ended,omitzero"`
	Node   string    `json:"node,omitempty"` // the one being replaced
	Done   []string  `json:"done"`
	Error  string    `json:"error,omitempty"`
}

func (r Running) write(dir string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	path := filepath.Join(dir, RunningFile)
	if err := os.WriteFile(path+".new", append(text, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// FindRunning reads what runs on a data folder. A file that a killed gori up
// left is not believed: the folder's lock tells.
func FindRunning(dir string) (Running, error) {
	var r Running
	text, err := os.ReadFile(filepath.Join(dir, RunningFile))
	if errors.Is(err, os.ErrNotExist) {
		return r, fmt.Errorf("nothing runs on %s: start it with gori up --data %s, or name the shards by --config", dir, dir)
	}
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return r, fmt.Errorf("%s is damaged: %w", filepath.Join(dir, RunningFile), err)
	}
	if !local.InUse(dir) {
		return r, fmt.Errorf("nothing runs on %s any more: start it with gori up --data %s", dir, dir)
	}
	return r, nil
}
