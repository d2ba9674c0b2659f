package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"gori/shard"
	"gori/store"
	"gori/store/survey"
)

// addresses turns the addresses of the ring into those to connect to. Safe for
// concurrent use.
type addresses struct {
	// static
	configured map[string]string // by name of the instance
	file       string            // more of them, read again when it has changed; may be empty
	user       string            // to log in as where the ring says the address; empty: as that says

	mu      sync.Mutex
	noted   map[string]string // of the file
	changed time.Time         // when the file that was read was written
	size    int64
}

// newAddresses knows the shards of a configuration. If they are all logged in to
// with the rights of a node, so are those that only the ring names.
func newAddresses(cfg Config) *addresses {
	a := &addresses{configured: map[string]string{}, file: cfg.ShardsFile, user: store.AppRole}
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
func (a *addresses) Resolve(addr string) (string, error) {
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
func (a *addresses) read() error {
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
	list, err := parseShards(string(text))
	if err != nil {
		return err
	}
	a.noted, a.changed, a.size = map[string]string{}, info.ModTime(), info.Size()
	for _, s := range list {
		a.noted[s.ID] = s.DSN
	}
	return nil
}

// ringShards are the shards of the newest ring document that the configured ones
// hold, with the addresses that follow from it; those it does not name, and
// those whose address is not known. Without a document they are the configured
// ones.
type ringShards struct {
	ring    *shard.Ring // nil: there is none yet
	list    []ShardConfig
	errs    []error // by index of list: why it does not answer
	strange []ShardConfig
	lost    []shard.ID
}

// findShards asks the configured shards, and then those that are elsewhere.
func findShards(ctx context.Context, configured []ShardConfig, resolve func(string) (string, error)) ringShards {
	ctx, cancel := context.WithTimeout(ctx, greetPatience)
	defer cancel()
	docs, errs := readDocuments(ctx, configured)
	r := ringShards{ring: newestOf(docs)}
	if r.ring == nil {
		r.list, r.errs = configured, errs
		return r
	}
	asked := map[ShardConfig]error{}
	for i, s := range configured {
		asked[s] = errs[i]
		if _, ok := r.ring.Seat(shard.ID(s.ID)); !ok {
			r.strange = append(r.strange, s)
		}
	}
	var elsewhere []ShardConfig
	for _, seat := range r.ring.Seats {
		dsn, err := resolve(seat.Addr)
		if err != nil {
			r.lost = append(r.lost, seat.ID)
			continue
		}
		s := ShardConfig{ID: string(seat.ID), DSN: dsn}
		if _, ok := asked[s]; !ok {
			elsewhere = append(elsewhere, s)
		}
		r.list = append(r.list, s)
	}
	_, errs = readDocuments(ctx, elsewhere)
	for i, s := range elsewhere {
		asked[s] = errs[i]
	}
	for _, s := range r.list {
		r.errs = append(r.errs, asked[s])
	}
	return r
}

// readDocuments asks each shard for its ring document; nil without an error for
// one that has none yet.
func readDocuments(ctx context.Context, shards []ShardConfig) ([]*shard.Ring, []error) {
	docs, errs := make([]*shard.Ring, len(shards)), make([]error, len(shards))
	_ = eachShard(ctx, shards, func(ctx context.Context, i int, s ShardConfig) error {
		docs[i], errs[i] = survey.Document(ctx, s.DSN)
		if errs[i] != nil && s.Standby != "" {
			docs[i], _ = survey.Document(ctx, s.Standby) // it may be the primary by now
		}
		return nil
	})
	return docs, errs
}

func newestOf(docs []*shard.Ring) *shard.Ring {
	var newest *shard.Ring
	for _, d := range docs {
		if d != nil && (newest == nil || d.Version > newest.Version) {
			newest = d
		}
	}
	return newest
}
