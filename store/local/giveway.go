package local

import (
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// behind is the niceness of what gives way.
const behind = 15

// GiveWay lets a process of this host get a processor only when others need it
// less: a server process that copies or compares much, or one that makes an
// instance. It may be another user's; then it stays as it is.
//
// Where Linux shares the processors among sessions first (sched_autogroup(7)),
// niceness counts only within one. PostgreSQL makes each of its processes a
// session of its own, so there the session is told, too; the kernel takes that
// from those who are not root ten times a second at most, and refuses the rest.
func GiveWay(pid int) {
	_ = syscall.Setpriority(syscall.PRIO_PROCESS, pid, behind)
	if sid, err := unix.Getsid(pid); err == nil && sid == pid {
		_ = os.WriteFile("/proc/"+strconv.Itoa(pid)+"/autogroup", []byte(strconv.Itoa(behind)), 0)
	}
}
