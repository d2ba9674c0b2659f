package storetest

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"

	"gori/store/local"
)

// SmallDisk is a file system of its own that can be made full. It takes root:
// without, the test is skipped.
type SmallDisk struct {
	t   testing.TB
	dir string
}

const smallDiskBytes = 1 << 30

// NewSmallDisk makes one; it goes when the test ends, after what was put there
// later.
func NewSmallDisk(t testing.TB) *SmallDisk {
	t.Helper()
	dir, err := tempDir()
	if err != nil {
		t.Fatal(err)
	}
	err = syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("mode=0755,size=%d", smallDiskBytes))
	if errors.Is(err, syscall.EPERM) {
		_ = os.Remove(dir)
		t.Skip("a disk of its own takes root")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(syscall.Unmount(dir, syscall.MNT_DETACH), os.Remove(dir)); err != nil {
			t.Error(err)
		}
	})
	return &SmallDisk{t, dir}
}

// StartInstance is the function of that name, with the data on the disk.
func (d *SmallDisk) StartInstance() *local.Instance {
	d.t.Helper()
	return startInstance(d.t, d.dir)
}

// Fill leaves no space, but for what goes away by itself.
func (d *SmallDisk) Fill() {
	d.t.Helper()
	for range 50 { // what is being written at the same time makes it grow
		var st syscall.Statfs_t
		if err := syscall.Statfs(d.dir, &st); err != nil {
			d.t.Fatal(err)
		}
		if st.Bfree == 0 {
			return
		}
		if err := d.resize(int64(st.Blocks-st.Bfree) * st.Bsize); err != nil && !errors.Is(err, syscall.EINVAL) {
			d.t.Fatal(err)
		}
	}
}

// Free makes space again.
func (d *SmallDisk) Free() {
	d.t.Helper()
	if err := d.resize(smallDiskBytes); err != nil {
		d.t.Fatal(err)
	}
}

func (d *SmallDisk) resize(bytes int64) error {
	return syscall.Mount("tmpfs", d.dir, "tmpfs", syscall.MS_REMOUNT, fmt.Sprintf("size=%d", bytes))
}
