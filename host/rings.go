package host

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"gori/config"
	"gori/reach"
	"gori/shard"
	"gori/shard/reshard"
	"gori/store/local"
	"gori/store/register"
	"gori/store/replica"
)

const (
	// keepersWanted is how many must keep the ring document so that one of them
	// may be dead while the others decide about it.
	keepersWanted = 3
	// pairsPatience bounds what a start waits for pairs to be as the ring says.
	pairsPatience = 20 * time.Second
	claimPatience = time.Second
)

// Rings is the ring document as gori up reaches it. It implements
// local.Rings.
type Rings struct {
	*register.Register
	cluster *local.Cluster
}

func newRings(cluster *local.Cluster) (*Rings, error) {
	dir := filepath.Join(cluster.Dir(), reach.WitnessFolder)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	r := &Rings{cluster: cluster}
	r.Register = register.Open(register.Config{
		Shards: func() map[shard.ID]string {
			known := map[shard.ID]string{}
			for _, s := range cluster.Shards() {
				known[shard.ID(s.ID)] = s.DSN
			}
			return known
		},
		Resolve:   func(addr string) (string, error) { return reach.InstanceDSN(cluster.Instances(), addr) },
		Witness:   reach.WitnessIn(dir),
		Witnesses: reach.WitnessesIn(dir),
	})
	return r, nil
}

// Change implements local.Rings.
func (r *Rings) Change(ctx context.Context, change func(*shard.Ring) (*shard.Ring, error)) (*shard.Ring, error) {
	return reshard.Update(ctx, r.Register, change)
}

// Claims implements local.Rings.
func (r *Rings) Claims(ctx context.Context, except shard.ID) []replica.Claim {
	ctx, cancel := context.WithTimeout(ctx, claimPatience)
	defer cancel()
	var mu sync.Mutex
	var all []replica.Claim
	_ = reach.EachShard(ctx, reach.AsConfig(r.cluster.Shards()), func(ctx context.Context, _ int, s config.Shard) error {
		if s.ID == string(except) {
			return nil
		}
		server := replica.NewServer(s.DSN)
		defer server.Close()
		claims, err := server.Claims(ctx)
		mu.Lock()
		defer mu.Unlock()
		all = append(all, claims...)
		return err
	})
	return all
}

// enoughKeepers adds witnesses until one keeper of the ring document may be
// dead. All are of this host, as the shards are.
func enoughKeepers(ctx context.Context, reg *register.Register, logger *slog.Logger) error {
	for {
		added := ""
		ring, err := reshard.Update(ctx, reg, func(r *shard.Ring) (*shard.Ring, error) {
			added = ""
			if len(r.OldAcceptors) > 0 {
				return r.Settle()
			}
			for n := 1; len(r.Acceptors) < keepersWanted; n++ {
				name := fmt.Sprintf("%sup%d", shard.WitnessPrefix, n)
				next, err := r.AddAcceptor(name)
				if err == nil {
					added = name
					return next, nil
				}
				if n > keepersWanted {
					return nil, err
				}
			}
			return nil, nil
		})
		if err != nil {
			return fmt.Errorf("give the ring a witness: %w", err)
		}
		if added != "" {
			logger.Info("a witness keeps the ring document too", "name", added)
		}
		if len(ring.Acceptors) >= keepersWanted && len(ring.OldAcceptors) == 0 {
			return nil
		}
	}
}

// StartShards starts the instances, with standbys if they are wanted, and
// brings them to this program's schema. The caller closes what it returns.
func StartShards(ctx context.Context, cluster *local.Cluster, logger *slog.Logger) (*Rings, error) {
	rings, err := newRings(cluster)
	if err != nil {
		return nil, err
	}
	cluster.SetRings(rings)
	if err := cluster.Start(ctx); err != nil {
		return rings, err
	}
	if _, err := reach.ReadDocument(ctx, reach.AsConfig(cluster.Shards())); err == nil {
		cluster.AwaitPairs(ctx, pairsPatience)
	}
	if err := migrateOwn(ctx, cluster, logger); err != nil {
		return rings, err
	}
	if cluster.Standbys() {
		err = enoughKeepers(ctx, rings.Register, logger)
	}
	return rings, err
}
