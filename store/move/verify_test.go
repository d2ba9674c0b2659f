package move

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"gori/shard"
)

func TestVerifyTellsWhatWasAltered(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	all := []shard.Partition{1, 2, 3}
	p.fill(all, 8)
	p.move(all...)
	if err := p.Clean(t.Context(), src, all, free{}); err != nil {
		t.Fatal(err)
	}
	told := 0
	proof, err := p.Verify(t.Context(), "", func(sofar *Proof) { told = sofar.Receipts })
	if err != nil || proof.Found != 0 || proof.Receipts != 3 || proof.Partitions != 3 || told != 3 || proof.Messages == 0 {
		t.Fatalf("%+v, told of %d, %v", proof, told, err)
	}
	p.exec(dst, "SELECT set_config('gori.gate', '/1/2/', false)")
	p.exec(dst, "UPDATE data.messages SET digest = digest + 1 WHERE partition = 1 AND channel_id = 1001 AND seq = 3")
	p.exec(dst, "DELETE FROM data.channels WHERE partition = 2 AND channel_id = (SELECT min(channel_id) FROM data.channels WHERE partition = 2)")
	p.exec(dst, "UPDATE control.partition_owner SET state = 'gone' WHERE partition = 3")
	proof, err = p.Verify(t.Context(), "r1", nil)
	if err != nil {
		t.Fatal(err)
	}
	want := map[FaultCode]shard.Partition{FaultMessages: 1, FaultChannel: 2, FaultNoOwner: 3, FaultUnserved: 3}
	for _, f := range proof.Problems {
		if part, ok := want[f.Code]; !ok || part != f.Partition || f.Text == "" || !slices.Contains(FaultCodes, f.Code) {
			t.Errorf("unexpected: %+v", f)
		}
		delete(want, f.Code)
	}
	if len(want) > 0 || proof.Found != len(proof.Problems) {
		t.Errorf("not found: %v; found %+v", want, proof.Problems)
	}
}

func TestOneCheckAtATimeIsKept(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.fill([]shard.Partition{1}, 8)
	p.move(1)
	if _, err := p.BeginCheck(t.Context(), "r9", 5); !errors.Is(err, ErrNoReceipt) {
		t.Errorf("a check of nothing: %v", err)
	}
	c, err := p.BeginCheck(t.Context(), "r1", 5)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.another().BeginCheck(t.Context(), "r1", 6); !errors.Is(err, ErrChecking) {
		t.Errorf("a second one: %v", err)
	}
	kept := func() (k Check) {
		t.Helper()
		var doc []byte
		if err := p.conn[src].QueryRow(t.Context(), "SELECT doc FROM control.checks WHERE reshard = 'r1'").Scan(&doc); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(doc, &k); err != nil {
			t.Fatal(err)
		}
		return k
	}
	if k := kept(); k.State != Checking || k.By != 5 || k.Partitions != 1 || k.Receipts != 0 {
		t.Errorf("begun: %+v", k)
	}
	if err := c.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if k := kept(); k.State != Checked || k.Found != 0 || k.Receipts != 1 || k.Ended.IsZero() {
		t.Errorf("done: %+v", k)
	}
	if c, err = p.BeginCheck(t.Context(), "r1", 5); err != nil {
		t.Fatal("the lock was kept", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if k := kept(); k.State != Checking {
		t.Errorf("cut off: %+v", k)
	}
}
