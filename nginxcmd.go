package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"gori/nginx"
)

// newNginx prints a proxy's configuration for nodes that the owner runs with
// gori serve.
func newNginx() *cobra.Command {
	var cfg nginx.Config
	var nodes []string
	c := &cobra.Command{
		Use:   "nginx --node NAME=HOST:PORT …",
		Short: "Print an Nginx configuration for nodes started by gori serve",
		Long: `Prints the configuration of an Nginx in front of nodes that run by themselves, for
nginx -c: /n/NAME/ws goes to that node, all else to any of them. Name the proxy's
address in the nodes' trusted_proxies, and the public one in public_urls.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			for _, n := range nodes {
				name, addr, _ := strings.Cut(n, "=")
				cfg.Nodes = append(cfg.Nodes, nginx.Node{Name: name, Addr: addr})
			}
			text, err := nginx.Render(cfg)
			if err != nil {
				return usageError{err}
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "%s", text)
			return err
		},
	}
	f := c.Flags()
	f.StringArrayVar(&nodes, "node", nil, "a node, NAME=HOST:PORT; once for each")
	f.StringVar(&cfg.Listen, "listen", "0.0.0.0:8080", "address to serve on")
	f.StringVar(&cfg.Prefix, "prefix", "/var/lib/gori/nginx", "folder for what Nginx writes, with a folder tmp and one cache in it")
	f.StringVar(&cfg.CertFile, "cert", "", "certificate, for TLS")
	f.StringVar(&cfg.KeyFile, "key", "", "its key")
	f.StringVar(&cfg.User, "user", "", "account of the workers, when Nginx is started as root")
	return c
}
