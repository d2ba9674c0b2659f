package storetest_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"gori/store/storetest"
)

func TestEachTestHasItsOwnDatabase(t *testing.T) {
	for _, name := range []string{"a", "b"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := connect(t, storetest.DSN(t))
			exec(t, conn, "CREATE TABLE only_mine (n int)")
		})
	}
}

func TestAnInstanceSurvivesItsKill(t *testing.T) {
	in := storetest.StartInstance(t)
	conn := connect(t, in.DSN("gori"))
	exec(t, conn, "CREATE TABLE kept (n int)")
	exec(t, conn, "INSERT INTO kept SELECT generate_series(1, 1000)")
	in.Kill()
	if in.PID() != 0 {
		t.Fatal("a killed instance has a pid")
	}
	if err := in.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := connect(t, in.DSN("gori")).QueryRow(t.Context(), "SELECT count(*) FROM kept").Scan(&n); err != nil || n != 1000 {
		t.Fatalf("after the kill: %d rows, %v", n, err)
	}
	in.Stop(t.Context())
	in.Stop(t.Context())
}

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func exec(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}
