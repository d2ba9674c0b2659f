package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// openCluster starts a cluster of throw-away speed on dir.
func openCluster(t *testing.T, dir string, shards int) *Cluster {
	t.Helper()
	c, err := Open(ClusterConfig{Dir: dir, Shards: shards, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	c.throwaway = true
	for _, in := range c.instances {
		in.cfg.Throwaway = true
	}
	t.Cleanup(func() { c.Stop(context.Background()) })
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}

// publicDir is a temporary folder that another user may enter.
func publicDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "gori-c-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func query(t *testing.T, dsn, sql string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	rows, err := conn.Query(t.Context(), sql)
	if err != nil {
		t.Fatal(err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowTo[any])
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(all...)
}

// long ends what hangs. It is no promise: a busy host may take its time.
const long = 2 * time.Minute

// within polls a condition that other processes bring about.
func within(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(long); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", long, what)
		}
	}
}

func TestAClusterKeepsItsDataAndItsShards(t *testing.T) {
	// A mode of 0700 (MkdirTemp's) also shows that the servers reach data below
	// a folder that their user cannot enter.
	dir := publicDir(t)
	c := openCluster(t, dir, 2)
	if !c.New() || len(c.Shards()) != 2 || c.Shards()[0].ID != "a" || c.Shards()[1].ID != "b" {
		t.Fatalf("a new cluster: %+v", c.Shards())
	}
	dsn := c.Shards()[1].DSN
	query(t, dsn, "CREATE TABLE kept AS SELECT 7 AS n")
	if got := query(t, dsn, "SELECT current_setting('data_checksums') || current_setting('listen_addresses') || (SELECT datcollate FROM pg_database WHERE datname='gori')"); got != "onC.UTF-8" {
		t.Errorf("checksums, addresses, collation: %s", got)
	}

	if _, err := Open(ClusterConfig{Dir: dir}); !errors.Is(err, ErrInUse) {
		t.Errorf("a second cluster on the same folder: %v", err)
	}
	if !InUse(dir) || InUse(t.TempDir()) {
		t.Error("a folder in use is not seen, or a free one is")
	}
	c.Stop(t.Context())
	c.Stop(t.Context())
	if InUse(dir) {
		t.Error("a stopped cluster still holds its folder")
	}
	for _, in := range c.instances {
		if left := serversIn(in.dataDir()); len(left) != 0 {
			t.Errorf("shard %s left processes %v", in.ID(), left)
		}
		if _, err := os.Stat(in.sockets); err == nil && filepath.Dir(in.sockets) != in.cfg.Dir {
			t.Errorf("shard %s left %s", in.ID(), in.sockets)
		}
	}
	if _, err := Open(ClusterConfig{Dir: dir, Shards: 3}); !errors.Is(err, ErrReshard) {
		t.Errorf("another number of shards: %v", err)
	}
	again := openCluster(t, dir, 0)
	if again.New() {
		t.Error("the data was not found again")
	}
	if got := query(t, again.Shards()[1].DSN, "SELECT n FROM kept"); got != "7" {
		t.Errorf("found again: %s", got)
	}
}

func TestAKilledServerComesBack(t *testing.T) {
	c := openCluster(t, publicDir(t), 1)
	in := c.instances[0]
	// A backend that is busy does not notice the death of its server, and
	// PostgreSQL refuses to start beside it.
	busy, err := pgx.Connect(t.Context(), in.DSN(Database))
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = busy.Exec(context.Background(), "SELECT count(*) FROM generate_series(1, 100000000000) a")
	}()
	within(t, "the busy backend runs", func() bool {
		return query(t, in.DSN(Database), "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%generate_series(1, 1%' AND pid <> pg_backend_pid() AND state = 'active'") == "1"
	})
	before := in.PID()
	if err := syscall.Kill(before, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	within(t, "another server runs", func() bool {
		pid, ready := postmasterFile(in.dataDir())
		return ready && pid != before && in.PID() == pid
	})
	<-ended
	if got := query(t, in.DSN(Database), "SELECT 1"); got != "1" {
		t.Error("the new server does not answer")
	}
}

// As after the restart of a container, when the number belongs to another, and
// after a kill just as a server was making its lock files.
func TestLockFilesThatRemainDoNotPreventTheStart(t *testing.T) {
	c := openCluster(t, publicDir(t), 1)
	in := c.instances[0]
	in.Kill() // the supervisor starts it again; below the files are made by hand
	within(t, "it runs again", func() bool { return in.PID() != 0 })
	c.Stop(t.Context())
	stranger := fmt.Sprintf("%d\n%s\n1\n5432\n%s\n\n  1 1\nready   \n", os.Getpid(), in.dataDir(), in.sockets)
	for _, text := range []string{stranger, ""} {
		for _, lock := range []string{filepath.Join(in.dataDir(), "postmaster.pid"), filepath.Join(in.sockets, socketName+".lock")} {
			if err := errors.Join(makePrivate(in.sockets, in.acc), writeOwned(lock, text, in.acc)); err != nil {
				t.Fatal(err)
			}
			if err := in.Start(t.Context()); err != nil {
				t.Fatalf("%s with %q: %v", filepath.Base(lock), text, err)
			}
			in.Stop(t.Context())
		}
	}
}

func TestAFailedStartSaysWhy(t *testing.T) {
	c := openCluster(t, publicDir(t), 1)
	c.Stop(t.Context())
	in := c.instances[0]
	if err := writeOwned(filepath.Join(in.dataDir(), "custom.conf"), "max_connections = many\n", in.acc); err != nil {
		t.Fatal(err)
	}
	err := in.Start(t.Context())
	if err == nil {
		t.Fatal("it started with a wrong setting")
	}
	if in.PID() != 0 || in.Done() != nil {
		t.Error("a failed start left a process")
	}
	t.Log(err)
}

func TestAnInterruptedBeginningIsFinished(t *testing.T) {
	dir := publicDir(t)
	c, err := Open(ClusterConfig{Dir: dir, Shards: 1})
	if err != nil {
		t.Fatal(err)
	}
	// What a kill during initdb leaves.
	if err := os.MkdirAll(filepath.Join(dir, "shards", "a", "pg.new", "base"), 0o700); err != nil {
		t.Fatal(err)
	}
	c.Close()
	again := openCluster(t, dir, 1)
	if got := query(t, again.Shards()[0].DSN, "SELECT 1"); got != "1" {
		t.Error("no answer")
	}
}
