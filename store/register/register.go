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
	// Witnesses are those within reach, by name; they are asked before the
	// document is known, too. nil: none.
	Witnesses func() []string
	// Timeout bounds the answer of each acceptor; 0: 1 s.
	Timeout time.Duration
	At      reshard.At
}

// Register is a reshard.Register over the acceptors of a system. Close it.
type Register struct {
	*reshard.Register
	cfg  Config
	docs *docs

	mu     sync.Mutex
	shards map[place]*onShard
}

// place is where a shard is or was: a promotion changes it.
type place struct {
	id  shard.ID
	dsn string
}

// Open returns the register. It connects when it is first used.
func Open(cfg Config) *Register {
	r := &Register{cfg: cfg, docs: &docs{}, shards: map[place]*onShard{}}
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
	r.shards = nil
}

func (r *Register) known() []string {
	var names []string
	for id := range r.cfg.Shards() {
		names = append(names, string(id))
	}
	if r.cfg.Witnesses != nil {
		for _, name := range r.cfg.Witnesses() {
			names = append(names, shard.WitnessPrefix+name)
		}
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
	if r.shards == nil {
		return nil, fmt.Errorf("the register is closed")
	}
	a := r.shards[place{id, dsn}]
	if a == nil {
		a = newOnShard(id, dsn)
		a.docs = r.docs
		r.shards[place{id, dsn}] = a
	}
	return a, nil
}
