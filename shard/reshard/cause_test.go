package reshard

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"gori/shard"
)

// sqlError is an error of PostgreSQL.
type sqlError string

func (e sqlError) Error() string    { return "ERROR: " + string(e) }
func (e sqlError) SQLState() string { return string(e) }

func TestCausesOfErrors(t *testing.T) {
	for _, c := range []struct {
		err  error
		want shard.CauseCode
		args string
	}{
		{&DigestError{Partition: 5, Table: "messages", Bucket: "seq 0 to 1023", Source: "2", Target: "1"}, shard.CauseDiffers,
			"map[bucket:seq 0 to 1023 partition:5 source:2 table:messages target:1]"},
		{fmt.Errorf("10 fences in a row: %w", &BudgetError{Budget: 150 * time.Millisecond, Fenced: 180 * time.Millisecond}), shard.CauseBudget,
			"map[budget_ms:150 fenced_ms:180]"},
		{&BehindError{Dirty: 7}, shard.CauseBehind, "map[dirty:7]"},
		{&HeldError{Partition: 9}, shard.CauseHeld, "map[partition:9]"},
		{&unservedError{[]shard.Partition{3, 4}}, shard.CauseUnserved, "map[count:2 first:3]"},
		{fmt.Errorf("copy: %w", sqlError("53100")), shard.CauseDiskFull, "map[]"},
		{sqlError("57P01"), shard.CauseDown, "map[]"},
		{sqlError("42P01"), shard.CauseOther, "map[]"},
		{fmt.Errorf("read: %w", io.ErrUnexpectedEOF), shard.CauseDown, "map[]"},
		{context.DeadlineExceeded, shard.CauseDown, "map[]"},
		{errors.Join(context.Canceled, errors.New("x")), shard.CauseStopped, "map[]"},
		{errors.New(strings.Repeat("가", 500)), shard.CauseOther, "map[]"},
	} {
		got := CauseOf(c.err)
		if got.Code != c.want || fmt.Sprint(got.Args) != c.args || got.Text == "" || len(got.Text) > whyLimit+10 || !slices.Contains(shard.CauseCodes, got.Code) {
			t.Errorf("%.60v: %+v, want %s %s", c.err, got, c.want, c.args)
		}
	}
	if CauseOf(nil) != nil {
		t.Error("nil has a cause")
	}
}
