package api

import (
	"context"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-chi/chi/v5"

	"gori/chat"
)

// subprotocol is what a client may name in Sec-WebSocket-Protocol.
const subprotocol = "gori.v1"

// sockets owns the read loops of all WebSockets of this node.
type sockets struct {
	// static
	ctx  context.Context // ends the sessions; the sockets' own
	stop context.CancelFunc

	mu      sync.Mutex
	closing bool
	live    map[*socket]struct{}
	work    sync.WaitGroup
}

func newSockets() *sockets {
	ctx, stop := context.WithCancel(context.Background())
	return &sockets{ctx: ctx, stop: stop, live: make(map[*socket]struct{})}
}

// start runs a session on the socket, on a goroutine of its own, so that the
// one of the handshake ends and gives its stack and buffers back.
func (ss *sockets) start(sock *socket, run func(context.Context)) bool {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if ss.closing {
		return false
	}
	ss.live[sock] = struct{}{}
	ss.work.Go(func() {
		defer func() {
			sock.finish()
			ss.mu.Lock()
			delete(ss.live, sock)
			ss.mu.Unlock()
		}()
		run(ss.ctx)
	})
	return true
}

// close waits for all read loops to end, and cuts those that are left when ctx
// ends. Sessions have been told before, by the hub.
func (ss *sockets) close(ctx context.Context) {
	ss.mu.Lock()
	ss.closing = true
	ss.mu.Unlock()
	done := make(chan struct{})
	go func() {
		ss.work.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		ss.mu.Lock()
		for sock := range ss.live {
			sock.cut()
		}
		ss.mu.Unlock()
	}
	ss.stop()
	<-done
}

// socket is the route of the WebSocket. Whoever may not have one is refused
// before the upgrade, as plain HTTP.
func (s *Server) socket(w http.ResponseWriter, r *http.Request) {
	result := func(name string) { s.metrics.handshakes.WithLabelValues(name).Inc() }
	if node := chi.URLParam(r, "node"); node != "" && node != s.cfg.Node {
		result("other_node")
		s.fail(w, r, chat.Errorf(chat.CodeNotFound, "this is not that node"))
		return
	}
	if s.draining.Load() {
		result("draining")
		s.fail(w, r, chat.Retryable(chat.CodeDraining, time.Second, nil, "this node is going away"))
		return
	}
	if wait, ok := s.allow(s.handshakeLimit, r); !ok {
		result("limited")
		s.fail(w, r, chat.Retryable(chat.CodeRateLimited, wait, nil, "too many connections from this address"))
		return
	}
	if !speaksGori(r) {
		result("subprotocol")
		s.fail(w, r, chat.Errorf(chat.CodeBadRequest, "this server speaks the sub-protocol %s", subprotocol))
		return
	}
	class := classOf(r)
	done, err := s.admission.enter(class)
	if err != nil {
		result("overloaded_" + classNames[class])
		s.fail(w, r, err)
		return
	}
	defer done()
	who, err := s.authenticate(r)
	if err != nil {
		result("refused")
		s.fail(w, r, err)
		return
	}
	// A cookie is only worth something together with the place it is used
	// from; a browser always says that place on a handshake.
	if present, _ := s.origins.check(r); !present && !bearing(r) {
		result("origin")
		s.fail(w, r, errForeignOrigin)
		return
	}
	sock, err := accept(w, r, s.metrics)
	if err != nil {
		result("broken")
		return
	}
	if !s.sockets.start(sock, func(ctx context.Context) { s.session(ctx, sock, who) }) {
		sock.Close(chat.CloseDrain, "this node is going away")
		sock.finish()
		return
	}
	result("accepted")
}

// session runs one session to its end. A panic in it ends that session only.
func (s *Server) session(ctx context.Context, sock *socket, who chat.Identity) {
	s.metrics.sockets.Inc()
	defer s.metrics.sockets.Dec()
	defer func() {
		if v := recover(); v != nil {
			s.metrics.panics.Inc()
			s.log.Error("panic in a session", slog.Any("panic", v), slog.String("stack", string(debug.Stack())))
			sock.Close(1011, "internal error")
		}
	}()
	if err := s.cfg.Chat.NewSession(who, sock).Run(ctx); err != nil && s.log.Enabled(ctx, slog.LevelDebug) {
		s.log.Debug("session not admitted", slog.Any("err", err))
	}
}

// speaksGori tells whether the client offers our sub-protocol, or none at all.
func speaksGori(r *http.Request) bool {
	offered := r.Header.Values("Sec-WebSocket-Protocol")
	if len(offered) == 0 {
		return true
	}
	return slices.ContainsFunc(strings.Split(strings.Join(offered, ","), ","), func(p string) bool {
		return strings.TrimSpace(p) == subprotocol
	})
}
