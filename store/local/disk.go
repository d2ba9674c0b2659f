package local

import (
	"errors"
	"fmt"
	"syscall"
)

// ErrDiskFull is wrapped by errors that come from a full disk.
var ErrDiskFull = errors.New("the disk is full: free some space, then it goes on by itself")

// newInstanceBytes is what making one instance needs: an empty database with
// its first log segments, and room to begin.
const newInstanceBytes = 128 << 20

// freeBytes returns what an ordinary user may still write to path's disk.
func freeBytes(path string) (uint64, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(path, &st); err != nil {
		return 0, fmt.Errorf("how much space is free at %s: %w", path, err)
	}
	return st.Bavail * uint64(st.Bsize), nil
}

func needSpace(path string, bytes uint64) error {
	free, err := freeBytes(path)
	if err != nil {
		return err
	}
	if free < bytes {
		return fmt.Errorf("%w (%s has %d MB free, %d MB are needed)", ErrDiskFull, path, free>>20, bytes>>20)
	}
	return nil
}
