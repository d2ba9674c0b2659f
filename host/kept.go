package host

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"strings"
)

// nodesFile remembers the ports of the nodes in the data folder, so that they
// are the same at every start; secretFile is what the nodes know each other by.
const (
	nodesFile  = "nodes.json"
	secretFile = "mesh.secret"
)

// nodePorts are the ports of one node on this host.
type nodePorts struct {
	HTTP int `json:"http"`
	Mesh int `json:"mesh"`
}

// ports hands out the ports of nodes: those remembered, if they are still
// free, else the next free ones.
type ports struct {
	dir  string
	base int // that of the system; 0: any
	kept map[string]nodePorts
	used map[int]bool
}

// Ports of nodes lie this far above the system's own: those for the proxy at
// 1 and on, those for the other nodes at 101 and on.
const meshOffset = 100

// openPorts reads what is remembered. A damaged file is like none: ports can be
// found anew.
func openPorts(dir string, base int) *ports {
	p := &ports{dir: dir, base: base, kept: map[string]nodePorts{}, used: map[int]bool{base: true}}
	if text, err := os.ReadFile(filepath.Join(dir, nodesFile)); err == nil {
		_ = json.Unmarshal(text, &p.kept)
	}
	return p
}

// take yields a free port: the one before if there is one, else the first from
// want on.
func (p *ports) take(before, want int) (int, error) {
	if before > 0 && !p.used[before] && free(before) {
		p.used[before] = true
		return before, nil
	}
	for range 1000 {
		if want > 65535 {
			want = 1024
		}
		if !p.used[want] && free(want) {
			p.used[want] = true
			return want, nil
		}
		want++
	}
	return 0, errors.New("no free port for a node")
}

// wanted is the first port to try for the i-th node, from 1. With no port given
// it is a random one below those that the kernel hands to connections.
func (p *ports) wanted(i, offset int) int {
	if p.base == 0 || p.base+offset+i > 65535 {
		return 12_000 + mathrand.IntN(20_000)
	}
	return p.base + offset + i
}

// node returns the ports of the i-th node, from 1.
func (p *ports) node(name string, i int) (nodePorts, error) {
	before := p.kept[name]
	if p.base == 0 {
		before = nodePorts{} // a new system port each time: nobody counts on these
	}
	var n nodePorts
	var err error
	if n.HTTP, err = p.take(before.HTTP, p.wanted(i, 0)); err != nil {
		return n, err
	}
	if n.Mesh, err = p.take(before.Mesh, p.wanted(i, meshOffset)); err != nil {
		return n, err
	}
	p.kept[name] = n
	return n, nil
}

// save remembers the ports, also of nodes that do not run this time.
func (p *ports) save() error {
	text, err := json.MarshalIndent(p.kept, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(p.dir, nodesFile), append(text, '\n'), 0o644)
}

// meshSecret returns the path of the file with the nodes' secret, made at the
// first start. Only its owner may read it.
func meshSecret(dir string) (string, error) {
	path := filepath.Join(dir, secretFile)
	if text, err := os.ReadFile(path); err == nil && len(strings.TrimSpace(string(text))) >= 32 {
		return path, os.Chmod(path, 0o600)
	}
	secret := make([]byte, 32)
	_, _ = rand.Read(secret) // never fails
	err := os.WriteFile(path+".new", []byte(hex.EncodeToString(secret)+"\n"), 0o600)
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return "", fmt.Errorf("make the secret of the nodes: %w", err)
	}
	return path, nil
}
