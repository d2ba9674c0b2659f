package api

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gori/chat"
	"gori/chat/chattest"
)

// seen tells when the revocations are first read.
type seen struct {
	chat.Revocations
	once  sync.Once
	first chan struct{}
}

func (s *seen) Revoked(ctx context.Context, since chat.RevokedSince, away time.Duration) (chat.RevokedPage, error) {
	s.once.Do(func() { close(s.first) })
	return s.Revocations.Revoked(ctx, since, away)
}

// What was read before the node stood still is read again, by who may still ask;
// what was to be changed is asked for again; what had begun is done.
func TestWhatWasReadBeforeAStandstillIsReadAgain(t *testing.T) {
	var ahead atomic.Int64
	clock := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	ctx, stop := context.WithCancel(context.Background())
	var work sync.WaitGroup
	defer work.Wait()
	defer stop()
	looked := make(chan struct{})
	s := newSystem(t, func(cfg *Config, deps *chat.PeopleDeps) {
		mem := deps.Logins.(*chattest.Memory)
		svc, err := chat.NewService(chat.Deps{Log: mem, Directory: mem, Roster: mem, Inboxes: mem, People: mem, Contacts: mem, Revocations: &seen{Revocations: mem, first: looked},
			Hub: chat.NewHub(chat.HubConfig{Log: quiet, Now: clock}), Node: "n1", Now: clock, Logger: quiet})
		if err != nil {
			t.Fatal(err)
		}
		cfg.Chat, deps.Service = svc, svc
		work.Go(func() { _ = svc.Run(ctx) })
	})
	<-looked // before, nothing ends what was read
	ann := s.signUp("ann")
	who, err := s.people.Authenticate(ctx, ann.token)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(method string, revoke bool) (calls int, answer any, err error) {
		r := httptest.NewRequest(method, "/api/v1/me", nil)
		r.Header.Set("Authorization", "Bearer "+ann.token)
		r = r.WithContext(context.WithValue(r.Context(), identityKey{}, who))
		answer, err = s.api.steadily(nil, r, func(http.ResponseWriter, *http.Request) (any, error) {
			if calls++; calls == 1 {
				if revoke {
					err = s.mem.RevokeLogins(ctx, who.User, who.Login)
				}
				ahead.Add(int64(5 * time.Second))
			}
			return calls, err
		})
		return calls, answer, err
	}
	if calls, answer, err := ask("GET", false); calls != 2 || answer != 2 || err != nil {
		t.Errorf("read %d times, answered %v, %v", calls, answer, err)
	}
	// What is to change something may be as old as that, too.
	calls, _, err := ask("POST", false)
	refused := chat.ErrorOf(err)
	if calls != 0 || !refused.Retry || refused.After <= 0 {
		t.Fatalf("done %d times, answered %v", calls, err)
	}
	ahead.Add(int64(refused.After)) // no standstill yet
	if calls, answer, err := ask("POST", false); calls != 1 || answer != 1 || err != nil {
		t.Errorf("done %d times, answered %v, %v", calls, answer, err)
	}
	if calls, _, err := ask("GET", true); calls != 1 || chat.CodeOf(err) != chat.CodeUnauthenticated {
		t.Errorf("read %d times for an ended login: %v", calls, err)
	}
}
