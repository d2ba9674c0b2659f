package reach

import (
	"context"

	"gori/config"
	"gori/shard"
	"gori/store/survey"
)

// foundShards are the shards of the newest ring document that the configured ones
// hold, with the addresses that follow from it; those it does not name, and
// those whose address is not known. Without a document they are the configured
// ones.
type foundShards struct {
	ring    *shard.Ring // nil: there is none yet
	list    []config.Shard
	errs    []error // by index of list: why it does not answer
	strange []config.Shard
	lost    []shard.ID
}

// find asks the configured shards, and then those that are elsewhere.
func find(ctx context.Context, configured []config.Shard, resolve func(string) (string, error)) foundShards {
	ctx, cancel := context.WithTimeout(ctx, greetPatience)
	defer cancel()
	docs, errs := readDocuments(ctx, configured)
	r := foundShards{ring: newestOf(docs)}
	if r.ring == nil {
		r.list, r.errs = configured, errs
		return r
	}
	asked := map[config.Shard]error{}
	for i, s := range configured {
		asked[s] = errs[i]
		if _, ok := r.ring.Seat(shard.ID(s.ID)); !ok {
			r.strange = append(r.strange, s)
		}
	}
	var elsewhere []config.Shard
	for _, seat := range r.ring.Seats {
		dsn, err := resolve(seat.Addr)
		if err != nil {
			r.lost = append(r.lost, seat.ID)
			continue
		}
		s := config.Shard{ID: string(seat.ID), DSN: dsn}
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
func readDocuments(ctx context.Context, shards []config.Shard) ([]*shard.Ring, []error) {
	docs, errs := make([]*shard.Ring, len(shards)), make([]error, len(shards))
	_ = EachShard(ctx, shards, func(ctx context.Context, i int, s config.Shard) error {
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
