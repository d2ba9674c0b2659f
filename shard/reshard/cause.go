package reshard

import (
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"gori/shard"
)

// whyLimit bounds a parameter of a Cause, which is kept in the ring document.
const whyLimit = 200

// CauseOf says in a code and parameters why a move, or a look at one, has failed;
// nil for nil.
func CauseOf(err error) *shard.Cause {
	if err == nil {
		return nil
	}
	c := &shard.Cause{Code: shard.CauseOther, Text: shorten(err.Error())}
	var caused interface{ Because() *shard.Cause }
	var state interface{ SQLState() string }
	switch {
	case errors.As(err, &caused):
		found := *caused.Because()
		found.Text = c.Text
		return &found
	case errors.Is(err, shard.ErrNoPlan):
		c.Code = shard.CauseNoPlan
	case errors.Is(err, shard.ErrNothingOld):
		c.Code = shard.CauseNothingOld
	case errors.Is(err, shard.ErrUnsettled):
		c.Code = shard.CauseUnsettled
	case errors.Is(err, ErrNoRing):
		c.Code = shard.CauseNoMajority
	case errors.Is(err, context.Canceled):
		c.Code = shard.CauseStopped
	case errors.As(err, &state):
		c.Code = ofState(state.SQLState())
	case isNet(err):
		c.Code = shard.CauseDown
	}
	return c
}

// ofState is the reason behind an error of PostgreSQL.
func ofState(state string) shard.CauseCode {
	switch {
	case state == "53100":
		return shard.CauseDiskFull
	case strings.HasPrefix(state, "08"), strings.HasPrefix(state, "57P"), state == "53300":
		return shard.CauseDown
	}
	return shard.CauseOther
}

// isNet tells whether a connection was not made or has broken, or took too long.
func isNet(err error) bool {
	var timed interface{ Timeout() bool }
	return errors.As(err, &timed) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

func shorten(text string) string {
	if len(text) > whyLimit {
		return strings.ToValidUTF8(text[:whyLimit], "") + " …"
	}
	return text
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// Because says it for programs.
func (e *BudgetError) Because() *shard.Cause {
	return &shard.Cause{Code: shard.CauseBudget, Args: map[string]string{"fenced_ms": milliseconds(e.Fenced), "budget_ms": milliseconds(e.Budget)}}
}

// Because says it for programs.
func (e *BehindError) Because() *shard.Cause {
	return &shard.Cause{Code: shard.CauseBehind, Args: map[string]string{"dirty": strconv.FormatInt(e.Dirty, 10)}}
}

// Because says it for programs.
func (e *HeldError) Because() *shard.Cause {
	return &shard.Cause{Code: shard.CauseHeld, Args: map[string]string{"partition": e.Partition.String()}}
}

// Because says it for programs.
func (e *DigestError) Because() *shard.Cause {
	return &shard.Cause{Code: shard.CauseDiffers, Args: map[string]string{"partition": e.Partition.String(), "table": e.Table,
		"bucket": shorten(e.Bucket), "source": shorten(e.Source), "target": shorten(e.Target)}}
}

// Because says it for programs.
func (e *ConflictError) Because() *shard.Cause {
	return &shard.Cause{Code: shard.CauseRingChanged}
}

// Because says it for programs.
func (e *NoMajorityError) Because() *shard.Cause {
	return &shard.Cause{Code: shard.CauseNoMajority}
}

// Because says it for programs.
func (e *UnknownError) Because() *shard.Cause {
	return &shard.Cause{Code: shard.CauseUnsure}
}

// unservedError says that no shard serves partitions.
type unservedError struct{ parts []shard.Partition }

func (e *unservedError) Error() string {
	return strconv.Itoa(len(e.parts)) + " partitions are served by no shard, the first is " + e.parts[0].String()
}

func (e *unservedError) Because() *shard.Cause {
	return &shard.Cause{Code: shard.CauseUnserved, Args: map[string]string{"count": strconv.Itoa(len(e.parts)), "first": e.parts[0].String()}}
}
