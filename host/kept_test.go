package host

import (
	"os"
	"testing"
)

func TestPortsAreRemembered(t *testing.T) {
	dir := t.TempDir()
	p := openPorts(dir, 22_300)
	first, err := p.node("n1", 1)
	if err != nil {
		t.Fatal(err)
	}
	taken, addr, err := reserve(first.HTTP)
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	second, err := p.node("n2", 2)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.save(); err != nil {
		t.Fatal(err)
	}
	again := openPorts(dir, 22_300)
	if got, err := again.node("n2", 2); err != nil || got != second {
		t.Errorf("n2 had %v and now has %v, %v", second, got, err)
	}
	// Another system took n1's port meanwhile.
	if got, err := again.node("n1", 1); err != nil || got.HTTP == first.HTTP || got.HTTP == second.HTTP {
		t.Errorf("n1 has %v although %s is taken, %v", got, addr, err)
	}
}

func TestMeshSecretIsPrivateAndKept(t *testing.T) {
	dir := t.TempDir()
	path, err := meshSecret(dir)
	if err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil || len(before) < 64 {
		t.Fatalf("%q, %v", before, err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := meshSecret(dir); err != nil {
		t.Fatal(err)
	}
	after, _ := os.ReadFile(path)
	st, err := os.Stat(path)
	if err != nil || st.Mode().Perm() != 0o600 || string(after) != string(before) {
		t.Errorf("mode %v, kept %v, %v", st.Mode(), string(after) == string(before), err)
	}
}
