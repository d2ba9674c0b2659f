package command

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/user"
	"strings"
	"sync"
	"syscall"
	"time"

	"gori/admin"
	"gori/api"
	"gori/faults"
	"gori/host"
	"gori/shard"
	"gori/shard/reshard"
	"gori/store/board"
	"gori/store/local"
	"gori/store/move"
	"gori/store/register"
)

// ringSystem is a running system as the commands that change its ring see it.
type ringSystem struct {
	t        *target
	up       *host.Client // nil: the shards are not run by a gori up that this command knows
	reg      *register.Register
	engine   *move.Engine
	sends    *register.Sends
	reshards *admin.Reshards
	desk     *admin.Desk
	at       reshard.At
	logger   *slog.Logger

	mu    sync.Mutex
	known map[shard.ID]string // guarded by mu: addresses by name
	ring  *shard.Ring         // guarded by mu: as last read
	// coming are addresses of shards that the ring does not name yet. Guarded by mu.
	coming map[shard.ID]string
}

// openRing finds the system and reads its ring. Close it.
func (t *target) openRing(ctx context.Context) (*ringSystem, error) {
	s := &ringSystem{t: t, logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))}
	var err error
	if s.at, err = faults.AtSteps(); err != nil {
		return nil, err
	}
	if err := s.learn(); err != nil {
		return nil, err
	}
	s.reg = register.Open(register.Config{Shards: s.addresses, Resolve: s.resolve, Witness: s.t.witness, Witnesses: s.t.witnesses, At: s.at})
	s.engine = move.New(move.Config{DSN: s.dsn, Term: s.term, Shards: s.ids, At: s.at, Logger: s.logger, Free: freeAt, Yield: local.GiveWay})
	s.sends = register.NewSends(s.ids, s.dsn)
	b := admin.NewBoard(s.instances, s.logger)
	s.desk = &admin.Desk{Ring: s.reg, Welcome: welcomeShard, By: whoAmI(), Now: time.Now}
	if s.up != nil {
		s.desk.Make = func(ctx context.Context, id shard.ID) error {
			if _, err := s.up.Add(ctx, id); err != nil {
				return err
			}
			return s.learn()
		}
	}
	s.reshards = admin.NewReshards(b, s.desk, nil, nil)
	if _, err := s.read(ctx); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *ringSystem) close() {
	s.engine.Close()
	s.reg.Close()
	s.sends.Close()
	s.reshards.Close()
}

// learn reads the addresses of the instances that have names.
func (s *ringSystem) learn() error {
	shards, err := s.t.shards()
	if err != nil {
		return err
	}
	known := map[shard.ID]string{}
	for _, one := range shards {
		known[shard.ID(one.ID)] = one.DSN
	}
	if s.t.config == "" && s.up == nil {
		r, err := host.FindRunning(s.t.data)
		if err != nil {
			return err
		}
		if s.up, err = host.Dial(r); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known = known
	return nil
}

func (s *ringSystem) addresses() map[shard.ID]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.known // replaced, never changed
}

// resolve makes a DSN of an address in the ring. An instance that was made since
// this command began is looked up.
func (s *ringSystem) resolve(addr string) (string, error) {
	name, named := strings.CutPrefix(addr, "@")
	if !named {
		return addr, nil
	}
	at, err := s.t.resolver()
	if err != nil {
		return "", err
	}
	if dsn, err := at(addr); err == nil {
		return dsn, nil
	}
	if dsn, ok := s.addresses()[shard.ID(name)]; ok {
		return dsn, nil
	}
	if err := s.learn(); err != nil {
		return "", err
	}
	if dsn, ok := s.addresses()[shard.ID(name)]; ok {
		return dsn, nil
	}
	return "", fmt.Errorf("the ring names the instance %s, and %s does not have it", name, s.t.name())
}

// name is what the user calls the system.
func (t *target) name() string {
	if t.config != "" {
		return t.config
	}
	return t.data
}

// read brings what is known of the ring up to date.
func (s *ringSystem) read(ctx context.Context) (*shard.Ring, error) {
	ring, err := s.reg.Peek(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the ring: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ring = ring
	return ring, nil
}

// ids are the shards of the ring.
func (s *ringSystem) ids() []shard.ID {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []shard.ID
	for _, seat := range s.ring.Seats {
		list = append(list, seat.ID)
	}
	return list
}

// comes notes where a shard is that is to come.
func (s *ringSystem) comes(id shard.ID, addr string) {
	if addr == "" {
		addr = "@" + string(id)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.coming = map[shard.ID]string{id: addr}
}

// freeAt tells how much is free where a server of this host has its data.
func freeAt(folder string) (uint64, bool) {
	var st syscall.Statfs_t
	// A server that was given an open folder knows no name of it.
	if strings.HasPrefix(folder, "/proc/") || syscall.Statfs(folder, &st) != nil {
		return 0, false
	}
	return st.Bavail * uint64(st.Bsize), true
}

// dsn is where a shard is: where the ring says, or, for one that is to come, where
// it was put.
func (s *ringSystem) dsn(id shard.ID) (string, error) {
	s.mu.Lock()
	seat, seated := s.ring.Seat(id)
	coming := s.coming[id]
	s.mu.Unlock()
	if !seated {
		seat.Addr = coming
	}
	if seat.Addr == "" {
		return "", fmt.Errorf("the ring does not name shard %s", id)
	}
	return s.resolve(seat.Addr)
}

// term is that of a shard's primary; 0: it has no place yet.
func (s *ringSystem) term(id shard.ID) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	seat, _ := s.ring.Seat(id)
	return seat.Term
}

// instances are the shards of the ring with their addresses. One whose address is
// not known counts as one that does not answer.
func (s *ringSystem) instances() []board.Instance {
	var list []board.Instance
	for _, id := range s.ids() {
		dsn, err := s.dsn(id)
		if err != nil {
			s.logger.Warn("a shard cannot be reached", "shard", id, "error", err)
			dsn = "host=/nonexistent"
		}
		list = append(list, board.Instance{ID: id, DSN: dsn})
	}
	return list
}

// runner carries out the plan that is in the ring.
func (s *ringSystem) runner() *reshard.Runner {
	return reshard.NewRunner(reshard.Config{Register: s.reg, Backend: s.engine, Sends: s.sends, At: s.at, Logger: s.logger})
}

// status says how far the reshard is.
func (s *ringSystem) status(ctx context.Context) (api.ReshardStatus, error) {
	if _, err := s.read(ctx); err != nil {
		return api.ReshardStatus{}, err
	}
	return s.reshards.Status(ctx)
}

// whoAmI is what others are told about who runs this command.
func whoAmI() string {
	name := "somebody"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil {
		return name
	}
	return name + "@" + host
}
