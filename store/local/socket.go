package local

import (
	"crypto/sha256"
	"encoding/hex"
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
	sum := sha256.Sum256([]byte(dir))
	name := fmt.Sprintf("gori-%d-%s", os.Geteuid(), hex.EncodeToString(sum[:6]))
	var last error
	for _, parent := range []string{"/run", os.Getenv("XDG_RUNTIME_DIR"), os.TempDir(), "/tmp"} {
		if parent == "" || !acc.canEnter(parent) {
			continue
		}
		p := filepath.Join(parent, name)
		if len(p)+1+len(socketName) > socketMax {
			continue
		}
		if last = makePrivate(p, acc); last == nil {
			return p, nil
		}
	}
	return "", fmt.Errorf("no folder for the socket of %s (a socket's path may have %d bytes): %w", dir, socketMax, last)
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
