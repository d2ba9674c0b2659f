package reach

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gori/config"
	"gori/shard"
	"gori/store/local"
	"gori/store/survey"
)

// documentPatience bounds what is waited for a shard that is asked for the document.
const documentPatience = 10 * time.Second

// ReadDocument reads the newest ring document that any of the shards has
// accepted. It waits 10 s at most for each; none at all is ErrNoDocument.
func ReadDocument(ctx context.Context, shards []config.Shard) (*shard.Ring, error) {
	ctx, cancel := context.WithTimeout(ctx, documentPatience)
	defer cancel()
	docs := make([]*shard.Ring, len(shards))
	err := EachShard(ctx, shards, func(ctx context.Context, i int, s config.Shard) (err error) {
		docs[i], err = survey.Document(ctx, s.DSN)
		return err
	})
	newest := newestOf(docs)
	if newest == nil {
		return nil, errors.Join(err, ErrNoDocument)
	}
	return newest, nil
}

// ErrNoDocument says that no shard that answers was ever part of a ring.
var ErrNoDocument = errors.New("no shard holds a ring document: nothing was ever started on them")

// InstanceDSN finds an instance by its address in the ring.
func InstanceDSN(list []local.Shard, addr string) (string, error) {
	for _, in := range list {
		if addr == "@"+in.ID {
			return in.DSN, nil
		}
	}
	if addr != "" && addr[0] == '@' {
		return "", fmt.Errorf("this host has no instance %s", addr[1:])
	}
	return addr, nil
}

// AsConfig writes PostgreSQL instances of this host as a configuration names shards.
func AsConfig(shards []local.Shard) []config.Shard {
	var list []config.Shard
	for _, s := range shards {
		list = append(list, config.Shard{ID: s.ID, DSN: s.DSN})
	}
	return list
}
