package backup

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"gori/shard"
	"gori/store"
	"gori/store/schema"
)

// Options of Take. Zero values mean the defaults named here.
type Options struct {
	Shards  []store.ShardConfig
	To      string        // the folder, which must not exist or be empty
	Version string        // of this program
	Budget  time.Duration // for the pause of writes; default 150 ms
	Tries   int           // of finding the instant; default 30
	MBps    float64       // rows read a second of each shard, in MB of 10⁶; 0: no bound
	Now     func() time.Time
	// Frozen is called once the instant is, before anything is read.
	Frozen func(pause time.Duration, tries int)

	// Of tests: wait runs before each shard's snapshot, and without gates the
	// backup is one that must be found out.
	wait    func(shard.ID)
	noGates bool
}

// Take backs all shards up. What it has written when it fails it removes.
func Take(ctx context.Context, o Options) (_ *Manifest, err error) {
	if o.Budget == 0 {
		o.Budget = defaultBudget
	}
	if o.Tries == 0 {
		o.Tries = defaultTries
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if err := begin(o.To); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			discard(o.To)
		}
	}()
	begun := time.Now()
	sources := make([]*source, len(o.Shards))
	for i, sc := range o.Shards {
		sources[i] = &source{ShardConfig: sc}
	}
	defer func() { _ = each(sources, func(s *source) error { s.close(ctx); return nil }) }()
	if err := each(sources, func(s *source) error { return s.open(ctx, o.Budget) }); err != nil {
		return nil, err
	}
	versions := map[shard.ID]int32{}
	for _, s := range sources {
		versions[s.ID] = s.schema
	}
	if err := schema.Same(versions); err != nil {
		return nil, err
	}
	in, err := agree(ctx, sources, o)
	if err != nil {
		return nil, err
	}
	if o.Frozen != nil {
		o.Frozen(in.pause, in.tries)
	}
	m := &Manifest{Format: formatVersion, Gori: o.Version, Schema: sources[0].schema, At: in.at.UTC(), PauseUS: in.pause.Microseconds(),
		WorstUS: in.longer.Microseconds(), Tries: in.tries}
	if err := readAll(ctx, sources, o, m); err != nil {
		return nil, err
	}
	m.Took = time.Since(begun).Seconds()
	return m, m.write(o.To)
}

// begin takes the folder.
func begin(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return full(err)
	}
	list, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	if len(list) > 0 {
		return fmt.Errorf("the folder %s is not empty: a backup needs one of its own", dir)
	}
	const text = "A backup is being written here, or was and did not come to its end. Without manifest.json it is of no use.\n"
	return full(os.WriteFile(filepath.Join(dir, unfinishedName), []byte(text), 0o600))
}

// discard removes what an unfinished backup has written, so that a full disk is
// not left full.
func discard(dir string) {
	list, _ := os.ReadDir(dir)
	for _, e := range list {
		if n := strings.TrimSuffix(e.Name(), ".new"); strings.HasSuffix(n, fileEnd) || n == manifestName || n == unfinishedName {
			_ = os.Remove(filepath.Join(dir, e.Name()))
		}
	}
	_ = os.Remove(dir) // if it is empty
}

const fileEnd = ".copy.zst"

// readAll writes the files of all shards and fills in the manifest.
func readAll(ctx context.Context, sources []*source, o Options, m *Manifest) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var mu sync.Mutex
	err := each(sources, func(s *source) error {
		files, err := s.readTables(ctx, sources, o)
		if err != nil {
			cancel() // the others need not go on
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		m.Files = append(m.Files, files...)
		ms := ManifestShard{ID: s.ID, Postgres: s.postgres}
		for _, p := range s.owned {
			ms.Partitions = append(ms.Partitions, shard.Partition(p))
		}
		m.Shards = append(m.Shards, ms)
		m.Epoch = max(m.Epoch, s.epoch)
		if s.ring != nil && (m.Ring == nil || s.ring.Version > m.Ring.Version) {
			m.Ring = s.ring
		}
		return nil
	})
	slices.SortFunc(m.Files, func(a, b ManifestFile) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(m.Shards, func(a, b ManifestShard) int { return strings.Compare(string(a.ID), string(b.ID)) })
	return err
}

// readTables reads the snapshot, table after table.
func (s *source) readTables(ctx context.Context, all []*source, o Options) ([]ManifestFile, error) {
	var has bool
	if err := s.reader.QueryRow(ctx, "SELECT to_regclass('control.ring_acceptor') IS NOT NULL").Scan(&has); err != nil {
		return nil, err
	}
	if has {
		if err := s.reader.QueryRow(ctx, "SELECT max(doc::text)::jsonb FROM control.ring_acceptor").Scan(&s.ring); err != nil {
			return nil, err
		}
	}
	var others []string
	for _, x := range all {
		if x.ID != s.ID {
			others = append(others, string(x.ID))
		}
	}
	var files []ManifestFile
	for _, t := range s.tables {
		f := ManifestFile{Shard: s.ID, Table: t.name, Columns: t.columns}
		if err := s.readTable(ctx, t.filled(s.owned, others), o, &f); err != nil {
			return nil, fmt.Errorf("read %s: %w", t.name, err)
		}
		files = append(files, f)
	}
	return files, nil
}

func (s *source) readTable(ctx context.Context, query string, o Options, f *ManifestFile) error {
	w, err := createFile(filepath.Join(o.To, string(s.ID)+"."+f.Table+fileEnd))
	if err != nil {
		return err
	}
	var to io.Writer = w
	if o.MBps > 0 {
		to = &paced{ctx: ctx, to: w, rate: o.MBps * 1e6, begun: time.Now()}
	}
	if _, err := s.reader.PgConn().CopyTo(ctx, to, "COPY ("+query+") TO STDOUT"); err != nil {
		w.abort()
		return err
	}
	return w.finish(f)
}

// paced lets only so many bytes a second pass.
type paced struct {
	ctx   context.Context
	to    io.Writer
	rate  float64
	begun time.Time
	bytes float64
}

func (p *paced) Write(b []byte) (int, error) {
	p.bytes += float64(len(b))
	due := p.begun.Add(time.Duration(p.bytes / p.rate * float64(time.Second)))
	if early := time.Until(due); early > 20*time.Millisecond {
		select {
		case <-p.ctx.Done():
			return 0, p.ctx.Err()
		case <-time.After(early):
		}
	}
	return p.to.Write(b)
}
