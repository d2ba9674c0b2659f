package shard

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// WitnessPrefix begins the name of an acceptor that is a file on a node and no
// shard, so that the document of two shards outlives the loss of one.
const WitnessPrefix = "witness:"

// AddrError says what is wrong with the address of an instance.
type AddrError struct{ Why string }

func (e *AddrError) Error() string { return "this address cannot be kept in the ring: " + e.Why }

var keywordPassword = regexp.MustCompile(`(?i)(^|\s)password\s*=`)

// SecondSuffix makes the name of a shard's second instance, "@NAME.2": of a shard
// with a standby one of the two is the primary. No shard has such a name.
const SecondSuffix = ".2"

const addrSecret = "it holds a password; passwords belong into PGPASSFILE or ~/.pgpass of every node"

// CheckAddr says what is wrong with the address of an instance: the ring is
// read by many, so no password may be in it.
func CheckAddr(addr string) error {
	if name, ok := strings.CutPrefix(addr, "@"); ok {
		if err := ID(strings.TrimSuffix(name, SecondSuffix)).Check(); err != nil {
			return &AddrError{Why: err.Error()}
		}
		return nil
	}
	if strings.TrimSpace(addr) == "" {
		return &AddrError{Why: "it is empty"}
	}
	secret := &AddrError{Why: addrSecret}
	if !strings.HasPrefix(addr, "postgres://") && !strings.HasPrefix(addr, "postgresql://") {
		if keywordPassword.MatchString(addr) {
			return secret
		}
		if !strings.Contains(addr, "=") {
			return &AddrError{Why: "it is neither postgres://… nor keyword=value nor @NAME"}
		}
		return nil
	}
	u, err := url.Parse(addr)
	if err != nil {
		// The error's text would show what is to stay secret.
		return &AddrError{Why: "it is not a URL"}
	}
	if _, has := u.User.Password(); has || u.Query().Has("password") {
		return secret
	}
	return nil
}

// Check says what is wrong with a document, nil if nothing.
func (r *Ring) Check() error {
	if r.Version < 1 || r.Map == nil || (r.Version == 1) != (r.Prev == "") {
		return fmt.Errorf("not a ring: version %d, previous %q, or no map", r.Version, r.Prev)
	}
	if err := r.checkSeats(); err != nil {
		return err
	}
	if len(r.Acceptors) == 0 {
		return fmt.Errorf("a ring needs an acceptor")
	}
	for _, set := range [][]string{r.Acceptors, r.OldAcceptors} {
		if !slices.IsSorted(set) || len(slices.Compact(slices.Clone(set))) != len(set) {
			return fmt.Errorf("the acceptors %v are out of order or doubled", set)
		}
		for _, name := range set {
			if err := r.checkAcceptor(name); err != nil {
				return err
			}
		}
	}
	return r.Plan.check()
}

func (r *Ring) checkSeats() error {
	for i, s := range r.Seats {
		if err := s.ID.Check(); err != nil {
			return err
		}
		if i > 0 && s.ID <= r.Seats[i-1].ID {
			return fmt.Errorf("the seats are out of order at %s", s.ID)
		}
		if err := CheckAddr(s.Addr); err != nil {
			return fmt.Errorf("shard %s: %w", s.ID, err)
		}
		if s.Standby != "" {
			if err := CheckAddr(s.Standby); err != nil {
				return fmt.Errorf("standby of shard %s: %w", s.ID, err)
			}
		}
		if s.Term < 1 || s.Sync && s.Standby == "" {
			return fmt.Errorf("shard %s has term %d, or waits for a standby that it has not", s.ID, s.Term)
		}
		if s.Leaving == r.Map.Has(s.ID) {
			return fmt.Errorf("shard %s is leaving and in the map, or neither", s.ID)
		}
	}
	for _, id := range r.Map.shards {
		if _, ok := r.Seat(id); !ok {
			return fmt.Errorf("shard %s has partitions and no seat", id)
		}
	}
	return nil
}

func (r *Ring) checkAcceptor(name string) error {
	if w, ok := strings.CutPrefix(name, WitnessPrefix); ok {
		return ID(w).Check()
	}
	if _, ok := r.Seat(ID(name)); !ok {
		return fmt.Errorf("acceptor %s is neither a shard of the ring nor a witness", name)
	}
	return nil
}

func (p *Plan) check() error {
	switch {
	case p == nil:
		return nil
	case p.ID == "" || len(p.ID) > 64:
		return fmt.Errorf("a plan's name has 1 to 64 bytes: %q", p.ID)
	case p.Kind != PlanAdd && p.Kind != PlanRemove && p.Kind != PlanReverse:
		return fmt.Errorf("there is no plan to %q", p.Kind)
	case !(p.MBps >= 0 && p.MBps <= 1e6):
		return fmt.Errorf("%v MB/s is no rate", p.MBps)
	case !(p.Slowdown >= 1 && p.Slowdown <= 1e6):
		return fmt.Errorf("live writes may become slower by a factor of at least 1, not %v", p.Slowdown)
	}
	return nil
}

// UnmarshalJSON reads the kept form and refuses one that is not whole.
func (r *Ring) UnmarshalJSON(text []byte) error {
	type plain Ring // without this method
	var w plain
	if err := json.Unmarshal(text, &w); err != nil {
		return err
	}
	read := Ring(w)
	if err := read.Check(); err != nil {
		return err
	}
	*r = read
	return nil
}

// Quorums returns the sets of acceptors of each of which a majority must agree
// to this document.
func (r *Ring) Quorums() [][]string {
	if len(r.OldAcceptors) == 0 {
		return [][]string{r.Acceptors}
	}
	return [][]string{r.Acceptors, r.OldAcceptors}
}

// Spare returns how many acceptors may be missing while the ring can still be
// changed: 0 with one or two, 1 with three or four, and so on.
func (r *Ring) Spare() int {
	spare := (len(r.Acceptors) - 1) / 2
	if n := len(r.OldAcceptors); n > 0 {
		spare = min(spare, (n-1)/2)
	}
	return spare
}
