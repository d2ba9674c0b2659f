package command

import (
	"context"
	"os"
	"path/filepath"

	"gori/config"
	"gori/host"
	"gori/reach"
	"gori/shard"
	"gori/store/register"
)

// witnessDir is where the witnesses within reach are; empty: nowhere.
func (t *target) witnessDir() string {
	if t.config == "" {
		return filepath.Join(t.data, reach.WitnessFolder)
	}
	cfg, _, err := config.Load(t.config, os.Environ())
	if err != nil {
		return ""
	}
	return cfg.WitnessDir
}

// witness finds the file of a witness of the ring.
func (t *target) witness(name string) (string, error) { return reach.WitnessIn(t.witnessDir())(name) }

// witnesses lists those that there are.
func (t *target) witnesses() []string { return reach.WitnessesIn(t.witnessDir())() }

// resolver makes DSNs of addresses in the ring, as they are now.
func (t *target) resolver() (func(addr string) (string, error), error) {
	if t.config != "" {
		cfg, _, err := config.Load(t.config, os.Environ())
		return reach.NewAddresses(cfg).Resolve, err
	}
	r, err := host.FindRunning(t.data)
	if err != nil {
		return nil, err
	}
	if r.Instances == nil {
		r.Instances = r.Shards
	}
	return func(addr string) (string, error) { return reach.InstanceDSN(r.Instances, addr) }, nil
}

// document reads the agreed ring document, and where the shards in it are, in
// their order. While too few of its acceptors answer it is the newest that is found.
func (t *target) document(ctx context.Context) (*shard.Ring, []config.Shard, error) {
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
		if doc, err = reach.ReadDocument(ctx, known); err != nil {
			return nil, nil, err
		}
	}
	var shards []config.Shard
	for _, seat := range doc.Seats {
		dsn, err := reg.DSN(seat.ID, doc)
		if err != nil {
			return nil, nil, err
		}
		shards = append(shards, config.Shard{ID: string(seat.ID), DSN: dsn})
	}
	return doc, shards, nil
}
