package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"
)

// envListenFD holds the number of an open file: the listening socket that
// gori up keeps across restarts of its node.
const envListenFD = "GORI_LISTEN_FD"

func newServe() *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run one node on the shards named in config.yaml or GORI_SHARDS",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, _, err := loadConfig(file, os.Environ())
			if err != nil {
				return err
			}
			if len(cfg.Shards) == 0 {
				return usageError{errors.New("no shards: name them in config.yaml or GORI_SHARDS, or use gori up")}
			}
			return serve(c.Context(), cfg, newLogger(cfg.Log, os.Stderr))
		},
	}
	c.Flags().StringVar(&file, "config", "", "configuration file (default config.yaml if it is there)")
	return c
}

// listen opens the public address, or takes it over from gori up.
func listen(cfg Config) (net.Listener, error) {
	if text := os.Getenv(envListenFD); text != "" {
		fd, err := strconv.Atoi(text)
		if err != nil || fd < 3 {
			return nil, fmt.Errorf("%s=%q is not an open file", envListenFD, text)
		}
		f := os.NewFile(uintptr(fd), "listener")
		defer f.Close()
		return net.FileListener(f)
	}
	return listenOn(cfg.Listen)
}

// serve runs one node until ctx ends.
func serve(ctx context.Context, cfg Config, logger *slog.Logger) error {
	l, err := listen(cfg)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	ok := func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") }
	mux.HandleFunc("GET /healthz", ok)
	mux.HandleFunc("GET /readyz", ok)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	logger.Info("node is ready", "node", cfg.Node.Name, "listen", l.Addr().String(), "shards", len(cfg.Shards))
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	return server.Shutdown(stop)
}
