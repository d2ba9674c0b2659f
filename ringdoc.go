package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"

	"gori/shard"
	"gori/store"
	"gori/store/local"
	"gori/store/register"
	"gori/store/survey"
)

// shardsFile is where gori up notes the addresses of its instances for its
// nodes, which read it again whenever the ring names one they do not know.
const shardsFile = "shards.list"

// noteShards writes the file of addresses, and has what runs noted.
func (f *fleet) noteShards() error {
	defer f.note()
	path := filepath.Join(f.cluster.Dir(), shardsFile)
	text := shardsText(asNodeConfig(f.cluster.Instances())) + "\n"
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// readDocument reads the newest ring document that any of the shards has
// accepted.
func readDocument(ctx context.Context, shards []ShardConfig) (*shard.Ring, error) {
	ctx, cancel := context.WithTimeout(ctx, adminPatience)
	defer cancel()
	docs := make([]*shard.Ring, len(shards))
	err := eachShard(ctx, shards, func(ctx context.Context, i int, s ShardConfig) (err error) {
		docs[i], err = survey.Document(ctx, s.DSN)
		return err
	})
	var newest *shard.Ring
	for _, d := range docs {
		if d != nil && (newest == nil || d.Version > newest.Version) {
			newest = d
		}
	}
	if newest == nil {
		return nil, errors.Join(err, errNoDocument)
	}
	return newest, nil
}

var errNoDocument = errors.New("no shard holds a ring document: nothing was ever started on them")

// migrateOwn brings the instances of this host to this program's schema. Those
// that the ring does not name own nothing: a reshard has not begun with them, or has
// done with them.
func migrateOwn(ctx context.Context, cluster *local.Cluster, logger *slog.Logger) error {
	shards := asConfig(cluster.Shards())
	resolve := func(addr string) (string, error) { return instanceDSN(cluster.Instances(), addr) }
	ring, err := readDocument(ctx, shards)
	if errors.Is(err, errNoDocument) {
		return migrateWith(ctx, shards, resolve, logger)
	}
	if err != nil {
		return err
	}
	var seated []ShardConfig
	for _, s := range shards {
		if _, is := ring.Seat(shard.ID(s.ID)); is {
			seated = append(seated, s)
		} else if err := store.Migrate(ctx, s.DSN, shard.ID(s.ID), nil); err != nil {
			return err
		}
	}
	return migrateWith(ctx, seated, resolve, logger)
}

// document reads the agreed ring document, and where the shards in it are, in
// their order. While too few of its acceptors answer it is the newest that is found.
func (t *target) document(ctx context.Context) (*shard.Ring, []ShardConfig, error) {
	known, err := t.shards()
	if err != nil {
		return nil, nil, err
	}
	at := map[shard.ID]string{}
	for _, s := range known {
		at[shard.ID(s.ID)] = s.DSN
	}
	resolve, err := t.resolver()
	if err != nil {
		return nil, nil, err
	}
	reg := register.Open(register.Config{Shards: func() map[shard.ID]string { return at }, Resolve: resolve, Witness: t.witness, Witnesses: t.witnesses})
	defer reg.Close()
	doc, err := reg.Peek(ctx)
	if err != nil {
		if doc, err = readDocument(ctx, known); err != nil {
			return nil, nil, err
		}
	}
	var shards []ShardConfig
	for _, seat := range doc.Seats {
		dsn, err := reg.DSN(seat.ID, doc)
		if err != nil {
			return nil, nil, err
		}
		shards = append(shards, ShardConfig{ID: string(seat.ID), DSN: dsn})
	}
	return doc, shards, nil
}
