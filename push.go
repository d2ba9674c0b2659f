package main

import (
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync/atomic"

	"gori/api"
	"gori/chat"
	"gori/notify"
)

// PushConfig says how pushes are sent.
type PushConfig struct {
	Subject       string   `mapstructure:"subject"`
	AllowNetworks []string `mapstructure:"allow_networks"`
}

// subject is how push services reach the owner. Some of them refuse what can
// be no address, so the public URL is better than nothing.
func (c PushConfig) subject(publicURLs []string) string {
	if c.Subject != "" {
		return c.Subject
	}
	for _, u := range publicURLs {
		if strings.HasPrefix(u, "https://") {
			return u
		}
	}
	return "owner@localhost"
}

// networks reads push.allow_networks.
func (c PushConfig) networks() ([]netip.Prefix, error) {
	var list []netip.Prefix
	for _, text := range c.AllowNetworks {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("push.allow_networks holds networks such as 10.1.0.0/16, not %q", text)
		}
		list = append(list, p)
	}
	return list, nil
}

func (c PushConfig) check() error {
	if s := c.Subject; s != "" && !strings.HasPrefix(s, "https://") && (!strings.Contains(s, "@") || strings.Contains(s, ":")) {
		return fmt.Errorf("push.subject is a mail address or an https URL, not %q", s)
	}
	_, err := c.networks()
	return err
}

// pushWarmup is how long a new node leaves pushes to others: it does not know
// yet who is connected to them.
const pushWarmup = chat.NodeDeadAfter

// newNotifier makes the push side of a node.
func (n *node) newNotifier(cfg Config, publicURLs []string, metrics *api.Metrics, logger *slog.Logger) (*notify.Notifier, error) {
	networks, err := cfg.Push.networks()
	if err != nil {
		return nil, err
	}
	s := n.store
	made, err := notify.New(notify.Config{Book: s, Vault: s, Desk: s, Queues: s.PushQueues(), Reader: n.chat, Presence: n.presence,
		Subject: cfg.Push.subject(publicURLs), AllowNetworks: networks, Warmup: pushWarmup, Log: logger})
	if err != nil {
		return nil, err
	}
	n.bell.Store(made)
	metrics.WatchPushes(made)
	return made, nil
}

// doorbell passes on the store's news of urgent pushes: the store is there
// before the notifier.
type doorbell struct {
	atomic.Pointer[notify.Notifier]
}

func (b *doorbell) ring() {
	if n := b.Load(); n != nil {
		n.Ring()
	}
}
