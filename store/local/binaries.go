package local

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// The PostgreSQL major versions Gori is made for. Newer ones are used only for
// data that they already own.
const (
	oldestMajor = 15
	newestMajor = 17
)

// InstallCommand is what a person types to get PostgreSQL on Debian or Ubuntu.
// The first part keeps the package from starting a server of its own.
const InstallCommand = `sudo mkdir -p /etc/postgresql-common && echo "create_main_cluster = false" | sudo tee /etc/postgresql-common/createcluster.conf && sudo apt-get install -y postgresql`

// ErrNoPostgres is wrapped by every error about missing PostgreSQL programs.
var ErrNoPostgres = errors.New("PostgreSQL is not installed")

// Binaries are the programs of one PostgreSQL version.
type Binaries struct {
	Dir   string // the folder that holds initdb and postgres
	Major int    // 15, 16, 17
}

func (b Binaries) path(name string) string { return filepath.Join(b.Dir, name) }

// FindBinaries finds the programs for a major version; 0 means the newest one
// that is suitable for new data. It looks where Debian, Ubuntu and the PGDG
// packages put them, then along PATH.
func FindBinaries(major int) (Binaries, error) {
	return choose(candidates(), major)
}

func choose(found []Binaries, major int) (Binaries, error) {
	var have []string
	best := Binaries{}
	for _, b := range found {
		have = append(have, strconv.Itoa(b.Major))
		switch {
		case major != 0 && b.Major == major:
			return b, nil
		case major == 0 && b.Major >= oldestMajor && b.Major <= newestMajor && b.Major > best.Major:
			best = b
		}
	}
	if best.Major != 0 {
		return best, nil
	}
	if major != 0 {
		return best, fmt.Errorf("%w in version %d, which this data was made with (found: %s); install it: sudo apt-get install -y postgresql-%d",
			ErrNoPostgres, major, orNone(have), major)
	}
	return best, fmt.Errorf("%w in a version from %d to %d (found: %s); install it: %s",
		ErrNoPostgres, oldestMajor, newestMajor, orNone(have), InstallCommand)
}

func orNone(have []string) string {
	if len(have) == 0 {
		return "none"
	}
	slices.Sort(have)
	return strings.Join(slices.Compact(have), ", ")
}

func candidates() []Binaries {
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	more, _ := filepath.Glob("/usr/pgsql-*/bin")
	dirs = append(dirs, more...)
	if p, err := exec.LookPath("initdb"); err == nil {
		if p, err = filepath.EvalSymlinks(p); err == nil {
			dirs = append(dirs, filepath.Dir(p))
		}
	}
	var found []Binaries
	for _, dir := range dirs {
		if major := majorOf(dir); major != 0 {
			found = append(found, Binaries{Dir: dir, Major: major})
		}
	}
	return found
}

// majorOf asks the server program in dir for its version; 0 when dir does not
// hold a whole installation (Debian's client package has the folder too).
func majorOf(dir string) int {
	for _, name := range []string{"initdb", "postgres"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return 0
		}
	}
	out, err := exec.Command(filepath.Join(dir, "postgres"), "--version").Output()
	if err != nil {
		return 0
	}
	return parseMajor(string(out))
}

// parseMajor reads "postgres (PostgreSQL) 15.18 (Debian …)".
func parseMajor(version string) int {
	_, rest, ok := strings.Cut(version, "(PostgreSQL) ")
	if !ok {
		return 0
	}
	digits := rest
	if i := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' }); i >= 0 {
		digits = rest[:i]
	}
	n, _ := strconv.Atoi(digits)
	return n
}
