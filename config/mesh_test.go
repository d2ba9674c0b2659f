package config

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The mesh is configured as gori up does it for its nodes, or by file.
func TestMeshConfig(t *testing.T) {
	cfg, _, err := Load("", []string{"GORI_MESH_LISTEN=127.0.0.1:6222", "GORI_MESH_ROUTES=127.0.0.1:6222,127.0.0.1:6223",
		"GORI_MESH_SECRET=sixteen bytes, or more", "GORI_NODE_NAME=n2", "GORI_NODE_CAPACITY=500", "GORI_FAULTS=1"})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(cfg.Mesh.Routes, []string{"127.0.0.1:6222", "127.0.0.1:6223"}) || cfg.Mesh.Alone() || cfg.Capacity() != 500 {
		t.Errorf("%+v", cfg.Mesh)
	}
	if cfg, _, err = Load("", nil); err != nil || !cfg.Mesh.Alone() || cfg.Capacity() < 100 {
		t.Errorf("%+v %v", cfg.Mesh, err)
	}
	for want, env := range map[string][]string{
		"not both":             {"GORI_MESH_SECRET=sixteen bytes, or more", "GORI_MESH_SECRET_FILE=x"},
		"needs mesh.listen":    {"GORI_MESH_ROUTES=127.0.0.1:6222"},
		"at least 16 bytes":    {"GORI_MESH_LISTEN=127.0.0.1:6222", "GORI_MESH_SECRET=short"},
		"must be encrypted":    {"GORI_MESH_LISTEN=0.0.0.0:6222", "GORI_MESH_SECRET=sixteen bytes, or more"},
		"not both\n":           {"GORI_MESH_LISTEN=127.0.0.1:6222", "GORI_MESH_URL=nats://h:4222"},
		"node.capacity is a n": {"GORI_NODE_CAPACITY=-1"},
	} {
		_, _, err := Load("", env)
		if err == nil || !strings.Contains(err.Error(), strings.TrimSpace(want)) {
			t.Errorf("want %q: %v", want, err)
		}
		if err != nil && strings.Contains(err.Error(), "sixteen bytes") {
			t.Errorf("it tells the secret: %v", err)
		}
	}
}

// A file may hold the secret; that it cannot be read is told.
func TestMeshSecretFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	cfg, _, err := Load("", []string{"GORI_MESH_LISTEN=127.0.0.1:6222", "GORI_MESH_SECRET_FILE=" + file})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cfg.ForMesh(); err == nil || !strings.Contains(err.Error(), "mesh.secret_file") {
		t.Errorf("without the file: %v", err)
	}
	for text, good := range map[string]bool{"short\n": false, "sixteen bytes, or more\n": true} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		mc, err := cfg.ForMesh()
		if err == nil {
			err = mc.Check()
		}
		if (err == nil) != good {
			t.Errorf("%q: %v", text, err)
		}
	}
}
