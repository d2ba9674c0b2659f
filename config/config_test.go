package config

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func writeConfig(t *testing.T, text string) string {
	t.Helper()
	p := filepath.Join(t.TempDir(), "gori.yaml")
	if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

// The file that documents every key holds exactly the defaults.
func TestTheShippedConfigurationIsTheDefault(t *testing.T) {
	t.Chdir("..")
	shipped, file, err := Load("", nil)
	if err != nil {
		t.Fatal(err)
	}
	if file != defaultFile {
		t.Errorf("read %q", file)
	}
	empty, _, err := Load(writeConfig(t, "{}"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(shipped, empty) {
		t.Errorf("config.yaml says\n%+v\nthe defaults are\n%+v", shipped, empty)
	}
	text, err := os.ReadFile(defaultFile)
	if err != nil {
		t.Fatal(err)
	}
	for key := range defaults {
		last := key[strings.LastIndex(key, ".")+1:]
		if !strings.Contains(string(text), last+":") {
			t.Errorf("config.yaml does not document %s", key)
		}
	}
}

func TestVariablesWin(t *testing.T) {
	file := writeConfig(t, "name: File\nnode:\n  name: n7\nlog: {level: debug}\nshards: [{id: a, dsn: host=/x}]\n")
	cfg, _, err := Load(file, []string{
		"GORI_NAME=고리", "GORI_PUBLIC_URLS=https://chat.example.com,http://localhost:1", "GORI_LIMITS_GROUP_MEMBERS=500",
		"GORI_SHARDS=b=host='/run/a b' user=gori;c=postgres://u:p@h/db?sslmode=disable;c.2=host=far dbname=c", "GORI_LISTEN_FD=3", "HOME=/", "GORI_TRUSTED_PROXIES=10.0.0.0/8,192.0.2.1",
	})
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Name != "고리" || cfg.Node.Name != "n7" || cfg.Log.Level != "debug" || cfg.Limits.GroupMembers != 500 || len(cfg.PublicURLs) != 2 {
		t.Errorf("%+v", cfg)
	}
	want := []Shard{{ID: "b", DSN: "host='/run/a b' user=gori"}, {ID: "c", DSN: "postgres://u:p@h/db?sslmode=disable", Standby: "host=far dbname=c"}}
	if !reflect.DeepEqual(cfg.Shards, want) {
		t.Errorf("shards %+v", cfg.Shards)
	}
	again, _, err := Load(file, []string{"GORI_SHARDS=" + ShardsText(want)})
	if err != nil || !reflect.DeepEqual(again.Shards, want) {
		t.Errorf("written and read again: %+v, %v", again.Shards, err)
	}
	if p, err := cfg.ProxyNetworks(); err != nil || len(p) != 2 || p[1].Bits() != 32 {
		t.Errorf("proxies %v, %v", p, err)
	}
}

func TestWrongConfigurationsAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		env  string
		says string
	}{
		"unknown key":       {text: "lsten: 127.0.0.1:1", says: "lsten"},
		"unknown inner key": {text: "log: {levl: info}", says: "levl"},
		"unknown variable":  {env: "GORI_LSTEN=1", says: "GORI_LSTEN"},
		"not YAML":          {text: "a: [", says: "read the configuration"},
		"not a number":      {env: "GORI_LIMITS_GROUP_MEMBERS=many", says: "limits.group_members"},
		"listen":            {text: "listen: 8080", says: "listen must be"},
		"signup":            {text: "signup: closed", says: "signup must be"},
		"public url":        {text: "public_urls: [chat.example.com]", says: "public_urls"},
		"proxy":             {text: "trusted_proxies: [everyone]", says: "trusted_proxies"},
		"proxy mode":        {text: "proxy: {mode: sometimes}", says: "proxy.mode"},
		"key alone":         {text: "proxy: {key: k.pem}", says: "proxy.cert"},
		"TLS without proxy": {text: "proxy: {mode: never, cert: c.pem, key: k.pem}", says: "proxy.cert"},
		"no connections":    {text: "proxy: {conns_per_address: 0}", says: "conns_per_address"},
		"node name":         {text: "node: {name: N 1}", says: "node.name"},
		"members":           {text: "limits: {group_members: 1}", says: "group_members"},
		"level":             {text: "log: {level: loud}", says: "log.level"},
		"format":            {text: "log: {format: xml}", says: "log.format"},
		"shard twice":       {text: "shards: [{id: a, dsn: x}, {id: a, dsn: y}]", says: "twice"},
		"shard without dsn": {text: "shards: [{id: a}]", says: "no dsn"},
		"shard's name":      {text: "shards: [{id: 10.0.0.1, dsn: y}]", says: "name"},
		"shards variable":   {env: "GORI_SHARDS=secretpassword", says: "NAME=DSN"},
	} {
		_, _, err := Load(writeConfig(t, c.text), []string{c.env})
		var misuse UsageError
		if !errors.As(err, &misuse) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if strings.Contains(err.Error(), "secretpassword") {
			t.Errorf("%s shows a password: %v", name, err)
		}
	}
	if _, _, err := Load(filepath.Join(t.TempDir(), "none.yaml"), nil); err == nil {
		t.Error("a file that is not there was read")
	}
}

func TestPushConfiguration(t *testing.T) {
	for text, ok := range map[string]bool{
		`{subject: owner@example.com, allow_networks: [10.0.0.0/8, "fd00::/8"]}`: true,
		`{subject: "https://example.com/contact"}`:                               true,
		`{subject: "mailto:owner@example.com"}`:                                  false,
		`{subject: owner}`:                                                       false,
		`{allow_networks: [10.0.0.1]}`:                                           false,
		`{allow_networks: [everywhere]}`:                                         false,
	} {
		if _, _, err := Load(writeConfig(t, "push: "+text), nil); (err == nil) != ok {
			t.Errorf("push: %s: %v", text, err)
		}
	}
	for want, c := range map[string]Push{"a@example.com": {Subject: "a@example.com"}, "https://chat.example.com": {}} {
		if got := c.SubjectFor([]string{"http://localhost:1", "https://chat.example.com"}); got != want {
			t.Errorf("subject %q, want %q", got, want)
		}
	}
}
