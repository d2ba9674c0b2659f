// Package config is what the owner of a system says about it: config.yaml and the
// variables GORI_*, read and checked. The parts get what concerns them.
package config

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/viper"

	"gori/chat"
	"gori/shard"
)

// Config is what config.yaml and GORI_* variables say. config.yaml documents
// every key. This file is the only one that knows viper.
type Config struct {
	Node        Node     `mapstructure:"node"`
	Listen      string   `mapstructure:"listen"`
	AdminListen string   `mapstructure:"admin_listen"`
	PublicURLs  []string `mapstructure:"public_urls"`
	Proxies     []string `mapstructure:"trusted_proxies"`
	SignUp      string   `mapstructure:"signup"`
	Name        string   `mapstructure:"name"`
	Proxy       Proxy    `mapstructure:"proxy"`
	Limits      Limits   `mapstructure:"limits"`
	Store       Store    `mapstructure:"store"`
	Mesh        Mesh     `mapstructure:"mesh"`
	Shards      []Shard  `mapstructure:"shards"`
	ShardsFile  string   `mapstructure:"shards_file"`
	WitnessDir  string   `mapstructure:"witness_dir"`
	Push        Push     `mapstructure:"push"`
	Log         Log      `mapstructure:"log"`
}

// Node names this process.
type Node struct {
	Name   string `mapstructure:"name"`
	Region string `mapstructure:"region"`
	// Capacity is how many sessions the node takes; 0: as many as its open
	// files allow, to 20,000.
	Capacity int `mapstructure:"capacity"`
}

// Mesh says how this node reaches the others. Without Listen and URL it
// stands alone.
type Mesh struct {
	Listen     string   `mapstructure:"listen"`
	Routes     []string `mapstructure:"routes"`
	Secret     string   `mapstructure:"secret"`
	SecretFile string   `mapstructure:"secret_file"`
	URL        string   `mapstructure:"url"`
	Cert       string   `mapstructure:"cert"`
	Key        string   `mapstructure:"key"`
	CA         string   `mapstructure:"ca"`
}

// Limits bounds what people may do.
type Limits struct {
	GroupMembers int `mapstructure:"group_members"`
}

// Store tunes the way to the shards.
type Store struct {
	WritersPerShard int `mapstructure:"writers_per_shard"`
	ConnsPerShard   int `mapstructure:"conns_per_shard"`
	// Silence is PingTimeout of package store, for tests that share a busy host.
	Silence time.Duration `mapstructure:"-"`
}

// Shard is one shard: its name, which never changes, and its address, and
// that of its standby if it has one.
type Shard struct {
	ID      string `mapstructure:"id"`
	DSN     string `mapstructure:"dsn"`
	Standby string `mapstructure:"standby"`
}

// Log says how to log.
type Log struct {
	Level  string `mapstructure:"level"`
	Format string `mapstructure:"format"`
}

// defaultFile is read when it is there and no other is named.
const defaultFile = "config.yaml"

// defaults holds every key; a key that is not here is unknown.
var defaults = map[string]any{
	"name":                    "Gori",
	"node.name":               "n1",
	"node.region":             "",
	"node.capacity":           0,
	"mesh.listen":             "",
	"mesh.routes":             []string{},
	"mesh.secret":             "",
	"mesh.secret_file":        "",
	"mesh.url":                "",
	"mesh.cert":               "",
	"mesh.key":                "",
	"mesh.ca":                 "",
	"listen":                  "127.0.0.1:8080",
	"admin_listen":            "",
	"public_urls":             []string{},
	"trusted_proxies":         []string{},
	"signup":                  "open",
	"proxy.mode":              "auto",
	"proxy.cert":              "",
	"proxy.key":               "",
	"proxy.conns_per_address": 256,
	"proxy.max_body":          6 << 20,
	"proxy.discover_rate":     0,
	"limits.group_members":    chat.DefaultMemberLimit,
	"store.writers_per_shard": 0,
	"store.conns_per_shard":   0,
	"push.subject":            "",
	"push.allow_networks":     []string{},
	"shards":                  []Shard{},
	"shards_file":             "",
	"witness_dir":             "",
	"log.level":               "info",
	"log.format":              "auto",
}

// Load reads file (or config.yaml, if that is there and file is empty)
// and the environment, which wins. It returns the file it read, "" for none. Its
// errors are UsageErrors.
func Load(file string, environ []string) (Config, string, error) {
	var cfg Config
	v := viper.New()
	for key, value := range defaults {
		v.SetDefault(key, value)
	}
	if file == "" {
		if _, err := os.Stat(defaultFile); err == nil {
			file = defaultFile
		}
	}
	if file != "" {
		v.SetConfigFile(file)
		v.SetConfigType("yaml")
		if err := v.ReadInConfig(); err != nil {
			return cfg, file, Usage(fmt.Errorf("read the configuration %s: %w", file, err))
		}
	}
	if err := applyEnv(v, environ); err != nil {
		return cfg, file, Usage(err)
	}
	hooks := viper.DecodeHook(mapstructure.ComposeDecodeHookFunc(shardsFromText, mapstructure.StringToSliceHookFunc(",")))
	if err := v.UnmarshalExact(&cfg, hooks); err != nil {
		return cfg, file, Usage(fmt.Errorf("the configuration (%s and GORI_ variables): %w", file, err))
	}
	if err := cfg.check(); err != nil {
		return cfg, file, Usage(fmt.Errorf("the configuration: %w", err))
	}
	return cfg, file, nil
}

// applyEnv takes GORI_NODE_NAME for node.name and so on. An unknown variable
// is an error, like an unknown key: it is most likely a typing mistake.
func applyEnv(v *viper.Viper, environ []string) error {
	keys := make(map[string]string, len(defaults))
	for key := range defaults {
		keys["GORI_"+strings.ToUpper(strings.ReplaceAll(key, ".", "_"))] = key
	}
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, "GORI_") || slices.Contains(envOwn, name) {
			continue
		}
		key, ok := keys[name]
		if !ok {
			return fmt.Errorf("the variable %s is not a setting of Gori", name)
		}
		v.Set(key, value)
	}
	return nil
}

// ProxyNetworks reads trusted_proxies: addresses or networks.
func (c Config) ProxyNetworks() ([]netip.Prefix, error) {
	var list []netip.Prefix
	for _, text := range c.Proxies {
		prefix, err := netip.ParsePrefix(text)
		if addr, notNet := netip.ParseAddr(text); err != nil && notNet == nil {
			prefix, err = addr.Prefix(addr.BitLen())
		}
		if err != nil {
			return nil, fmt.Errorf("trusted_proxies holds addresses and networks, not %q", text)
		}
		list = append(list, prefix)
	}
	return list, nil
}

// ShardIDs returns the names of the configured shards.
func (c Config) ShardIDs() []shard.ID {
	var ids []shard.ID
	for _, s := range c.Shards {
		ids = append(ids, shard.ID(s.ID))
	}
	return ids
}

// Others counts the nodes the configuration names besides this one.
func (m Mesh) Others() int {
	return len(slices.DeleteFunc(slices.Clone(m.Routes), func(r string) bool { return r == m.Listen }))
}

// Sessions a node takes if nothing else is said, and the open files that it
// keeps for its shards, the proxy and the other nodes.
const (
	defaultCapacity = 20_000
	otherFiles      = 1_000
)

// Capacity is how many sessions the node takes: what is configured, else what its
// open files allow, 100 at least and 20,000 at most.
func (c Config) Capacity() int {
	if c.Node.Capacity > 0 {
		return c.Node.Capacity
	}
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil || files.Cur > defaultCapacity+otherFiles {
		return defaultCapacity
	}
	return max(100, int(files.Cur)-otherFiles)
}
