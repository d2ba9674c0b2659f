package store

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// patience ends what hangs. It is no promise: a busy host may take its time.
const patience = 2 * time.Minute

func soon(t testing.TB, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it did not happen")
		}
	}
}

// promised holds what was measured against the time that is promised. A host
// that does other things at the same time cannot keep it, so only make soak
// takes it for a failure.
func promised(t *testing.T, what string, took, most time.Duration) {
	t.Helper()
	t.Logf("%s: %v; promised are %v", what, took.Round(time.Millisecond), most)
	if took > most && os.Getenv("GORI_TEST_LONG") != "" {
		t.Errorf("%s took %v, more than %v", what, took, most)
	}
}

// staysIdle lets a transaction do nothing for as long as the test wants.
func staysIdle(t testing.TB, tx pgx.Tx) {
	if _, err := tx.Exec(context.Background(), "SET LOCAL idle_in_transaction_session_timeout = 0"); err != nil {
		t.Error(err)
	}
}
