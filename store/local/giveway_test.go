package local

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

func TestWhatGivesWayIsLastInTurn(t *testing.T) {
	cmd := exec.Command("sleep", "60")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	GiveWay(cmd.Process.Pid)
	// The system call tells 20 minus the niceness.
	if got, err := syscall.Getpriority(syscall.PRIO_PROCESS, cmd.Process.Pid); err != nil || 20-got != behind {
		t.Errorf("its niceness is %d, %v", 20-got, err)
	}
	session, err := os.ReadFile(fmt.Sprintf("/proc/%d/autogroup", cmd.Process.Pid))
	if err != nil || os.Getuid() != 0 {
		t.Skip("sessions have no niceness here, or the kernel may refuse to take one")
	}
	if !strings.HasSuffix(strings.TrimSpace(string(session)), fmt.Sprintf("nice %d", behind)) {
		t.Errorf("its session: %s", session)
	}
}

// Who is in a session with others speaks only for itself.
func TestGivingWayLeavesOthersAlone(t *testing.T) {
	cmd := exec.Command("sleep", "60")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	before, err := os.ReadFile("/proc/self/autogroup")
	if err != nil {
		t.Skip("sessions have no niceness here")
	}
	GiveWay(cmd.Process.Pid)
	if after, err := os.ReadFile("/proc/self/autogroup"); err != nil || string(after) != string(before) {
		t.Errorf("this session was %s and is %s, %v", before, after, err)
	}
}
