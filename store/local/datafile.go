package local

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// The versions of gori.json: that of a folder in which each shard is one
// instance, and that of one with standbys, where an older Gori would start the
// wrong one. Data of a newer one is refused.
const (
	formatVersion  = 1
	formatStandbys = 2
)

// dataFile is gori.json: what a data folder holds. It has no secrets.
type dataFile struct {
	Format int         `json:"format"`
	MadeBy string      `json:"made_by"`
	MadeAt time.Time   `json:"made_at"`
	Shards []dataShard `json:"shards"`
	// Standby says that each shard has a second instance.
	Standby bool `json:"standby,omitempty"`
}

type dataShard struct {
	ID string `json:"id"`
	// Primary is the instance that is the primary; empty: the one named as the
	// shard is.
	Primary string `json:"primary,omitempty"`
}

// format is the lowest version that tells everything that f says.
func (f *dataFile) format() int {
	if f.Standby || slices.ContainsFunc(f.Shards, func(s dataShard) bool { return s.Primary != "" }) {
		return formatStandbys
	}
	return formatVersion
}

const (
	dataFileName = "gori.json"
	lockName     = "gori.lock"
)

// readDataFile returns nil when dir holds no data yet.
func readDataFile(dir string) (*dataFile, error) {
	raw, err := os.ReadFile(filepath.Join(dir, dataFileName))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read what the data folder holds: %w", err)
	}
	var f dataFile
	if err := json.Unmarshal(raw, &f); err != nil {
		return nil, fmt.Errorf("%s is damaged: %w", filepath.Join(dir, dataFileName), err)
	}
	if f.Format > formatStandbys {
		return nil, fmt.Errorf("the data in %s was made by a newer Gori (%s, format %d; this one knows %d): use that version", dir, f.MadeBy, f.Format, formatStandbys)
	}
	if f.Format < 1 || len(f.Shards) == 0 {
		return nil, fmt.Errorf("%s is damaged: no shards", filepath.Join(dir, dataFileName))
	}
	return &f, nil
}

// writeDataFile makes the file durable before its name appears.
func writeDataFile(dir string, f *dataFile) error {
	f.Format = f.format()
	text, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	tmp := filepath.Join(dir, dataFileName+".new")
	out, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = out.Write(append(text, '\n'))
	err = errors.Join(err, out.Sync(), out.Close())
	if err == nil {
		err = os.Rename(tmp, filepath.Join(dir, dataFileName))
	}
	if errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("%w: %w", ErrDiskFull, err)
	}
	return err
}

// firstIDs names the shards of a new system: a, b, c … z, s27, s28 …
func firstIDs(n int) []dataShard {
	var shards []dataShard
	for i := range n {
		id := fmt.Sprintf("s%d", i+1)
		if i < 26 {
			id = string(rune('a' + i))
		}
		shards = append(shards, dataShard{ID: id})
	}
	return shards
}

// lockDir takes the data folder for this process. The kernel gives the lock
// back when the process ends in whatever way.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock the data folder: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		holder, _ := io.ReadAll(io.LimitReader(f, 32))
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("%w: another gori up (process %s) runs on %s; stop it first, or use another --data", ErrInUse, strings.TrimSpace(string(holder)), dir)
		}
		return nil, fmt.Errorf("lock the data folder: %w", err)
	}
	_ = f.Truncate(0)
	_, _ = f.WriteAt([]byte(fmt.Sprintf("%d\n", os.Getpid())), 0)
	return f, nil
}

// InUse says whether a Cluster holds the data folder.
func InUse(dir string) bool {
	f, err := os.Open(filepath.Join(dir, lockName))
	if err != nil {
		return false
	}
	defer f.Close()
	// Shared, and given back at once: it fails only against a holder.
	return errors.Is(syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB), syscall.EWOULDBLOCK)
}
