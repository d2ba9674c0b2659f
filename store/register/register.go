package register

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"gori/shard"
	"gori/shard/reshard"
)

// Config says where acceptors are.
type Config struct {
	// Shards returns the shards of the configuration with their addresses; they
	// are asked before the document is known.
	Shards func() map[shard.ID]string
	// Resolve makes a DSN of a seat's address. nil: "@NAME" is the shard NAME of
	// Shards, anything else is a DSN itself.
	Resolve func(addr string) (dsn string, err error)
	// Witness returns the file of a witness (its name without the prefix); nil:
	// there is none within reach.
	Witness func(name string) (path string, err error)
	// Timeout bounds the answer of each acceptor; 0: 1 s.
	Timeout time.Duration
	At      reshard.At
}

// Register is a reshard.Register over the acceptors of a system. Close it.
type Register struct {
	*reshard.Register
	cfg Config

	mu     sync.Mutex
	shards map[shard.ID]*onShard
	old    []*onShard // replaced since the shard moved
}

// Open returns the register. It connects when it is first used.
func Open(cfg Config) *Register {
	r := &Register{cfg: cfg, shards: map[shard.ID]*onShard{}}
	host, _ := os.Hostname()
	r.Register = reshard.NewRegister(reshard.RegisterConfig{
		Name:    fmt.Sprintf("%s/%d/%s", host, os.Getpid(), rand.Text()[:8]),
		Known:   r.known,
		Dial:    r.dial,
		Timeout: cfg.Timeout,
		At:      cfg.At,
	})
	return r
}

// Close ends what is under way and closes the connections.
func (r *Register) Close() {
	r.Register.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range r.shards {
		a.close()
	}
	for _, a := range r.old {
		a.close()
	}
	r.shards, r.old = nil, nil
}

func (r *Register) known() []string {
	var names []string
	for id := range r.cfg.Shards() {
		names = append(names, string(id))
	}
	return names
}

// DSN returns where a shard is: where the ring says, else where the
// configuration says.
func (r *Register) DSN(id shard.ID, ring *shard.Ring) (string, error) {
	if ring != nil {
		if seat, ok := ring.Seat(id); ok {
			return r.resolve(seat.Addr)
		}
	}
	if dsn, ok := r.cfg.Shards()[id]; ok {
		return dsn, nil
	}
	return "", fmt.Errorf("nobody knows where shard %s is", id)
}

func (r *Register) resolve(addr string) (string, error) {
	if r.cfg.Resolve != nil {
		return r.cfg.Resolve(addr)
	}
	name, ok := strings.CutPrefix(addr, "@")
	if !ok {
		return addr, nil
	}
	dsn, ok := r.cfg.Shards()[shard.ID(name)]
	if !ok {
		return "", fmt.Errorf("the configuration does not name the instance %s", name)
	}
	return dsn, nil
}

func (r *Register) dial(_ context.Context, name string, ring *shard.Ring) (reshard.Acceptor, error) {
	if w, ok := strings.CutPrefix(name, shard.WitnessPrefix); ok {
		if r.cfg.Witness == nil {
			return nil, fmt.Errorf("%s is a file on another host", name)
		}
		path, err := r.cfg.Witness(w)
		return witness{path: path}, err
	}
	id := shard.ID(name)
	dsn, err := r.DSN(id, ring)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	a := r.shards[id]
	switch {
	case r.shards == nil:
		return nil, fmt.Errorf("the register is closed")
	case a == nil:
		a = newOnShard(id, dsn)
	case a.dsn != dsn:
		r.old = append(r.old, a)
		a = newOnShard(id, dsn)
	}
	r.shards[id] = a
	return a, nil
}
