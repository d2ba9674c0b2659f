package host

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"gori/config"
	"gori/reach"
)

// settings is the configuration as last read.
func (f *Fleet) settings() config.Config {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.cfg
}

// env is a node's environment: this one's, with what gori up decides.
// Addresses travel here and never as arguments, which anyone on the host sees.
func (f *Fleet) env(n *node) []string {
	cfg := f.settings()
	own := append(slices.Clone(n.own),
		"GORI_SHARDS="+config.ShardsText(asNodeConfig(f.cluster.Shards())),
		"GORI_SHARDS_FILE="+filepath.Join(f.cluster.Dir(), ShardsFile),
		"GORI_WITNESS_DIR="+filepath.Join(f.cluster.Dir(), reach.WitnessFolder),
		config.EnvControl+"="+f.control.Addr().String(),
		"GORI_NODE_NAME="+n.name,
		"GORI_LISTEN="+n.addr,
		"GORI_ADMIN_LISTEN="+n.admin.Addr().String())
	if n.mesh != "" {
		var routes []string
		for _, other := range f.nodes {
			routes = append(routes, other.mesh)
		}
		own = append(own, "GORI_MESH_LISTEN="+n.mesh, "GORI_MESH_ROUTES="+strings.Join(routes, ","))
	}
	if f.secret != "" {
		own = append(own, "GORI_MESH_SECRET_FILE="+f.secret)
	}
	if f.front != nil {
		own = append(own, "GORI_TRUSTED_PROXIES="+strings.Join(append(slices.Clone(cfg.Proxies), "127.0.0.0/8", "::1/128"), ","),
			"GORI_PUBLIC_URLS="+strings.Join(f.publicURLs(cfg), ","))
	}
	return withEnv(os.Environ(), own...)
}

// withEnv is an environment with some variables set anew.
func withEnv(env []string, own ...string) []string {
	env = slices.DeleteFunc(slices.Clone(env), func(pair string) bool {
		name, _, _ := strings.Cut(pair, "=")
		return slices.ContainsFunc(own, func(o string) bool { return strings.HasPrefix(o, name+"=") })
	})
	return append(env, own...)
}

// publicURLs are the addresses under which browsers reach the proxy.
func (f *Fleet) publicURLs(cfg config.Config) []string {
	urls := PublicURLs(cfg, f.l)
	if len(cfg.PublicURLs) > 0 || cfg.Proxy.Cert == "" {
		return urls
	}
	for i, u := range urls {
		urls[i] = strings.Replace(u, "http://", "https://", 1)
	}
	names, err := config.CertNames(cfg.Proxy.Cert, cfg.Proxy.Key)
	if err != nil {
		f.logger.Error("the certificate cannot be read", "error", err)
	}
	port := portOf(f.l.Addr().String())
	for _, name := range names {
		u := "https://" + name
		if port != 443 {
			u += ":" + strconv.Itoa(port)
		}
		if !slices.Contains(urls, u) {
			urls = append(urls, u)
		}
	}
	return urls
}
