package config

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"

	"gori/chat"
	"gori/mesh"
	"gori/shard"
)

// check refuses values that no part could use. Shards may be missing here:
// gori up brings its own.
func (c Config) check() error {
	for name, addr := range map[string]string{"listen": c.Listen, "admin_listen": c.AdminListen} {
		if name == "admin_listen" && addr == "" {
			continue
		}
		if _, _, err := net.SplitHostPort(addr); err != nil {
			return fmt.Errorf("%s must be HOST:PORT: %w", name, err)
		}
	}
	if c.Name == "" || len(c.Name) > 64 {
		return errors.New("name must have 1 to 64 bytes")
	}
	if c.SignUp != "open" && c.SignUp != "invite" {
		return fmt.Errorf("signup must be open or invite, not %q", c.SignUp)
	}
	for _, o := range c.PublicURLs {
		if u, err := url.Parse(o); err != nil || u.Scheme == "" || u.Host == "" || u.Path != "" {
			return fmt.Errorf("public_urls holds scheme://host[:port], not %q", o)
		}
	}
	if _, err := c.ProxyNetworks(); err != nil {
		return err
	}
	if err := c.Push.check(); err != nil {
		return err
	}
	if err := c.Proxy.check(); err != nil {
		return err
	}
	if err := shard.ID(c.Node.Name).Check(); err != nil {
		return fmt.Errorf("node.name: %w", err)
	}
	if c.Node.Capacity < 0 {
		return fmt.Errorf("node.capacity is a number of sessions, or 0, not %d", c.Node.Capacity)
	}
	if err := c.checkMesh(); err != nil {
		return err
	}
	if c.Limits.GroupMembers < 2 || c.Limits.GroupMembers > chat.MaxMemberLimit {
		return fmt.Errorf("limits.group_members must be 2 to %d, not %d", chat.MaxMemberLimit, c.Limits.GroupMembers)
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Log.Level)); err != nil {
		return fmt.Errorf("log.level must be debug, info, warn or error: %w", err)
	}
	if !slices.Contains([]string{"auto", "text", "json"}, c.Log.Format) {
		return fmt.Errorf("log.format must be auto, text or json, not %q", c.Log.Format)
	}
	seen := map[string]bool{}
	for _, s := range c.Shards {
		if err := shard.ID(s.ID).Check(); err != nil {
			return fmt.Errorf("shards: %w", err)
		}
		if seen[s.ID] || s.DSN == "" {
			return fmt.Errorf("shards: %s is named twice or has no dsn", s.ID)
		}
		seen[s.ID] = true
	}
	return nil
}

// Alone tells that no other nodes are configured.
func (m Mesh) Alone() bool { return m.Listen == "" && m.URL == "" }

// checkMesh refuses what mesh.Open would refuse, without reading any file.
func (c Config) checkMesh() error {
	m := c.Mesh
	if m.Secret != "" && m.SecretFile != "" {
		return errors.New("set mesh.secret or mesh.secret_file, not both")
	}
	if m.Alone() {
		if len(m.Routes) > 0 {
			return errors.New("mesh.routes needs mesh.listen: the other nodes must reach this one too")
		}
		return nil
	}
	mc := c.meshConfig()
	if m.SecretFile != "" {
		mc.Secret = strings.Repeat("?", mesh.MinSecret) // read when it is needed
	}
	return mc.Check()
}

// meshConfig is how this node takes part in the mesh, with the secret only if
// that stands in the configuration itself.
func (c Config) meshConfig() mesh.Config {
	m := c.Mesh
	return mesh.Config{Node: c.Node.Name, Region: c.Node.Region, Listen: m.Listen, Routes: m.Routes,
		Secret: m.Secret, Cert: m.Cert, Key: m.Key, CA: m.CA, URL: m.URL}
}

// ForMesh is what package mesh wants to know. It reads the file with the secret; that
// this cannot be done is its only error.
func (c Config) ForMesh() (mesh.Config, error) {
	mc := c.meshConfig()
	if c.Mesh.SecretFile == "" {
		return mc, nil
	}
	text, err := os.ReadFile(c.Mesh.SecretFile)
	if err != nil {
		return mc, fmt.Errorf("mesh.secret_file: %w", err)
	}
	mc.Secret = strings.TrimSpace(string(text))
	return mc, nil
}
