package command

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"gori/bench"
)

// TestTools runs the tools against a whole system: the demo twice, an import
// that is killed and repeated, and a bench through the death of the node and of
// a shard.
func TestTools(t *testing.T) {
	t.Parallel()
	s := startUp(t, filepath.Join(t.TempDir(), "data"), "--shards", "2")
	t.Run("demo", s.demoTwice)
	t.Run("import", s.importThroughKill)
	t.Run("bench", s.benchThroughKills)
}

func (s *system) tool(t *testing.T, args ...string) string {
	t.Helper()
	code, out, errOut := gori(t, append(args, "--data", s.dir)...)
	if code != exitOK {
		t.Fatalf("gori %s: exit %d\n%s%s", strings.Join(args, " "), code, out, errOut)
	}
	return out
}

func (s *system) demoTwice(t *testing.T) {
	first := s.tool(t, "demo")
	if again := s.tool(t, "demo"); again != first {
		t.Errorf("the second demo says\n%s\nnot\n%s", again, first)
	}
	login, err := os.Stat(filepath.Join(s.dir, adminFile))
	if err != nil || login.Mode().Perm() != 0o600 {
		t.Errorf("the admin's password: %v, %v", login, err)
	}
}

// importThroughKill kills an import in the middle; a second and a third one
// leave every line once.
func (s *system) importThroughKill(t *testing.T) {
	const logs, lines = 4, 1500
	var files []string
	for n := range logs {
		var log strings.Builder
		for i := range lines {
			fmt.Fprintf(&log, "[%02d:%02d] <nick%d> line %d of log %d, 가나다\n", i/60%24, i%60, (i*7+n)%120, i, n)
		}
		file := filepath.Join(t.TempDir(), fmt.Sprintf("2005-01-0%d.test.raw.txt", n+1))
		if err := os.WriteFile(file, []byte(log.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	args := append([]string{"import", "irc"}, files...)
	cmd := exec.Command(binary(t), append(args, "--data", s.dir)...)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(700*time.Millisecond, func() { _ = cmd.Process.Signal(syscall.SIGKILL) })
	_ = cmd.Wait() // it was killed, or was quicker
	out := s.tool(t, args...)
	if !strings.Contains(out, "every line once and in order") {
		t.Errorf("the second import says\n%s", out)
	}
	out = s.tool(t, args...)
	if !strings.Contains(out, fmt.Sprintf("0 stored now, %d were there already, 0 left out", logs*lines)) {
		t.Errorf("the third import says\n%s", out)
	}
	if !strings.Contains(strings.Join(strings.Fields(out), " "), fmt.Sprintf("all %d %d", logs, logs*lines)) {
		t.Errorf("the shards do not hold all:\n%s", out)
	}
}

// benchThroughKills kills the node and then a shard while messages are sent.
func (s *system) benchThroughKills(t *testing.T) {
	cmd := exec.Command(binary(t), "bench", "pairs", "--pairs", "8", "--seconds", "6", "--warmup", "1", "--every", "0.5", "--json", "--data", s.dir)
	var out, errOut bytes.Buffer
	cmd.Stdout = &out
	says, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	measured := 0
	for lines := bufio.NewScanner(says); lines.Scan(); {
		fmt.Fprintln(&errOut, lines.Text())
		if !strings.Contains(lines.Text(), "acknowledged/s") {
			continue
		}
		switch measured++; measured {
		case 1:
			_ = syscall.Kill(s.state().Nodes[0].PID, syscall.SIGKILL)
		case 3:
			_ = syscall.Kill(s.state().Shards[1].PID, syscall.SIGKILL)
		}
	}
	if err := cmd.Wait(); err != nil || measured < 3 {
		t.Fatalf("%v\n%s%s", err, out.String(), errOut.String())
	}
	var r bench.Result
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	if !r.Clean() || r.HistoryChecked == 0 || r.Reconnected < 8 {
		t.Errorf("%+v", r)
	}
}
