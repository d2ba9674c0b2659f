package bench

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"gori/client/clienttest"
)

// crowdEnv makes the test's program a crowd.
const crowdEnv = "GORI_TEST_CROWD"

func TestMain(m *testing.M) {
	if os.Getenv(crowdEnv) == "" {
		os.Exit(m.Run())
	}
	conns, err := strconv.Atoi(os.Args[2])
	if err == nil {
		err = Crowd(context.Background(), Options{URL: os.Args[1], Conns: conns, UsersFile: os.Args[4]}, os.Args[3], os.Stdin, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// TestStorm: the sessions of a killed node come back, and others talk on.
func TestStorm(t *testing.T) {
	s := clienttest.New(t)
	o := options(t, s.URL)
	o.UsersFile = filepath.Join(t.TempDir(), "users.json")
	o.Kill = func(string) error { s.CutAll(); return nil }
	o.Crowd = func(ctx context.Context, conns int, node string) *exec.Cmd {
		cmd := exec.CommandContext(ctx, os.Args[0], s.URL, strconv.Itoa(conns), node, o.UsersFile)
		cmd.Env = append(os.Environ(), crowdEnv+"=1")
		cmd.Stderr = os.Stderr
		return cmd
	}
	r, err := Run(t.Context(), "storm", o)
	if err != nil {
		t.Fatal(err)
	}
	if st := r.Storm; !r.Clean() || st == nil || st.Sessions != o.Conns || st.BackS <= 0 || st.AckBefore.P50 == 0 || r.Reconnected < int64(o.Conns) {
		t.Errorf("%+v %+v", r, r.Storm)
	}
	o.Crowd = func(ctx context.Context, _ int, _ string) *exec.Cmd { return exec.CommandContext(ctx, "false") }
	if _, err := Run(t.Context(), "storm", o); err == nil {
		t.Error("it went on without a crowd")
	}
	o.Kill = nil
	if _, err := Run(t.Context(), "storm", o); err == nil {
		t.Error("it began a storm without anything to kill")
	}
}
