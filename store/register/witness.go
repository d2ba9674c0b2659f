package register

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"gori/shard"
	"gori/shard/reshard"
)

// witness is an acceptor in a file. Processes of one host may share it: a lock
// on a file beside it orders them. What it answers is on the disk before.
type witness struct{ path string }

type kept struct {
	Promised reshard.Ballot `json:"promised"`
	Accepted reshard.Ballot `json:"accepted"`
	Doc      *shard.Ring    `json:"doc"`
}

// Prepare implements reshard.Acceptor.
func (w witness) Prepare(_ context.Context, b reshard.Ballot) (reshard.Vote, error) {
	return w.change(func(k *kept) bool {
		if k.Promised.Compare(b) >= 0 {
			return false
		}
		k.Promised = b
		return true
	})
}

// Accept implements reshard.Acceptor.
func (w witness) Accept(_ context.Context, b reshard.Ballot, doc *shard.Ring) (reshard.Vote, error) {
	return w.change(func(k *kept) bool {
		if k.Promised.Compare(b) > 0 {
			return false
		}
		*k = kept{Promised: b, Accepted: b, Doc: doc}
		return true
	})
}

// Peek implements reshard.Acceptor.
func (w witness) Peek(context.Context) (reshard.Vote, error) {
	v, err := w.change(func(*kept) bool { return false })
	v.OK = err == nil
	return v, err
}

// change reads the file under its lock and, if do says so, writes it anew.
func (w witness) change(do func(*kept) bool) (v reshard.Vote, err error) {
	lock, err := os.OpenFile(w.path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return v, fmt.Errorf("witness: %w", err)
	}
	defer lock.Close() // and with it the lock
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return v, fmt.Errorf("witness %s: %w", w.path, err)
	}
	var k kept
	text, err := os.ReadFile(w.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return v, fmt.Errorf("witness: %w", err)
	default:
		if err := json.Unmarshal(text, &k); err != nil {
			return v, fmt.Errorf("witness %s: %w", w.path, err)
		}
	}
	done := do(&k)
	if done {
		if err := w.write(&k); err != nil {
			return v, fmt.Errorf("witness: %w", err)
		}
	}
	return reshard.Vote{OK: done, Promised: k.Promised, Accepted: k.Accepted, Doc: k.Doc}, nil
}

func (w witness) write(k *kept) error {
	text, err := json.Marshal(k)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(w.path+".new", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(w.path+".new", w.path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(w.path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
