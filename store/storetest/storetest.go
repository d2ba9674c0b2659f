package storetest

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/store/local"
)

// envServer names the socket folder of a server to use instead of a new one.
const envServer = "GORI_TEST_PG"

const patience = 2 * time.Minute

// shared is the server of this test process.
var shared struct {
	once    sync.Once
	sockets string
	err     error
	// The watcher waits for this pipe to close, which only the end of this
	// process does.
	alive *os.File
}

// template is an initialised data folder that StartInstance copies.
var template struct {
	once sync.Once
	dir  string
	err  error
}

// Cluster returns the folder of the Unix socket of the server that the tests
// of this process share.
func Cluster(t testing.TB) string {
	t.Helper()
	shared.once.Do(func() {
		if dir := os.Getenv(envServer); dir != "" {
			shared.sockets = dir
			return
		}
		shared.sockets, shared.err = startShared()
	})
	if shared.err != nil {
		t.Fatalf("these tests need PostgreSQL: %v", shared.err)
	}
	return shared.sockets
}

// DSN returns the connection string of a new empty database, dropped when the
// test ends.
func DSN(t testing.TB) string {
	t.Helper()
	return DSNs(t, 1)[0]
}

// DSNs returns the connection strings of n new empty databases, as a test with
// n shards needs them. They are dropped when the test ends.
func DSNs(t testing.TB, n int) []string {
	t.Helper()
	sockets := Cluster(t)
	admin := local.SocketDSN(sockets, "postgres")
	var names, dsns []string
	for range n {
		name := "t_" + strings.ToLower(rand.Text())
		names = append(names, name)
		dsns = append(dsns, local.SocketDSN(sockets, name))
	}
	if err := execEach(admin, "CREATE DATABASE %s", names); err != nil {
		t.Fatalf("make a test database: %v", err)
	}
	t.Cleanup(func() {
		if err := execEach(admin, "DROP DATABASE IF EXISTS %s WITH (FORCE)", names); err != nil {
			t.Logf("drop the test databases: %v", err)
		}
	})
	return dsns
}

// Exec runs statements on a database, each by itself.
func Exec(t testing.TB, dsn string, statements ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	for _, sql := range statements {
		if _, err := conn.Exec(ctx, sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

// Session returns what runs statements over one connection to dsn, which stays
// open until the test ends.
func Session(t testing.TB, dsn string) func(ctx context.Context, sql string) error {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return func(ctx context.Context, sql string) error {
		_, err := conn.Exec(ctx, sql)
		return err
	}
}

func execEach(dsn, format string, names []string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for _, name := range names {
		if _, err := conn.Exec(ctx, fmt.Sprintf(format, pgx.Identifier{name}.Sanitize())); err != nil {
			return err
		}
	}
	return nil
}

// StartInstance starts a private, durable server for one test, which may Kill,
// Stop and Start it. It has a database "gori": use in.DSN("gori"). It is
// stopped and removed when the test ends.
func StartInstance(t testing.TB) *local.Instance {
	t.Helper()
	return startInstance(t, "")
}

// startInstance has the data in a folder of its own in parent; "": the temporary
// folder.
func startInstance(t testing.TB, parent string) *local.Instance {
	t.Helper()
	template.once.Do(func() { template.dir, template.err = makeTemplate() })
	if template.err != nil {
		t.Fatalf("these tests need PostgreSQL: %v", template.err)
	}
	dir, err := tempDirIn(parent)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	// cp keeps the owner, the modes and, where it can, shares the blocks.
	if out, err := exec.Command("cp", "-a", "--reflink=auto", filepath.Join(template.dir, "pg"), filepath.Join(dir, "pg")).CombinedOutput(); err != nil {
		t.Fatalf("copy the template: %v: %s", err, out)
	}
	in, err := local.New(local.Config{ID: "test", Dir: dir, SharedBuffersMB: 32, StopPatience: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := in.Start(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		in.Stop(ctx)
	})
	if err := in.CreateDatabase(ctx, "gori"); err != nil {
		t.Fatal(err)
	}
	return in
}

// tempDir makes a folder with a short path that other users may enter.
func tempDir() (string, error) { return tempDirIn("") }

func tempDirIn(parent string) (string, error) {
	dir, err := os.MkdirTemp(parent, "gori-pg-")
	if err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o755)
}

func makeTemplate() (string, error) {
	dir, err := tempDir()
	if err != nil {
		return "", err
	}
	if err := watch(dir, 0); err != nil {
		return "", err
	}
	in, err := local.New(local.Config{ID: "template", Dir: dir, Throwaway: true})
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return dir, in.Init(ctx)
}

func startShared() (string, error) {
	dir, err := tempDir()
	if err != nil {
		return "", err
	}
	in, err := local.New(local.Config{ID: "test", Dir: dir, Throwaway: true, MaxConnections: 300})
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := in.Init(ctx); err != nil {
		return "", err
	}
	if err := in.Start(ctx); err != nil {
		return "", err
	}
	return in.SocketDir(), watch(dir, in.PID())
}

// aliveEnd is the end of the pipe that every watcher waits on.
var aliveEnd struct {
	once sync.Once
	r    *os.File
	err  error
}

// watch leaves behind a small process that, once this one has ended in
// whatever way, stops the server pid (if any) and removes dir.
func watch(dir string, pid int) error {
	aliveEnd.once.Do(func() { aliveEnd.r, shared.alive, aliveEnd.err = os.Pipe() })
	if aliveEnd.err != nil {
		return aliveEnd.err
	}
	const script = `read _; if [ "$2" != 0 ]; then kill -QUIT "$2"; n=0; while kill -0 "$2" && [ $n -lt 100 ]; do sleep 0.05; n=$((n+1)); done; fi 2>/dev/null; rm -rf "$1"`
	cmd := exec.Command("sh", "-c", script, "sh", dir, fmt.Sprint(pid))
	cmd.Stdin = aliveEnd.r
	// Away from the terminal's Ctrl-C.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the watcher: %w", err)
	}
	return cmd.Process.Release()
}
