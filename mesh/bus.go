package mesh

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
)

// bus is what a Mesh needs of NATS: messages to whoever listens to a subject,
// in order from one sender to one receiver, or lost.
type bus interface {
	// publish does not keep data.
	publish(subject string, data []byte) error
	// subscribe has f called for each message, one at a time a subject; f may
	// keep data.
	subscribe(subject string, f func(data []byte)) error
	// close sends what is still waiting, as far as ctx allows, and has ended
	// all calls of subscribers when it returns.
	close(ctx context.Context) error
}

// Bounds of what waits in this process for the receiving functions, and for a
// server that is away. What is over is lost, which the numbers tell.
const (
	maxInMessages  = 65_536
	maxInBytes     = 64 << 20
	maxAwayBytes   = 1 << 20
	reconnectWait  = 500 * time.Millisecond
	connectTimeout = 5 * time.Second
)

// natsBus is a connection to a NATS server, our own or another.
type natsBus struct {
	conn   *nats.Conn
	server *embedded     // nil: an external one
	ended  chan struct{} // the connection is closed and its goroutines have ended
}

func connectNATS(url string, log *slog.Logger, more ...nats.Option) (*natsBus, error) {
	b := &natsBus{ended: make(chan struct{})}
	options := append([]nats.Option{
		nats.Name("gori"),
		nats.MaxReconnects(-1), // it would give up after 60
		nats.ReconnectWait(reconnectWait),
		nats.ReconnectBufSize(maxAwayBytes),
		nats.Timeout(connectTimeout),
		nats.PingInterval(5 * time.Second), // finds a dead connection within 15 s, not 6 minutes
		nats.MaxPingsOutstanding(2),
		nats.ClosedHandler(func(*nats.Conn) { close(b.ended) }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				log.Warn("the mesh has lost its NATS server", slog.Any("err", err))
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) { log.Info("the mesh has its NATS server again") }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			// Slow: this node cannot keep up. What is lost is found by its number.
			log.Warn("mesh", slog.Any("err", err))
		}),
	}, more...)
	conn, err := nats.Connect(url, options...)
	if err != nil {
		return nil, fmt.Errorf("connecting to the NATS server of the mesh: %w", err)
	}
	b.conn = conn
	return b, nil
}

func (b *natsBus) publish(subject string, data []byte) error { return b.conn.Publish(subject, data) }

func (b *natsBus) subscribe(subject string, f func([]byte)) error {
	sub, err := b.conn.Subscribe(subject, func(m *nats.Msg) { f(m.Data) })
	if err != nil {
		return err
	}
	return sub.SetPendingLimits(maxInMessages, maxInBytes)
}

// close drains: the server acknowledges what was published, and callbacks that
// run come to their end.
func (b *natsBus) close(ctx context.Context) error {
	var err error
	if b.conn.IsConnected() {
		err = b.conn.FlushWithContext(ctx)
	}
	if !b.conn.IsConnected() || b.conn.Drain() != nil {
		b.conn.Close() // nobody is there to drain to
	}
	select {
	case <-b.ended:
	case <-ctx.Done():
		b.conn.Close()
		<-b.ended
	}
	if b.server != nil {
		b.server.stop()
	}
	return err
}
