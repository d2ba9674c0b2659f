package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"gori/store/local"
)

// runningFile is what gori up writes into its data folder while it runs, so
// that other commands find it. It holds no secrets: a shard's address is a
// socket whose folder only its owner may enter.
const runningFile = "running.json"

// running describes a running system.
type running struct {
	PID    int           `json:"pid"`
	URL    string        `json:"url"`
	Admin  string        `json:"admin,omitempty"` // address of /metrics and pprof of the first node
	Shards []local.Shard `json:"shards"`
	// Instances are all PostgreSQL servers by their own names, primaries and
	// standbys.
	Instances []local.Shard `json:"instances"`
	Nodes     []runningNode `json:"nodes"`
	Proxy     *runningProxy `json:"proxy,omitempty"` // nil: people connect to the nodes themselves
	// Control is the socket on which instances are asked for.
	Control string       `json:"control,omitempty"`
	Roll    *runningRoll `json:"roll,omitempty"` // the rolling restart under way, or the last one
}

// runningNode is a node as gori up sees it.
type runningNode struct {
	Name     string    `json:"name"`
	PID      int       `json:"pid"` // 0: none runs just now
	URL      string    `json:"url"` // of this node alone
	Admin    string    `json:"admin"`
	State    nodeState `json:"state"`
	Out      bool      `json:"out,omitempty"` // the proxy sends it no new requests
	Restarts int       `json:"restarts"`      // since gori up began
}

type runningProxy struct {
	PID      int    `json:"pid"` // of the master; its workers are its children
	Config   string `json:"config"`
	Restarts int    `json:"restarts"`
}

// runningRoll tells how far a rolling restart is.
type runningRoll struct {
	Number int       `json:"number"` // counts those of this gori up
	Begun  time.Time `json:"begun"`
	Ended  time.Time `json:"ended,omitzero"`
	Node   string    `json:"node,omitempty"` // the one being replaced
	Done   []string  `json:"done"`
	Error  string    `json:"error,omitempty"`
}

func (r running) write(dir string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	path := filepath.Join(dir, runningFile)
	if err := os.WriteFile(path+".new", append(text, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// findRunning reads what runs on a data folder. A file that a killed gori up
// left is not believed: the folder's lock tells.
func findRunning(dir string) (running, error) {
	var r running
	text, err := os.ReadFile(filepath.Join(dir, runningFile))
	if errors.Is(err, os.ErrNotExist) {
		return r, fmt.Errorf("nothing runs on %s: start it with gori up --data %s, or name the shards by --config", dir, dir)
	}
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return r, fmt.Errorf("%s is damaged: %w", filepath.Join(dir, runningFile), err)
	}
	if !local.InUse(dir) {
		return r, fmt.Errorf("nothing runs on %s any more: start it with gori up --data %s", dir, dir)
	}
	return r, nil
}
