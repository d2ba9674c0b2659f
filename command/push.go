package command

import (
	"log/slog"
	"sync/atomic"

	"gori/api"
	"gori/chat"
	"gori/config"
	"gori/notify"
)

// pushWarmup is how long a new node leaves pushes to others: it does not know
// yet who is connected to them.
const pushWarmup = chat.NodeDeadAfter

// newNotifier makes the push side of a node.
func (n *node) newNotifier(cfg config.Config, publicURLs []string, metrics *api.Metrics, logger *slog.Logger) (*notify.Notifier, error) {
	networks, err := cfg.Push.Networks()
	if err != nil {
		return nil, err
	}
	s := n.store
	made, err := notify.New(notify.Config{Book: s, Vault: s, Desk: s, Queues: s.PushQueues(), Reader: n.chat, Presence: n.presence,
		Subject: cfg.Push.SubjectFor(publicURLs), AllowNetworks: networks, Warmup: pushWarmup, Log: logger})
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
