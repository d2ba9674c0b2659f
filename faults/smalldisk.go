package faults

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// smallDisk is a file system of its own for one folder, in memory, that can be
// made full at once. It needs root.
type smallDisk struct{ dir string }

// smallDiskBytes bounds it while it is not full: what a shard writes in a day of torture.
const smallDiskBytes = 4 << 30

// mountSmallDisk makes dir and gives it a disk.
func mountSmallDisk(dir string) (*smallDisk, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("mode=0755,size=%d", int64(smallDiskBytes))); err != nil {
		return nil, fmt.Errorf("a disk of its own for %s: %w", filepath.Base(dir), err)
	}
	return &smallDisk{dir}, nil
}

// fill leaves no space for a while.
func (d *smallDisk) fill(ctx context.Context, done <-chan struct{}, length time.Duration) (err error) {
	heal := sync.OnceValue(func() error { return d.resize(smallDiskBytes) })
	defer func() { err = errors.Join(err, heal()) }()
	end := time.NewTimer(length)
	defer end.Stop()
	again := time.NewTicker(100 * time.Millisecond) // files that go make space
	defer again.Stop()
	for {
		if err := d.squeeze(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-done:
			return errors.New("gori up has ended")
		case <-end.C:
			return nil
		case <-again.C:
		}
	}
}

// squeeze makes the disk as small as what is on it.
func (d *smallDisk) squeeze() error {
	for range 50 { // what is being written at the same time makes it grow
		var st syscall.Statfs_t
		if err := syscall.Statfs(d.dir, &st); err != nil {
			return err
		}
		if st.Bfree == 0 {
			return nil
		}
		err := d.resize(int64(st.Blocks-st.Bfree) * st.Bsize)
		if err != nil && !errors.Is(err, syscall.EINVAL) {
			return err
		}
	}
	return nil // it is full enough
}

func (d *smallDisk) resize(bytes int64) error {
	return syscall.Mount("tmpfs", d.dir, "tmpfs", syscall.MS_REMOUNT, fmt.Sprintf("size=%d", bytes))
}

func (d *smallDisk) unmount() error { return syscall.Unmount(d.dir, syscall.MNT_DETACH) }
