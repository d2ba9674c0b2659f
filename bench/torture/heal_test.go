package torture

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"gori/client"
)

// hanging is a system in which nothing heals.
type hanging struct {
	System
	says error
}

func (h hanging) Inject(ctx context.Context, _ Fault) error {
	<-ctx.Done()
	return h.says
}

func TestAFaultThatDoesNotHealIsToldAndNotWaitedFor(t *testing.T) {
	for name, says := range map[string]error{"with words": errors.New("the ring names it"), "in silence": nil} {
		w := &world{o: Options{Patience: time.Millisecond, For: time.Millisecond}, sys: hanging{says: says}, start: time.Now()}
		if err := w.inject(t.Context(), Fault{Kind: Reshard}); err != nil {
			t.Fatal(err)
		}
		r := Report{Unhealed: w.unhealed.Load(), problems: w.problems}
		var table strings.Builder
		if err := r.WriteTable(&table); err != nil {
			t.Fatal(err)
		}
		if r.Clean() || r.Unhealed != 1 || !strings.Contains(table.String(), "did not heal") || says != nil && !strings.Contains(table.String(), says.Error()) {
			t.Errorf("%s: %s", name, &table)
		}
	}
	// Who stops the run is told nothing.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := &world{o: Options{Patience: time.Hour, For: time.Hour}, sys: hanging{says: context.Canceled}, start: time.Now()}
	if err := w.inject(ctx, Fault{Kind: Reshard}); err != nil || w.unhealed.Load() != 0 || len(w.problems) != 0 {
		t.Errorf("%v, %v", err, w.problems)
	}
}

// When what a person asks for never gets an answer, that is told, and nobody
// waits for ever.
func TestACallThatIsNeverAnsweredIsTold(t *testing.T) {
	w := &world{o: Options{Patience: time.Millisecond, For: time.Millisecond}, start: time.Now()}
	tries := 0
	done := w.insist(t.Context(), func(context.Context) error {
		tries++
		return &client.Error{Code: "shard_down", Retry: true}
	})
	if done || tries == 0 || w.unhealed.Load() != 1 || len(w.problems) != 1 || !strings.Contains(w.problems[0].detail, "shard_down") {
		t.Errorf("%v after %d tries, %d not healed: %v", done, tries, w.unhealed.Load(), w.problems)
	}
}
