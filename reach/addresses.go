package reach

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"gori/config"
	"gori/shard"
	"gori/store"
)

// Addresses turns the addresses of the ring into those to connect to. Safe for
// concurrent use.
type Addresses struct {
	// static
	configured map[string]string // by name of the instance
	file       string            // more of them, read again when it has changed; may be empty
	user       string            // to log in as where the ring says the address; empty: as that says

	mu      sync.Mutex
	noted   map[string]string // of the file
	changed time.Time         // when the file that was read was written
	size    int64
}

// NewAddresses knows the shards of a configuration. If they are all logged in to
// with the rights of a node, so are those that only the ring names.
func NewAddresses(cfg config.Config) *Addresses {
	a := &Addresses{configured: map[string]string{}, file: cfg.ShardsFile, user: store.AppRole}
	for _, s := range cfg.Shards {
		a.configured[s.ID] = s.DSN
		if s.Standby != "" {
			a.configured[s.ID+shard.SecondSuffix] = s.Standby
		}
		if user, err := store.UserOf(s.DSN); err != nil || user != store.AppRole {
			a.user = ""
		}
	}
	return a
}

// Resolve is what store.Config wants.
func (a *Addresses) Resolve(addr string) (string, error) {
	name, named := strings.CutPrefix(addr, "@")
	if !named {
		if a.user == "" {
			return addr, nil
		}
		return store.AsUser(addr, a.user)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	err := a.read()
	if dsn, ok := a.noted[name]; ok {
		return dsn, nil
	}
	if dsn, ok := a.configured[name]; ok {
		return dsn, nil
	}
	if err != nil {
		return "", fmt.Errorf("no instance %s is configured, and shards_file cannot be read: %w", name, err)
	}
	return "", fmt.Errorf("no instance %s is configured", name)
}

// read reads the file if it has changed.
func (a *Addresses) read() error {
	if a.file == "" {
		return nil
	}
	info, err := os.Stat(a.file)
	if err != nil {
		return err
	}
	if info.ModTime().Equal(a.changed) && info.Size() == a.size {
		return nil
	}
	text, err := os.ReadFile(a.file)
	if err != nil {
		return err
	}
	list, err := config.ParseShards(string(text))
	if err != nil {
		return err
	}
	a.noted, a.changed, a.size = map[string]string{}, info.ModTime(), info.Size()
	for _, s := range list {
		a.noted[s.ID] = s.DSN
	}
	return nil
}
