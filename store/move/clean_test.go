package move

import (
	"errors"
	"testing"

	"gori/shard"
)

// What has gone to a shard that has given it on and left the ring can be cleaned
// nevertheless, and its move proved.
func TestWhatWentOnFromAShardThatLeftIsCleaned(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	parts := []shard.Partition{1, 2}
	p.fill(parts, 4)
	p.move(parts...)
	// c, which the ring does not name any more, had them between.
	p.exec(src, "UPDATE control.partition_owner SET peer = 'c' WHERE partition < 3")
	p.exec(dst, "UPDATE control.partition_owner SET epoch = epoch + 1 WHERE partition < 3")
	p.exec(src, "DELETE FROM control.receipts WHERE partition = 1")
	if err := p.proveAt(t.Context(), src); err != nil {
		t.Fatal(err)
	}
	p.exec(src, "DELETE FROM control.receipts WHERE partition = 2")
	if err := p.Clean(t.Context(), src, parts, free{}); err != nil {
		t.Fatal(err)
	}
	var receipts, rows int
	err := p.conn[src].QueryRow(t.Context(), `SELECT (SELECT count(*) FROM control.receipts), (SELECT count(*) FROM data.users WHERE partition < 3)`).Scan(&receipts, &rows)
	if err != nil || receipts != 2 || rows != 0 {
		t.Errorf("%d receipts, %d rows left, %v", receipts, rows, err)
	}
}

// A shard that serves a partition as it was before it went is no proof that it is
// served since: nothing is removed, and no receipt written for the source alone.
func TestAnEarlierOwnerIsNoReasonToClean(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.fill([]shard.Partition{1}, 4)
	p.move(1)
	p.exec(src, "UPDATE control.partition_owner SET peer = 'c', epoch = epoch + 1 WHERE partition = 1")
	p.exec(src, "DELETE FROM control.receipts")
	var not *NotCleanedError
	if err := p.proveAt(t.Context(), src); !errors.As(err, &not) {
		t.Fatal(err)
	}
	if err := p.Clean(t.Context(), src, []shard.Partition{1}, free{}); !errors.As(err, &not) {
		t.Fatal(err)
	}
}
