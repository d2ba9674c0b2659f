package command

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"gori/host"
	"gori/reach"
	"gori/shard"
)

// control reaches a system's socket for commands.
func (s *system) control() *host.Client {
	s.t.Helper()
	u, err := host.Dial(s.state())
	if err != nil {
		s.t.Fatal(err)
	}
	return u
}

func TestUpMakesInstancesAndTakesThemOut(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	s := startUp(t, dir, "--shards", "1")
	if st, err := os.Stat(s.state().Control); err != nil || st.Mode().Perm() != 0o600 {
		t.Fatalf("the socket: %v, %v", st, err)
	}
	e, err := s.control().Add(t.Context(), "e")
	if err != nil {
		t.Fatal(err)
	}
	if again, err := s.control().Add(t.Context(), "e"); err != nil || again.PID != e.PID {
		t.Errorf("once more: %+v, %v", again, err)
	}
	refused := func(what string, status int, says string, err error) {
		t.Helper()
		var r *host.Refusal
		if !errors.As(err, &r) || r.Status != status || !strings.Contains(r.Message, says) {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err = s.control().Add(t.Context(), "Not a name")
	refused("a wrong name", http.StatusBadRequest, "name", err)
	_, err = s.control().Remove(t.Context(), "a", false)
	refused("one that is needed", http.StatusConflict, "the ring names", err)
	_, err = s.control().Remove(t.Context(), "z", false)
	refused("none", http.StatusNotFound, "no instance", err)

	eventually(t, "it is noted", func() bool { return len(s.state().Shards) == 2 })
	text, err := os.ReadFile(filepath.Join(dir, host.ShardsFile))
	if err != nil || !strings.Contains(string(text), "\ne=host=") || !strings.Contains(string(text), "user=gori_app") {
		t.Errorf("%s: %q, %v", host.ShardsFile, text, err)
	}

	s.signal(syscall.SIGTERM)
	<-s.done
	s = startUp(t, dir)
	if len(s.state().Shards) != 2 {
		t.Fatalf("it is found again: %+v", s.state().Shards)
	}
	ring, err := reach.ReadDocument(t.Context(), reach.AsConfig(s.state().Shards))
	if err != nil || ring.Map.Has("e") || len(ring.Map.Owned(shard.ID("a"))) != shard.Partitions {
		t.Errorf("the ring is as before: %v, %v", ring, err)
	}
	gone, err := s.control().Remove(t.Context(), "e", false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(gone.Aside, "pg")); err != nil {
		t.Errorf("its data is kept: %v", err)
	}
	eventually(t, "that is noted", func() bool { return len(s.state().Shards) == 1 })
}
