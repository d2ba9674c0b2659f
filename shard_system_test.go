package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gori/store/local"
)

// Two servers that no gori up knows, as on two hosts: an owner makes one the
// standby of the other and promotes it.
func TestAStandbyElsewhere(t *testing.T) {
	binary(t) // takes a while
	dir := dataDir(t)
	var at [2]*local.Instance
	for i, name := range []string{"a", "far"} {
		in, err := local.New(local.Config{ID: name, Dir: filepath.Join(dir, name), Throwaway: true, Paired: true, SharedBuffersMB: 16})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { in.Stop(context.Background()) })
		at[i] = in
	}
	a, far := at[0], at[1]
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(a.Init(t.Context()))
	must(a.Start(t.Context()))
	must(a.CreateDatabase(t.Context(), local.Database))
	file := filepath.Join(dir, "config.yaml")
	must(os.WriteFile(file, []byte(fmt.Sprintf("witness_dir: %s\nshards:\n  - id: a\n    dsn: %q\n    standby: %q\n", dir,
		a.DSN(local.Database), far.DSN(local.Database))), 0o600))
	cfg, _, err := loadConfig(file, nil)
	must(err)
	must(migrateAll(t.Context(), cfg, slog.New(slog.DiscardHandler)))
	does := func(code int, says string, args ...string) {
		t.Helper()
		got, out, e := gori(t, append(args, "--config", file)...)
		if got != code || !strings.Contains(out+e, says) {
			t.Errorf("%v: exit %d: %s%s", args, got, out, e)
		}
	}
	does(exitOK, "no standby", "shard", "status")
	does(exitOK, "2 of a, witness:one", "shard", "witness", "one")
	does(exitOK, "2 of a, witness:one, witness:two", "shard", "witness", "two")
	does(exitFailure, "standby at @a.2", "shard", "standby", "a")
	must(far.CopyFrom(t.Context(), a))
	far.Follow(a)
	must(far.Start(t.Context()))
	follows := func() {
		t.Helper()
		eventually(t, "the standby follows", func() bool {
			code, _, _ := gori(t, "shard", "standby", "a", "--config", file)
			return code == exitOK
		})
		does(exitOK, "in sync", "shard", "status")
	}
	follows()
	far.Kill()
	does(exitOK, "goes on", "shard", "alone", "a")
	does(exitOK, "may lose acks", "shard", "status")
	does(exitFailure, "may lack acknowledged messages", "shard", "promote", "a")
	must(far.Start(t.Context()))
	follows()
	a.Kill()
	does(exitOK, "@a.2, term 2", "shard", "promote", "a")
	does(exitOK, "no standby", "shard", "status")
}
