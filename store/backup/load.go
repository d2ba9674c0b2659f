package backup

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"gori/shard"
)

// sqlPass lets a transaction write around the gate: nobody else writes to a
// shard that is being restored.
const sqlPass = "SELECT set_config('gori.gate', '/restore/', true)"

// load sends each row of a file to the shard that owns its partition now.
func load(ctx context.Context, dir string, f ManifestFile, m *shard.Map, targets []*target) error {
	r, err := openFile(dir, f)
	if err != nil {
		return err
	}
	defer r.close()
	if f.Table == fanoutTable.name {
		return loadFanout(ctx, r, m, targets)
	}
	list := make([]*feed, len(targets))
	index := map[shard.ID]int{}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for i, t := range targets {
		list[i] = newFeed()
		index[t.ID] = i
		wg.Go(func() {
			if err := list[i].copy(ctx, t, f); err != nil {
				cancel(fmt.Errorf("shard %s: %w", t.ID, err))
			}
		})
	}
	err = distribute(r, m, func(p shard.Partition) *feed { return list[index[m.Owner(p)]] })
	for _, fd := range list {
		fd.end(err)
	}
	wg.Wait()
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

func distribute(r *fileReader, m *shard.Map, feedOf func(shard.Partition) *feed) error {
	for {
		row, err := r.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		text, _, _ := bytes.Cut(row, []byte{'\t'})
		p, err := strconv.ParseUint(strings.TrimSuffix(string(text), "\n"), 10, 16)
		if err != nil || !shard.Partition(p).Valid() {
			return &DamageError{r.of.Name, fmt.Sprintf("has a row of partition %q", text)}
		}
		if _, err := feedOf(shard.Partition(p)).Write(row); err != nil {
			return err
		}
	}
}

// feed is the way of rows to one shard, in a goroutine of its own.
type feed struct {
	*bufio.Writer
	read  *io.PipeReader
	write *io.PipeWriter
}

func newFeed() *feed {
	r, w := io.Pipe()
	return &feed{bufio.NewWriterSize(w, bufferBytes), r, w}
}

// end tells the shard that all rows have come, or that they never will.
func (f *feed) end(err error) {
	if err == nil {
		err = f.Flush()
	}
	_ = f.write.CloseWithError(err) // nil is the end of the rows
}

// copy takes rows until they end, in one transaction.
func (f *feed) copy(ctx context.Context, t *target, of ManifestFile) (err error) {
	defer func() { _ = f.read.CloseWithError(errors.Join(errors.New("the shard takes no more"), err)) }()
	into := "COPY " + table{name: of.Table}.quote() + " (" + quoted(of.Columns) + ") FROM STDIN"
	return pgx.BeginFunc(ctx, t.conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, sqlPass); err != nil {
			return err
		}
		_, err := tx.Conn().PgConn().CopyFrom(ctx, f.read, into)
		var pg *pgconn.PgError
		if errors.As(err, &pg) && pg.Code == "53100" {
			return fmt.Errorf("%w at the shard: %w", ErrDiskFull, err)
		}
		return err
	})
}

// loadFanout takes up what was owed to inboxes, at the shards of the channels.
// These are the rows of the last moments before the instant: few.
func loadFanout(ctx context.Context, r *fileReader, m *shard.Map, targets []*target) error {
	for {
		row, err := r.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		fields := strings.Split(strings.TrimSuffix(string(row), "\n"), "\t")
		if len(fields) != len(fanoutTable.columns) {
			return &DamageError{r.of.Name, "has a row of another form"}
		}
		channel, err := strconv.ParseInt(fields[0], 10, 64)
		if err != nil {
			return &DamageError{r.of.Name, fmt.Sprintf("has a row of channel %q", fields[0])}
		}
		made, err := time.Parse("2006-01-02 15:04:05.999999-07", fields[3])
		if err != nil {
			return &DamageError{r.of.Name, fmt.Sprintf("has a row of the time %q", fields[3])}
		}
		owner := m.Owner(shard.Of(channel))
		for _, t := range targets {
			if t.ID != owner {
				continue
			}
			if _, err := t.conn.Exec(ctx, `INSERT INTO control.fanout_pending (channels, from_seqs, to_seqs, made_at)
				VALUES (ARRAY[$1::bigint], ARRAY[$2::text::bigint], ARRAY[$3::text::bigint], $4)`, channel, fields[1], fields[2], made); err != nil {
				return err
			}
		}
	}
}
