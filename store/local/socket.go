package local

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

const (
	socketName = ".s.PGSQL.5432"
	// socketMax is the longest path of a Unix socket on Linux: 108 bytes with
	// the final zero.
	socketMax = 107
)

// socketDir makes the folder for the socket of the instance in dir: dir/sock,
// or, when that path is too long or the account cannot reach it, a short
// folder under /run or the temporary folder, named by a hash of dir so that it
// is the same one at every start.
func socketDir(dir string, acc account) (string, error) {
	near := filepath.Join(dir, "sock")
	if len(near)+1+len(socketName) <= socketMax && acc.canEnter(dir) {
		return near, makePrivate(near, acc)
	}
	p, err := shortDir(dir, socketMax-1-len(socketName), acc)
	if err != nil {
		return "", fmt.Errorf("no folder for the socket of %s (a socket's path may have %d bytes): %w", dir, socketMax, err)
	}
	return p, nil
}

// shortDir makes a folder that only the account may enter, its path at most so
// many bytes long, under /run or the temporary folder.
func shortDir(seed string, most int, acc account) (string, error) {
	sum := sha256.Sum256([]byte(seed))
	name := fmt.Sprintf("gori-%d-%s", os.Geteuid(), hex.EncodeToString(sum[:6]))
	last := errors.New("none can be reached")
	for _, parent := range []string{"/run", os.Getenv("XDG_RUNTIME_DIR"), os.TempDir(), "/tmp"} {
		if parent == "" || !acc.canEnter(parent) {
			continue
		}
		p := filepath.Join(parent, name)
		if len(p) > most {
			continue
		}
		if last = makePrivate(p, acc); last == nil {
			return p, nil
		}
	}
	return "", last
}

// WorkDir makes the folder near for another account to work in, or, when that
// account cannot reach it, a folder elsewhere, the same one at every start.
func WorkDir(near string, uid, gid uint32) (string, error) {
	acc := account{other: int(uid) != os.Geteuid(), uid: uid, gid: gid}
	if acc.canEnter(filepath.Dir(near)) {
		return near, makePrivate(near, acc)
	}
	p, err := shortDir(near, 4096, acc)
	if err != nil {
		return "", fmt.Errorf("no folder that user %s can reach: %w", userName(uid), err)
	}
	return p, nil
}

// makePrivate makes path a real folder (not a link planted by someone else)
// that only the account may enter.
func makePrivate(path string, acc account) error {
	if err := os.Mkdir(path, 0o700); err != nil && !os.IsExist(err) {
		return err
	}
	st, err := os.Lstat(path)
	if err != nil {
		return err
	}
	owner := st.Sys().(*syscall.Stat_t)
	mine := int(owner.Uid) == os.Geteuid() || (acc.other && owner.Uid == acc.uid)
	if !st.IsDir() || !mine {
		return fmt.Errorf("%s is not a folder of ours", path)
	}
	if err := os.Chmod(path, 0o700); err != nil {
		return err
	}
	return acc.own(path)
}

// PrivateSocket returns the path for a socket named name in a folder that only
// this process's user may enter: dir, or, when the path would be too long, a
// short folder elsewhere, the same one at every start.
func PrivateSocket(dir, name string) (string, error) {
	if len(dir)+1+len(name) <= socketMax {
		return filepath.Join(dir, name), makePrivate(dir, account{})
	}
	short, err := shortDir(dir, socketMax-1-len(name), account{})
	if err != nil {
		return "", fmt.Errorf("no folder for the socket %s of %s (a socket's path may have %d bytes): %w", name, dir, socketMax, err)
	}
	return filepath.Join(short, name), nil
}
