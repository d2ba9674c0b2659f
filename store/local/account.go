package local

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// account is the operating system user that runs a server. The zero value
// means: as this process.
type account struct {
	other    bool // a user other than this process's own
	uid, gid uint32
	name     string
}

// accountFor decides who runs the server whose data lies, or will lie, in
// pgData. Data that is there already belongs to whoever made it.
func accountFor(pgData string) (account, error) {
	return accountOf(pgData, os.Geteuid())
}

func accountOf(pgData string, euid int) (account, error) {
	if st, err := os.Stat(filepath.Join(pgData, "PG_VERSION")); err == nil {
		owner := st.Sys().(*syscall.Stat_t)
		switch {
		case int(owner.Uid) == euid && euid != 0:
			return account{}, nil
		case euid != 0:
			return account{}, fmt.Errorf("the data in %s belongs to user %s; start as that user or as root", pgData, userName(owner.Uid))
		case owner.Uid != 0:
			return account{other: true, uid: owner.Uid, gid: owner.Gid, name: userName(owner.Uid)}, nil
		}
	}
	if euid != 0 {
		return account{}, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err1 == nil && err2 == nil && uid != 0 {
			return account{other: true, uid: uint32(uid), gid: uint32(gid), name: name}, nil
		}
	}
	return account{}, fmt.Errorf("PostgreSQL does not run as root and there is neither a user postgres nor nobody; start as an ordinary user")
}

func userName(uid uint32) string {
	if u, err := user.LookupId(strconv.Itoa(int(uid))); err == nil {
		return u.Username
	}
	return strconv.Itoa(int(uid))
}

// own gives path to the account.
func (a account) own(path string) error {
	if !a.other {
		return nil
	}
	return os.Chown(path, int(a.uid), int(a.gid))
}

// canEnter says whether the account may reach the existing folder dir, going
// by the mode bits of dir and everything above it.
func (a account) canEnter(dir string) bool {
	if !a.other {
		return true
	}
	for p := dir; ; p = filepath.Dir(p) {
		st, err := os.Stat(p)
		if err != nil {
			return false
		}
		owner, mode := st.Sys().(*syscall.Stat_t), st.Mode().Perm()
		var may bool
		switch {
		case owner.Uid == a.uid:
			may = mode&0o100 != 0
		case owner.Gid == a.gid:
			may = mode&0o010 != 0
		default:
			may = mode&0o001 != 0
		}
		if !may {
			return false
		}
		if p == filepath.Dir(p) {
			return true
		}
	}
}

// attributes are those of every process started for the account: a session of
// its own, so that Ctrl-C on a terminal reaches only the supervisor, which stops
// things in order, and so that it can give way (see GiveWay); and death as the
// kernel's last resort.
func (a account) attributes(death syscall.Signal) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setsid: true, Pdeathsig: death}
	if a.other {
		attr.Credential = &syscall.Credential{Uid: a.uid, Gid: a.gid}
	}
	return attr
}
