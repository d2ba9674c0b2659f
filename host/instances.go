package host

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"gori/config"
	"gori/reach"
	"gori/shard"
	"gori/store"
	"gori/store/local"
)

// ShardsFile is where gori up notes the addresses of its instances for its
// nodes, which read it again whenever the ring names one they do not know.
const ShardsFile = "shards.list"

// noteShards writes the file of addresses, and has what runs noted.
func (f *Fleet) noteShards() error {
	defer f.note()
	path := filepath.Join(f.cluster.Dir(), ShardsFile)
	text := config.ShardsText(asNodeConfig(f.cluster.Instances())) + "\n"
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// migrateOwn brings the instances of this host to this program's schema. Those
// that the ring does not name own nothing: a reshard has not begun with them, or has
// done with them.
func migrateOwn(ctx context.Context, cluster *local.Cluster, logger *slog.Logger) error {
	shards := reach.AsConfig(cluster.Shards())
	resolve := func(addr string) (string, error) { return reach.InstanceDSN(cluster.Instances(), addr) }
	ring, err := reach.ReadDocument(ctx, shards)
	if errors.Is(err, reach.ErrNoDocument) {
		return reach.MigrateShards(ctx, shards, resolve, logger)
	}
	if err != nil {
		return err
	}
	var seated []config.Shard
	for _, s := range shards {
		if _, is := ring.Seat(shard.ID(s.ID)); is {
			seated = append(seated, s)
		} else if err := store.Migrate(ctx, s.DSN, shard.ID(s.ID), nil); err != nil {
			return err
		}
	}
	return reach.MigrateShards(ctx, seated, resolve, logger)
}

// asNodeConfig is AsConfig for nodes, which log in with fewer rights than the
// owner of the schema. The last of two users in an address counts.
func asNodeConfig(shards []local.Shard) []config.Shard {
	list := Tapped(reach.AsConfig(shards))
	for i := range list {
		list[i].DSN += " user=" + store.AppRole
	}
	return list
}

// TapTarget is the file in a tap's folder that tells where its shard is.
const TapTarget = "target"

// Tapped has nodes connect through the taps, if there are any.
func Tapped(shards []config.Shard) []config.Shard {
	dir := os.Getenv(config.EnvTaps)
	if dir == "" || os.Getenv(config.EnvFaults) != "1" {
		return shards
	}
	for i, s := range shards {
		at := filepath.Join(dir, s.ID)
		_, rest, quoted := strings.Cut(s.DSN, "host='")
		host, _, _ := strings.Cut(rest, "'")
		if !quoted || os.WriteFile(filepath.Join(at, TapTarget+".new"), []byte(host), 0o600) != nil ||
			os.Rename(filepath.Join(at, TapTarget+".new"), filepath.Join(at, TapTarget)) != nil {
			continue
		}
		shards[i].DSN += " host='" + at + "'" // the last one counts
	}
	return shards
}
