package notify

import (
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"
)

// Config is what a Notifier is made of. Book, Vault and Reader are required.
type Config struct {
	Book     Book
	Vault    Vault
	Reader   Reader
	Presence Presence // nil: nobody is ever there

	// Subject is how a push service reaches the owner of this system: a mail
	// address or an https URL.
	Subject string
	// AllowNetworks may be called although they are not public.
	AllowNetworks []netip.Prefix

	Transport *http.Transport  // what connections are made from, such as roots of TLS; nil: the defaults
	Log       *slog.Logger     // nil: slog.Default()
	Now       func() time.Time // nil: time.Now
	Rand      io.Reader        // nil: crypto/rand
}

// Notifier is the push side of one node.
type Notifier struct {
	// static after New
	cfg    Config
	book   Book
	vault  Vault
	dialer *Dialer
	client *http.Client

	pair   atomic.Pointer[KeyPair] // once read
	counts counts
}

const (
	requestTimeout = 10 * time.Second // of one call to a push service or webhook
	hostInFlight   = 4                // calls to one host at the same time
)

// New makes a Notifier, or tells which part is missing.
func New(cfg Config) (*Notifier, error) {
	for name, missing := range map[string]bool{"Book": cfg.Book == nil, "Vault": cfg.Vault == nil, "Reader": cfg.Reader == nil} {
		if missing {
			return nil, fmt.Errorf("notify: New needs %s", name)
		}
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	if cfg.Transport == nil {
		cfg.Transport = &http.Transport{}
	}
	n := &Notifier{cfg: cfg, book: cfg.Book, vault: cfg.Vault, dialer: NewDialer(cfg.AllowNetworks)}
	n.client = n.dialer.client(cfg.Transport, requestTimeout)
	return n, nil
}
