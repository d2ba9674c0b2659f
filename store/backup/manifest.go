package backup

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"gori/shard"
)

const (
	formatVersion = 1
	manifestName  = "manifest.json"
	// unfinishedName is there from the beginning until the manifest is.
	unfinishedName = "UNFINISHED"
)

// Errors of a folder that holds no whole backup.
var (
	ErrUnfinished = errors.New("the backup was not finished: remove the folder and take another")
	ErrNoBackup   = errors.New("there is no backup")
	ErrDiskFull   = errors.New("the disk is full")
)

// DamageError says what of a backup is not as it was written.
type DamageError struct {
	File string
	What string
}

func (e *DamageError) Error() string {
	return fmt.Sprintf("the backup is damaged: %s %s", e.File, e.What)
}

// Manifest describes a whole backup.
type Manifest struct {
	Format int    `json:"format"`
	Gori   string `json:"gori"`   // the program's version
	Schema int32  `json:"schema"` // of all shards
	// At is the instant of the set; Took is until all of it was written.
	At   time.Time `json:"at"`
	Took float64   `json:"took_s"`
	// PauseUS is how long writes had to wait, in microseconds; Tries is how
	// often that was tried, and WorstUS the longest of these pauses.
	PauseUS int64 `json:"pause_us"`
	WorstUS int64 `json:"worst_pause_us"`
	Tries   int   `json:"tries"`
	// Ring is the newest ring document that a shard held, for people: what is
	// restored gets a ring of its own.
	Ring *shard.Ring `json:"ring,omitempty"`
	// Epoch is the greatest of any partition's ownership.
	Epoch  shard.Epoch     `json:"epoch"`
	Shards []ManifestShard `json:"shards"`
	Files  []ManifestFile  `json:"files"`
}

// ManifestShard is a shard at the instant.
type ManifestShard struct {
	ID         shard.ID          `json:"id"`
	Postgres   string            `json:"postgres"`   // its version
	Partitions []shard.Partition `json:"partitions"` // those it owned; of the others nothing is in the set
}

// ManifestFile is one table of one shard.
type ManifestFile struct {
	Name    string   `json:"name"`
	Shard   shard.ID `json:"shard"`
	Table   string   `json:"table"` // with its schema
	Columns []string `json:"columns"`
	Sum
	Bytes  int64  `json:"bytes"`  // of rows
	Stored int64  `json:"stored"` // of the file
	SHA256 string `json:"sha256"` // of the file
}

// Tables returns the sums of all shards together, by table.
func (m *Manifest) Tables() map[string]Sum {
	sums := map[string]Sum{}
	for _, f := range m.Files {
		sums[f.Table] = sums[f.Table].Plus(f.Sum)
	}
	return sums
}

// Totals returns rows, their bytes, and the bytes of the files.
func (m *Manifest) Totals() (rows, bytes, stored int64) {
	for _, f := range m.Files {
		rows, bytes, stored = rows+f.Rows, bytes+f.Bytes, stored+f.Stored
	}
	return rows, bytes, stored
}

// Read returns the manifest of a whole backup.
func Read(dir string) (*Manifest, error) {
	text, err := os.ReadFile(filepath.Join(dir, manifestName))
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Stat(filepath.Join(dir, unfinishedName)); err == nil {
			return nil, fmt.Errorf("%s: %w", dir, ErrUnfinished)
		}
		return nil, fmt.Errorf("%w in %s: it has no %s", ErrNoBackup, dir, manifestName)
	}
	if err != nil {
		return nil, err
	}
	m := &Manifest{}
	if err := json.Unmarshal(text, m); err != nil {
		return nil, &DamageError{manifestName, "cannot be read: " + err.Error()}
	}
	if m.Format != formatVersion {
		return nil, fmt.Errorf("the backup in %s has format %d and this gori knows %d: use the gori that wrote it (%s), or a newer one", dir, m.Format, formatVersion, m.Gori)
	}
	return m, m.check()
}

// check refuses a manifest that does not describe a whole set.
func (m *Manifest) check() error {
	owners := make([]int, shard.Partitions)
	for _, s := range m.Shards {
		for _, p := range s.Partitions {
			if !p.Valid() {
				return &DamageError{manifestName, fmt.Sprintf("names partition %d", p)}
			}
			owners[p]++
		}
	}
	if p := slices.IndexFunc(owners, func(n int) bool { return n != 1 }); p >= 0 {
		return &DamageError{manifestName, fmt.Sprintf("gives partition %d to %d shards", p, owners[p])}
	}
	for _, f := range m.Files {
		if !filepath.IsLocal(f.Name) || len(f.Columns) == 0 {
			return &DamageError{manifestName, fmt.Sprintf("names a file %q", f.Name)}
		}
	}
	return nil
}

// write puts the manifest into place, durably, after everything else is.
func (m *Manifest) write(dir string) error {
	text, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return err
	}
	path := filepath.Join(dir, manifestName)
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return full(err)
	}
	_, err = f.Write(append(text, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return full(err)
	}
	if err := syncDir(dir); err != nil { // the files before the manifest
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(dir, unfinishedName)); err != nil {
		return err
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// full gives the error of a full disk its name.
func full(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", ErrDiskFull, err)
	}
	return err
}
