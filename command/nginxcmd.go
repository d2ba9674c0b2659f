package command

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"gori/config"
	"gori/host"
	"gori/nginx"
)

// nginxOptions are the flags of gori nginx.
type nginxOptions struct {
	cfg          nginx.Config
	nodes        []string
	data, config string
	cert, key    string
}

// newNginx prints the configuration of the proxy: that of a running gori up,
// or one for nodes that the owner runs with gori serve.
func newNginx() *cobra.Command {
	var o nginxOptions
	c := &cobra.Command{
		Use:   "nginx --node NAME=HOST:PORT … | --data DIR",
		Short: "Print the configuration of Nginx",
		Long: `With --node prints the configuration of an Nginx in front of nodes that run by
themselves (gori serve), for nginx -c: /n/NAME/ws goes to that node, all else to
any of them. Bounds and certificate are those of config.yaml (proxy.*). Name the
proxy's address in the nodes' trusted_proxies, and the public one in public_urls.

With --data prints what the Nginx of a running gori up is running with.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return o.print(c.OutOrStdout()) },
	}
	f := c.Flags()
	f.StringArrayVar(&o.nodes, "node", nil, "a node, NAME=HOST:PORT; once for each")
	f.StringVar(&o.data, "data", "", "the data folder of a running gori up")
	f.StringVar(&o.config, "config", "", "configuration file (default config.yaml if it is there)")
	f.StringVar(&o.cfg.Listen, "listen", "0.0.0.0:8080", "address to serve on")
	f.StringVar(&o.cfg.Prefix, "prefix", "/var/lib/gori/nginx", "folder for what Nginx writes, with a folder tmp and one cache in it")
	f.StringVar(&o.cert, "cert", "", "certificate, for TLS (default proxy.cert)")
	f.StringVar(&o.key, "key", "", "its key (default proxy.key)")
	f.StringVar(&o.cfg.User, "user", "", "account of the workers, when Nginx is started as root")
	return c
}

func (o *nginxOptions) print(w io.Writer) error {
	if o.data != "" {
		return printRunningProxy(w, o.data)
	}
	cfg, _, err := config.Load(o.config, os.Environ())
	if err != nil {
		return err
	}
	if err := host.ApplyProxy(cfg.Proxy, &o.cfg); err != nil {
		return err
	}
	if o.cert != "" || o.key != "" {
		o.cfg.CertFile, o.cfg.KeyFile = o.cert, o.key
	}
	for _, n := range o.nodes {
		name, addr, _ := strings.Cut(n, "=")
		o.cfg.Nodes = append(o.cfg.Nodes, nginx.Node{Name: name, Addr: addr})
	}
	text, err := nginx.Render(o.cfg)
	if err != nil {
		return config.Usage(err)
	}
	_, err = w.Write(text)
	return err
}

func printRunningProxy(w io.Writer, data string) error {
	r, err := host.FindRunning(data)
	if err != nil {
		return err
	}
	if r.Proxy == nil {
		return fmt.Errorf("the gori up on %s runs without Nginx", data)
	}
	text, err := os.ReadFile(r.Proxy.Config)
	if err != nil {
		return err
	}
	_, err = w.Write(text)
	return err
}
