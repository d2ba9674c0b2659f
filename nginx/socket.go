package nginx

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// inheritable returns a file of the same socket that stays as Nginx needs it:
// non-blocking. Nginx leaves a socket that it is given as it is, and of several
// workers that are woken by one connection all but one would wait in accept for
// the next, with everybody whom they serve. A file that a net.Listener returns is
// made blocking, for all who have the socket, whenever a process is started with it.
func inheritable(socket *os.File) (*os.File, error) {
	raw, err := socket.SyscallConn()
	if err != nil {
		return nil, err
	}
	fd := -1
	cerr := raw.Control(func(of uintptr) {
		if fd, err = unix.FcntlInt(of, unix.F_DUPFD_CLOEXEC, 3); err == nil {
			err = syscall.SetNonblock(fd, true)
		}
	})
	if err == nil {
		err = cerr
	}
	if err != nil {
		if fd >= 0 {
			_ = syscall.Close(fd)
		}
		return nil, fmt.Errorf("hand the socket to nginx: %w", err)
	}
	return os.NewFile(uintptr(fd), socket.Name()), nil
}
