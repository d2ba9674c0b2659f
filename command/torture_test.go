package command

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"gori/bench/torture"
	"gori/host"
)

// tortured runs gori torture and reads its report.
func tortured(t *testing.T, program, mutant string, args ...string) (code int, r torture.Report, said string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, append([]string{"torture", "--json"}, args...)...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = time.Minute
	cmd.Env = append(os.Environ(), "TMPDIR="+t.TempDir())
	if mutant != "" {
		cmd.Env = append(cmd.Env, "GORI_MUTANT="+mutant)
	}
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	_ = cmd.Run() // the exit code says it
	said = errOut.String()
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatalf("exit %d without a report (%v): %s", cmd.ProcessState.ExitCode(), err, said)
	}
	return cmd.ProcessState.ExitCode(), r, said
}

// TestTorture keeps all promises through all faults, for a short while and a
// known seed; make soak goes on for long ones.
func TestTorture(t *testing.T) {
	code, r, said := tortured(t, binary(t), "", "--seed", "6", "--seconds", "9", "--nodes", "3", "--shards", "3",
		"--faults", "kill-node,kill-shard,freeze-node,cut-mesh,drain,slow-client,cut-shard,disk-full")
	if code != exitOK || !r.Clean() || r.Acked == 0 || r.Delivered == 0 || r.Faults < 2 {
		t.Errorf("exit %d: %s\nviolations:\n%s\nfaults:\n%s", code, said, strings.Join(r.Violations, "\n"), strings.Join(r.Log, "\n"))
	}
}

// TestTortureReshards keeps them while a shard comes and what moves the partitions
// is killed.
func TestTortureReshards(t *testing.T) {
	code, r, said := tortured(t, binary(t), "", "--seed", "12", "--seconds", "6", "--rate", "50", "--nodes", "2", "--shards", "2", "--faults", "reshard,kill-mover")
	if code != exitOK || !r.Clean() || r.Acked == 0 || r.Faults == 0 {
		t.Errorf("exit %d: %s\nviolations:\n%s\nfaults:\n%s", code, said, strings.Join(r.Violations, "\n"), strings.Join(r.Log, "\n"))
	}
}

// TestTortureCatchesMutants: a system with a known fault of its own must not
// pass.
func TestTortureCatchesMutants(t *testing.T) {
	program := filepath.Join(t.TempDir(), "gori")
	if out, err := exec.Command("go", "build", "-tags", "mutant", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, m := range []struct {
		name, faults, shards string
		found                func(torture.Report) int64
	}{
		{"gate", "slow-client", "1", func(r torture.Report) int64 { return r.Lost }},
		{"ack", "kill-shard", "1", func(r torture.Report) int64 { return r.Lost }},
		{"repair", "cut-mesh", "1", func(r torture.Report) int64 { return r.Diverged + r.UnreadWrong }},
	} {
		t.Run(m.name, func(t *testing.T) {
			// Whether a wrong turn is taken is a matter of moments: one run of a few
			// seconds may have none.
			for seed := 6; ; seed++ {
				code, r, said := tortured(t, program, m.name, "--seed", fmt.Sprint(seed), "--seconds", "5", "--rate", "250", "--patience", "5",
					"--nodes", "3", "--shards", m.shards, "--faults", m.faults)
				if code == exitFailure && m.found(r) > 0 && len(r.Violations) > 0 {
					return
				}
				if seed == 10 {
					t.Fatalf("not noticed in five runs; the last one: exit %d, %+v\n%s", code, r, said)
				}
			}
		})
	}
}

// TestTortureCleansUp: interrupted, it leaves neither processes nor files.
func TestTortureCleansUp(t *testing.T) {
	temp := t.TempDir()
	cmd := exec.Command(binary(t), "torture", "--seconds", "60", "--nodes", "1", "--shards", "1", "--faults", "freeze-node")
	cmd.Env = append(os.Environ(), "TMPDIR="+temp)
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	started := func() bool {
		found, _ := filepath.Glob(filepath.Join(temp, "gori-torture-*", "data", host.RunningFile))
		return len(found) == 1
	}
	eventually(t, "a private system", started)
	_ = cmd.Process.Signal(os.Interrupt)
	select {
	case <-ended:
	case <-time.After(patience):
		_ = cmd.Process.Kill()
		t.Fatal("it does not end when interrupted")
	}
	if code := cmd.ProcessState.ExitCode(); code != exitFailure {
		t.Errorf("exit %d: %s", code, said.String())
	}
	if left, _ := filepath.Glob(filepath.Join(temp, "*")); len(left) > 0 {
		t.Errorf("it leaves %v", left)
	}
	s := &system{t: t, dir: temp}
	if left := s.processes(); len(left) > 0 {
		t.Errorf("it leaves processes %v", left)
	}
}

func TestTortureRefusesWhatItDoesNotKnow(t *testing.T) {
	for _, args := range [][]string{{"--faults", "earthquake"}, {"--seconds", "0.1"}, {"--people", "2"}, {"--rate", "-1"}} {
		if code, _, errOut := gori(t, append([]string{"torture"}, args...)...); code != exitUsage || errOut == "" {
			t.Errorf("%v: exit %d: %s", args, code, errOut)
		}
	}
}
