package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/go-viper/mapstructure/v2"
	"github.com/spf13/viper"

	"gori/chat"
	"gori/shard"
)

// Config is what config.yaml and GORI_* variables say. config.yaml documents
// every key. This file is the only one that knows viper; the parts get small
// structs of their own.
type Config struct {
	Node        NodeConfig    `mapstructure:"node"`
	Listen      string        `mapstructure:"listen"`
	AdminListen string        `mapstructure:"admin_listen"`
	PublicURLs  []string      `mapstructure:"public_urls"`
	Proxies     []string      `mapstructure:"trusted_proxies"`
	SignUp      string        `mapstructure:"signup"`
	Name        string        `mapstructure:"name"`
	Proxy       ProxyConfig   `mapstructure:"proxy"`
	Limits      LimitsConfig  `mapstructure:"limits"`
	Store       StoreConfig   `mapstructure:"store"`
	Mesh        MeshConfig    `mapstructure:"mesh"`
	Shards      []ShardConfig `mapstructure:"shards"`
	ShardsFile  string        `mapstructure:"shards_file"`
	WitnessDir  string        `mapstructure:"witness_dir"`
	Push        PushConfig    `mapstructure:"push"`
	Log         LogConfig     `mapstructure:"log"`
}

// NodeConfig names this process.
type NodeConfig struct {
	Name   string `mapstructure:"name"`
	Region string `mapstructure:"region"`
	// Capacity is how many sessions the node takes; 0: as many as its open
	// files allow, to 20,000.
	Capacity int `mapstructure:"capacity"`
}

// MeshConfig says how this node reaches the others. Without Listen and URL it
// stands alone.
type MeshConfig struct {
	Listen     string   `mapstructure:"listen"`
	Routes     []string `mapstructure:"routes"`
	Secret     string   `mapstructure:"secret"`
	SecretFile string   `mapstructure:"secret_file"`
	URL        string   `mapstructure:"url"`
	Cert       string   `mapstructure:"cert"`
	Key        string   `mapstructure:"key"`
	CA         string   `mapstructure:"ca"`
}

// LimitsConfig bounds what people may do.
type LimitsConfig struct {
	GroupMembers int `mapstructure:"group_members"`
}

// StoreConfig tunes the way to the shards.
type StoreConfig struct {
	WritersPerShard int `mapstructure:"writers_per_shard"`
	ConnsPerShard   int `mapstructure:"conns_per_shard"`
	// silence is PingTimeout of package store, for tests that share a busy host.
	silence time.Duration
}

// ShardConfig is one shard: its name, which never changes, and its address, and
// that of its standby if it has one.
type ShardConfig struct {
	ID      string `mapstructure:"id"`
	DSN     string `mapstructure:"dsn"`
	Standby string `mapstructure:"standby"`
}

// LogConfig says how to log.
type LogConfig struct {
	Level  string `mapstructure:"level"`
	Format string `mapstructure:"format"`
}

// defaultConfigFile is read when it is there and no other is named.
const defaultConfigFile = "config.yaml"

// configDefaults holds every key; a key that is not here is unknown.
var configDefaults = map[string]any{
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
	"shards":                  []ShardConfig{},
	"shards_file":             "",
	"witness_dir":             "",
	"log.level":               "info",
	"log.format":              "auto",
}

// envOwn are the variables that are not configuration: gori up hands
// listening sockets to its nodes by the first; the last ones let
// gori torture break things.
var envOwn = []string{envListenFD, envAdminFD, envListenShared, "GORI_TEST_PG", "GORI_TEST_LONG", envFaults, envTaps, envCrash, envStop, envControl}

// loadConfig reads file (or config.yaml, if that is there and file is empty)
// and the environment, which wins. It returns the file it read, "" for none.
func loadConfig(file string, environ []string) (Config, string, error) {
	var cfg Config
	v := viper.New()
	for key, value := range configDefaults {
		v.SetDefault(key, value)
	}
	if file == "" {
		if _, err := os.Stat(defaultConfigFile); err == nil {
			file = defaultConfigFile
		}
	}
	if file != "" {
		v.SetConfigFile(file)
		v.SetConfigType("yaml")
		if err := v.ReadInConfig(); err != nil {
			return cfg, file, usageError{fmt.Errorf("read the configuration %s: %w", file, err)}
		}
	}
	if err := applyEnv(v, environ); err != nil {
		return cfg, file, usageError{err}
	}
	hooks := viper.DecodeHook(mapstructure.ComposeDecodeHookFunc(shardsFromText, mapstructure.StringToSliceHookFunc(",")))
	if err := v.UnmarshalExact(&cfg, hooks); err != nil {
		return cfg, file, usageError{fmt.Errorf("the configuration (%s and GORI_ variables): %w", file, err)}
	}
	if err := cfg.check(); err != nil {
		return cfg, file, usageError{fmt.Errorf("the configuration: %w", err)}
	}
	return cfg, file, nil
}

// applyEnv takes GORI_NODE_NAME for node.name and so on. An unknown variable
// is an error, like an unknown key: it is most likely a typing mistake.
func applyEnv(v *viper.Viper, environ []string) error {
	keys := make(map[string]string, len(configDefaults))
	for key := range configDefaults {
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

// shardsFromText reads the form of GORI_SHARDS: NAME=DSN, separated by
// semicolons or line ends.
func shardsFromText(from, to reflect.Type, data any) (any, error) {
	if from.Kind() != reflect.String || to != reflect.TypeFor[[]ShardConfig]() {
		return data, nil
	}
	shards, err := parseShards(data.(string))
	return withStandbys(shards), err
}

// parseShards reads instances by their names.
func parseShards(text string) ([]ShardConfig, error) {
	var shards []ShardConfig
	for part := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ';' || r == '\n' }) {
		id, dsn, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok {
			// Not the part itself: it may hold a password.
			return nil, errors.New("shards are written NAME=DSN;NAME=DSN")
		}
		shards = append(shards, ShardConfig{ID: id, DSN: dsn})
	}
	return shards, nil
}

// withStandbys makes of an entry NAME.2 the standby of NAME.
func withStandbys(list []ShardConfig) []ShardConfig {
	var shards []ShardConfig
	second := map[string]string{}
	for _, s := range list {
		if name, is := strings.CutSuffix(s.ID, shard.SecondSuffix); is {
			second[name] = s.DSN
			continue
		}
		shards = append(shards, s)
	}
	for i, s := range shards {
		shards[i].Standby = second[s.ID]
		delete(second, s.ID)
	}
	for name, dsn := range second { // of no shard: the check says so
		shards = append(shards, ShardConfig{ID: name + shard.SecondSuffix, DSN: dsn})
	}
	return shards
}

// shardsText is the inverse of shardsFromText.
func shardsText(shards []ShardConfig) string {
	var parts []string
	for _, s := range shards {
		parts = append(parts, s.ID+"="+s.DSN)
		if s.Standby != "" {
			parts = append(parts, s.ID+shard.SecondSuffix+"="+s.Standby)
		}
	}
	return strings.Join(parts, "\n")
}

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
	if _, err := c.proxies(); err != nil {
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

// proxies reads trusted_proxies: addresses or networks.
func (c Config) proxies() ([]netip.Prefix, error) {
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

// shardIDs returns the names of the configured shards.
func (c Config) shardIDs() []shard.ID {
	var ids []shard.ID
	for _, s := range c.Shards {
		ids = append(ids, shard.ID(s.ID))
	}
	return ids
}
