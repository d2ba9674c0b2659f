package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"gori/store/replica"
)

// walKeepMB is how much of its log a primary keeps for a standby that is away.
// One that was away for longer is copied anew.
const walKeepMB = 256

const standbySignal = "standby.signal"

// pairConf is what the two instances of a pair need besides.
func pairConf() []string {
	return []string{
		fmt.Sprintf("wal_keep_size = '%dMB'", walKeepMB),
		"wal_retrieve_retry_interval = '200ms'",
		// Either side notices a silent other one.
		"wal_sender_timeout = '10s'",
		"wal_receiver_timeout = '10s'",
	}
}

// configureLocked writes the settings for the role that the instance has. A
// former primary never becomes a standby here: see Rewind.
func (i *Instance) configureLocked() error {
	more := []string(nil)
	if i.cfg.Paired {
		more = pairConf()
	}
	if i.lead != "" {
		more = append(more, "primary_conninfo = "+quote(i.lead+" application_name="+replica.StandbyName))
	}
	return writeConf(i.dataDir(), i.cfg, i.sockets, i.acc, more)
}

// Follow makes the instance a standby of primary from its next start on; nil:
// it is no standby of anybody. A folder that is not a standby's, because its
// server was a primary when it ended, must be wound back first.
func (i *Instance) Follow(primary *Instance) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.lead = ""
	if primary != nil {
		i.lead = primary.DSN("postgres")
	}
}

// IsStandby says whether the data is that of a standby, running or not.
func (i *Instance) IsStandby() bool {
	_, err := os.Stat(filepath.Join(i.dataDir(), standbySignal))
	return i.Exists() && err == nil
}

// CopyFrom makes the instance a standby with a fresh copy of a running primary.
// What it had before is removed. It can be killed at any time: the copy gets
// its name only when it is whole.
func (i *Instance) CopyFrom(ctx context.Context, primary *Instance) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if err := i.idleLocked(ctx); err != nil {
		return err
	}
	for _, old := range []string{i.dataDir(), i.rewindDir(), i.draftDir()} {
		if err := os.RemoveAll(old); err != nil {
			return err
		}
	}
	size, err := folderBytes(primary.dataDir())
	if err != nil {
		return err
	}
	if err := needSpace(i.cfg.Dir, size+newInstanceBytes); err != nil {
		return err
	}
	draft, err := i.makeDraft()
	if err != nil {
		return err
	}
	args := []string{"--dbname=" + primary.DSN("postgres"), "--wal-method=stream", "--checkpoint=fast", "--no-password"}
	if i.cfg.Throwaway {
		args = append(args, "--no-sync")
	}
	if err := i.tool(ctx, primary, "pg_basebackup", draft, args); err != nil {
		_ = os.RemoveAll(draft)
		return err
	}
	if err := writeOwned(filepath.Join(draft, standbySignal), "", i.acc); err != nil {
		return err
	}
	return os.Rename(draft, i.dataDir())
}

// Rewind makes a standby of a stopped former primary: it takes back what the
// primary now, which was its standby, has never had. That one must have written
// a checkpoint since its promotion. After an error the data is of no use and
// CopyFrom has to make it anew.
func (i *Instance) Rewind(ctx context.Context, primary *Instance) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if err := i.idleLocked(ctx); err != nil {
		return err
	}
	// A folder that was left half wound back must never be started.
	if err := os.Rename(i.dataDir(), i.rewindDir()); err != nil {
		return err
	}
	if err := i.tool(ctx, primary, "pg_rewind", i.rewindDir(), []string{"--source-server=" + primary.DSN("postgres")}); err != nil {
		return err
	}
	if err := writeOwned(filepath.Join(i.rewindDir(), standbySignal), "", i.acc); err != nil {
		return err
	}
	return os.Rename(i.rewindDir(), i.dataDir())
}

func (i *Instance) draftDir() string  { return filepath.Join(i.cfg.Dir, "pg.new") }
func (i *Instance) rewindDir() string { return filepath.Join(i.cfg.Dir, "pg.rewind") }

// idleLocked makes sure that nothing runs on the data.
func (i *Instance) idleLocked(ctx context.Context) error {
	if p := i.proc.Load(); p != nil && !p.ended() {
		return fmt.Errorf("instance %s runs", i.cfg.ID)
	}
	return clearLeftovers(ctx, i.dataDir(), i.sockets, i.cfg.StopPatience/4)
}

// tool runs a program of the primary's PostgreSQL on a folder until it ends.
func (i *Instance) tool(ctx context.Context, primary *Instance, name, dir string, args []string) error {
	bin, err := primary.binaries()
	if err != nil {
		return err
	}
	return i.runToEnd(ctx, bin, name, dir, args, "instance "+i.cfg.ID)
}

// Remove ends the instance and removes all that it has.
func (i *Instance) Remove(ctx context.Context) error {
	i.Stop(ctx)
	i.mu.Lock()
	defer i.mu.Unlock()
	if err := clearLeftovers(ctx, i.dataDir(), i.sockets, i.cfg.StopPatience/4); err != nil {
		return err
	}
	return os.RemoveAll(i.cfg.Dir)
}

// Clear ends what a dead server has left, which may be backends that have not
// noticed its death.
func (i *Instance) Clear(ctx context.Context) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if p := i.proc.Load(); p != nil && !p.ended() {
		return fmt.Errorf("instance %s runs", i.cfg.ID)
	}
	for _, pid := range serversIn(i.dataDir()) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	return waitGone(ctx, i.dataDir(), i.cfg.StopPatience)
}

// folderBytes adds up the files below dir. Files may go while it looks.
func folderBytes(dir string) (uint64, error) {
	var sum uint64
	err := filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err != nil || d.IsDir() {
			return err
		}
		if info, err := d.Info(); err == nil {
			sum += uint64(info.Size())
		}
		return nil
	})
	return sum, err
}

// promotingFile lies in the instance's folder while it is being made a primary.
const promotingFile = "promoting"

func (i *Instance) setPromoting(on bool) error {
	path := filepath.Join(i.cfg.Dir, promotingFile)
	if on {
		return os.WriteFile(path, nil, 0o600)
	}
	return os.Remove(path)
}

func (i *Instance) isPromoting() bool {
	_, err := os.Stat(filepath.Join(i.cfg.Dir, promotingFile))
	return err == nil
}
