package move

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/shard"
	"gori/shard/reshard"
)

const (
	// chunkBytes is how much is copied in one transaction at the target.
	chunkBytes = 256 << 10
	reportEach = 500 * time.Millisecond
)

// copyHeader begins a binary COPY, copyTrailer ends it.
var (
	copyHeader  = append([]byte("PGCOPY\n\xff\r\n\x00"), 0, 0, 0, 0, 0, 0, 0, 0)
	copyTrailer = []byte{0xff, 0xff}
)

// copyAll copies the rows of all tables. Each table is read in one snapshot,
// taken after capture was on, and written in transactions of bounded size.
func (w *work) copyAll(ctx context.Context, pace reshard.Pace) error {
	some, err := presentIn(ctx, w.s, w.tables, w.ps)
	if err != nil {
		return err
	}
	var list []string
	for _, p := range w.ps {
		list = append(list, fmt.Sprint(p))
	}
	var fresh []string
	for _, t := range some {
		if err := w.copyTable(ctx, t, strings.Join(list, ","), pace); err != nil {
			return fmt.Errorf("copy data.%s: %w", t.name, err)
		}
		if t.reltuples <= 0 {
			fresh = append(fresh, t.name)
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	// Nobody knows yet how much is in these tables, and plans made without that
	// would read whole tables.
	_, err = w.bulkT.Exec(ctx, "SELECT control.learn_size(t) FROM unnest($1::text[]) t", fresh)
	return err
}

// splitter cuts a binary COPY into chunks of whole rows.
type splitter struct {
	ctx    context.Context
	counts map[int32]*count
	out    chan<- []byte
	rest   []byte // not looked at yet
	chunk  []byte
	begun  bool
}

func (s *splitter) Write(p []byte) (int, error) {
	s.rest = append(s.rest, p...)
	if !s.begun {
		if len(s.rest) < len(copyHeader) {
			return len(p), nil
		}
		n := len(copyHeader) + int(binary.BigEndian.Uint32(s.rest[len(copyHeader)-4:]))
		if len(s.rest) < n {
			return len(p), nil
		}
		s.rest, s.begun = s.rest[n:], true
	}
	for {
		n, part := rowLength(s.rest)
		if n == 0 {
			break
		}
		c := s.counts[part]
		if c == nil {
			return 0, fmt.Errorf("a row of partition %d was not asked for", part)
		}
		c.rows++
		c.bytes += int64(n)
		s.chunk = append(s.chunk, s.rest[:n]...)
		s.rest = s.rest[n:]
		if err := s.pass(len(s.chunk) >= chunkBytes); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// rowLength returns the length of the first row and its partition, which is its
// first value; 0 if it is not whole yet or is the trailer.
func rowLength(b []byte) (int, int32) {
	if len(b) < 2 {
		return 0, 0
	}
	fields := int16(binary.BigEndian.Uint16(b))
	if fields < 0 {
		return 0, 0
	}
	at, part := 2, int32(-1)
	for i := range fields {
		if len(b) < at+4 {
			return 0, 0
		}
		n := int32(binary.BigEndian.Uint32(b[at:]))
		at += 4
		if n < 0 {
			continue
		}
		if len(b) < at+int(n) {
			return 0, 0
		}
		if i == 0 && n == 4 {
			part = int32(binary.BigEndian.Uint32(b[at:]))
		}
		at += int(n)
	}
	return at, part
}

// pass hands a chunk on.
func (s *splitter) pass(full bool) error {
	if !full || len(s.chunk) == 0 {
		return nil
	}
	select {
	case s.out <- s.chunk:
		s.chunk = make([]byte, 0, chunkBytes+chunkBytes/8)
		return nil
	case <-s.ctx.Done():
		return context.Cause(s.ctx)
	}
}

func (w *work) copyTable(ctx context.Context, t *statements, list string, pace reshard.Pace) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	chunks := make(chan []byte, 1)
	read := make(chan error, 1)
	go func() {
		s := &splitter{ctx: ctx, counts: w.counts, out: chunks}
		_, err := w.bulkS.PgConn().CopyTo(ctx, s, fmt.Sprintf(t.out, list))
		if err == nil && !bytes.Equal(s.rest, copyTrailer) {
			err = errors.New("the copy ends in the middle of a row")
		}
		if err == nil {
			err = s.pass(true)
		}
		close(chunks)
		read <- err
	}()
	written := w.writeChunks(ctx, t, chunks, pace)
	if written != nil {
		cancel(written)
		for range chunks {
		}
	}
	err := <-read
	if written != nil {
		return written
	}
	return err
}

// writeChunks writes what comes, each chunk in its own transaction. Reading is
// ahead of it by two of them at most, so that it keeps the pace too.
func (w *work) writeChunks(ctx context.Context, t *statements, chunks <-chan []byte, pace reshard.Pace) error {
	reported := w.e.cfg.Now()
	for chunk := range chunks {
		var b pgx.Batch
		w.enter(&b, w.ps)
		if err := w.batch(ctx, w.bulkT, &b); err != nil {
			return err
		}
		from := &chunkReader{parts: [][]byte{copyHeader, chunk, copyTrailer}}
		_, err := w.bulkT.PgConn().CopyFrom(ctx, from, t.in)
		if err == nil {
			_, err = w.bulkT.Exec(ctx, "COMMIT")
		}
		if err := zombie(ended(ctx, w.bulkT, err)); err != nil {
			return err
		}
		if err := pace.Take(ctx, len(chunk)); err != nil {
			return err
		}
		if now := w.e.cfg.Now(); now.Sub(reported) >= reportEach {
			reported = now
			if err := w.note(ctx, shard.Copying); err != nil {
				return err
			}
		}
	}
	return nil
}

// chunkReader reads parts one after the other.
type chunkReader struct{ parts [][]byte }

func (r *chunkReader) Read(p []byte) (int, error) {
	for len(r.parts) > 0 {
		if n := copy(p, r.parts[0]); n > 0 {
			r.parts[0] = r.parts[0][n:]
			return n, nil
		}
		r.parts = r.parts[1:]
	}
	return 0, io.EOF
}
