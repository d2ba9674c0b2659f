package move

import (
	"testing"
	"time"
)

// One commit that met a slow moment must not keep every later fence from being
// long enough: those that are taken back measure none.
func TestOneSlowCommitIsForgotten(t *testing.T) {
	now := time.Unix(0, 0)
	w := &work{e: New(Config{Now: func() time.Time { return now }}), commit: 2 * time.Second}
	tries := 0
	for w.tooLate(&fence{began: now}) {
		if tries++; tries > 5 {
			t.Fatalf("after %d fences a commit is still expected to take %v", tries, w.commit)
		}
	}
	if tries == 0 {
		t.Error("a commit that does not fit is sent")
	}
}
