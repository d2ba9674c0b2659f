package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"gori/shard"
	"gori/store"
	"gori/store/local"
	"gori/store/survey"
)

// controlName is the socket by which commands ask a running gori up for
// instances, in the folder controlFolder of the data folder. Whoever may open it is
// the owner.
const (
	controlFolder = "control"
	controlName   = "up.sock"
)

const (
	controlBody  = 4096             // bytes of a question at most
	growBound    = 5 * time.Minute  // for making an instance
	slowHeader   = 10 * time.Second // for a question's first line
	lookPatience = 10 * time.Second // for a shard to say what it holds
)

// control answers commands of the owner: it makes instances and takes them out.
type control struct {
	cluster *local.Cluster
	// ring reads the agreed ring document.
	ring func(ctx context.Context) (*shard.Ring, error)
	// noted writes what runs where nodes and commands look.
	noted  func() error
	logger *slog.Logger

	mu     sync.Mutex             // held while an instance comes or goes
	wanted map[shard.ID]time.Time // guarded by mu: when it was last asked for
}

const (
	// leaveEvery is how often is looked for instances that have left the ring.
	leaveEvery = 5 * time.Second
	// wantedTime is how long an instance that was asked for may be without a place
	// in the ring.
	wantedTime = 10 * time.Minute
	// forwardTime is how long one that has left still answers nodes that have not
	// heard of it.
	forwardTime = 2 * time.Second
)

// Instance tells of an instance.
type Instance struct {
	local.Shard
	Aside string `json:"aside,omitempty"` // where the data of one that is gone lies
}

// Refusal is an error of gori up's own, with the HTTP status it was sent with.
type Refusal struct {
	Status  int    `json:"-"`
	Message string `json:"error"`
}

func (e *Refusal) Error() string { return e.Message }

// listenControl opens the socket. The folder's lock is held, so one that lies
// there is of a process that is dead.
func listenControl(dir string) (net.Listener, error) {
	path, err := local.PrivateSocket(filepath.Join(dir, controlFolder), controlName)
	if err != nil {
		return nil, err
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("open the control socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		_ = l.Close()
		return nil, err
	}
	return l, nil
}

// attendCommands answers commands of the owner, and takes out instances that have
// left the ring, until ctx ends, in goroutines of wg.
func (f *Fleet) attendCommands(ctx context.Context, stop context.CancelCauseFunc, wg *sync.WaitGroup) {
	reg, err := newRings(f.cluster)
	if err != nil {
		stop(err)
		return
	}
	s := &control{cluster: f.cluster, logger: f.logger, noted: f.noteShards, ring: reg.Peek, wanted: map[shard.ID]time.Time{}}
	var both sync.WaitGroup
	both.Go(func() {
		if err := s.serve(ctx, f.control); err != nil {
			stop(fmt.Errorf("the control socket: %w", err))
		}
	})
	both.Go(func() { s.watchLeaving(ctx) })
	wg.Go(func() {
		both.Wait()
		reg.Close()
	})
}

// watchLeaving takes out instances that were in the ring and are not any more,
// whoever carried that out.
func (s *control) watchLeaving(ctx context.Context) {
	tick := time.NewTicker(leaveEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		ring, err := s.ring(ctx)
		if err != nil {
			continue // too few shards answer: nothing can have left
		}
		for _, one := range s.cluster.Shards() {
			if _, seated := ring.Seat(shard.ID(one.ID)); seated || !s.wasSeated(ctx, one) {
				continue
			}
			if _, err := s.remove(ctx, shard.ID(one.ID), false); err != nil && ctx.Err() == nil {
				s.logger.Warn("an instance that has left the ring still runs", "shard", one.ID, "error", err)
			}
		}
	}
}

// wasSeated tells one that has left from one that is yet to come.
func (s *control) wasSeated(ctx context.Context, one local.Shard) bool {
	s.mu.Lock()
	asked, is := s.wanted[shard.ID(one.ID)]
	s.mu.Unlock()
	if is && time.Since(asked) < wantedTime {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, lookPatience)
	defer cancel()
	// One that is yet to come has never been asked to accept a document.
	last, err := survey.Document(ctx, one.DSN)
	return err == nil && last != nil
}

// serve answers until ctx ends, and then waits for what is under way. It closes l.
func (s *control) serve(ctx context.Context, l net.Listener) error {
	server := &http.Server{Handler: s.routes(ctx), ReadHeaderTimeout: slowHeader, ErrorLog: slog.NewLogLogger(s.logger.Handler(), slog.LevelDebug)}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	err := server.Serve(l)
	s.mu.Lock() // what is under way ends with ctx
	defer s.mu.Unlock()
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// routes has the handlers work until life ends: a command that goes away does
// not leave half an instance.
func (s *control) routes(life context.Context) http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern string, do func(ctx context.Context, r *http.Request) (any, error)) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			r.Body = http.MaxBytesReader(w, r.Body, controlBody)
			ctx, cancel := context.WithTimeout(life, growBound)
			defer cancel()
			answer, err := do(ctx, r)
			w.Header().Set("Content-Type", "application/json")
			if err != nil {
				var refusal *Refusal
				if !errors.As(err, &refusal) {
					refusal = &Refusal{http.StatusInternalServerError, err.Error()}
				}
				w.WriteHeader(refusal.Status)
				answer = refusal
			}
			_ = json.NewEncoder(w).Encode(answer)
		})
	}
	handle("GET /shards", func(context.Context, *http.Request) (any, error) { return s.cluster.Shards(), nil })
	handle("POST /shards", func(ctx context.Context, r *http.Request) (any, error) {
		var q struct {
			ID shard.ID `json:"id"`
		}
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
			return nil, &Refusal{http.StatusBadRequest, "the question is not JSON: " + err.Error()}
		}
		return s.add(ctx, q.ID)
	})
	handle("DELETE /shards/{id}", func(ctx context.Context, r *http.Request) (any, error) {
		return s.remove(ctx, shard.ID(r.PathValue("id")), r.URL.Query().Get("purge") == "1")
	})
	return mux
}

// add makes an instance, or finds the one that is there, with the schema of this
// program. It owns nothing until a reshard gives it something.
func (s *control) add(ctx context.Context, id shard.ID) (*Instance, error) {
	if err := id.Check(); err != nil {
		return nil, &Refusal{http.StatusBadRequest, err.Error()}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wanted[id] = time.Now()
	ring, err := s.ring(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the ring: %w", err)
	}
	seat, seated := ring.Seat(id)
	_, here := s.find(id)
	switch {
	case seated && seat.Addr != "@"+string(id) && seat.Addr != "@"+string(id)+shard.SecondSuffix:
		return nil, &Refusal{http.StatusConflict, fmt.Sprintf("shard %s is in the ring and lies elsewhere", id)}
	case seated && !here:
		// A new one of this name would be taken for the one with the data.
		return nil, &Refusal{http.StatusConflict, fmt.Sprintf("shard %s is in the ring, and its instance is not in %s: put its folder back", id, s.cluster.Dir())}
	}
	one, err := s.cluster.Add(ctx, string(id))
	if err != nil {
		return nil, fmt.Errorf("make the instance of shard %s: %w", id, err)
	}
	if !seated {
		if err := store.Migrate(ctx, one.DSN, id, nil); err != nil {
			return nil, err
		}
	}
	s.logger.Info("an instance runs", "shard", id)
	return &Instance{Shard: one}, s.noted()
}

func (s *control) find(id shard.ID) (local.Shard, bool) {
	for _, one := range s.cluster.Shards() {
		if one.ID == string(id) {
			return one, true
		}
	}
	return local.Shard{}, false
}

// remove takes an instance out that neither the ring nor any partition needs.
func (s *control) remove(ctx context.Context, id shard.ID, purge bool) (*Instance, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one, here := s.find(id)
	if !here {
		return nil, &Refusal{http.StatusNotFound, fmt.Sprintf("there is no instance %s in %s", id, s.cluster.Dir())}
	}
	if err := s.unseated(ctx, id); err != nil {
		return nil, err
	}
	if err := s.serves(ctx, one); err != nil {
		return nil, err
	}
	select {
	case <-time.After(forwardTime):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	// Somebody may have put it into the ring meanwhile.
	if err := s.unseated(ctx, id); err != nil {
		return nil, err
	}
	aside, err := s.cluster.Remove(ctx, string(id), purge)
	if err != nil {
		return nil, err
	}
	delete(s.wanted, id)
	s.logger.Info("an instance is taken out", "shard", id, "data", aside)
	return &Instance{Shard: local.Shard{ID: string(id)}, Aside: aside}, s.noted()
}

// unseated refuses a shard that the ring names.
func (s *control) unseated(ctx context.Context, id shard.ID) error {
	ring, err := s.ring(ctx)
	if err != nil {
		return fmt.Errorf("read the ring: %w", err)
	}
	if _, seated := ring.Seat(id); seated {
		return &Refusal{http.StatusConflict, fmt.Sprintf("the ring names shard %s: gori reshard remove %s takes it out", id, id)}
	}
	return nil
}

// serves refuses a shard that has partitions, whatever the ring says: its rows
// are the authority.
func (s *control) serves(ctx context.Context, one local.Shard) error {
	doc, err := survey.Document(ctx, one.DSN)
	if err != nil {
		return fmt.Errorf("whether shard %s serves anything cannot be read: %w", one.ID, err)
	}
	if doc == nil {
		return nil // nothing was ever accepted there
	}
	owners, err := survey.Owners(ctx, one.DSN)
	if err != nil {
		return fmt.Errorf("whether shard %s serves anything cannot be read: %w", one.ID, err)
	}
	for _, o := range owners {
		if o.State != "gone" {
			return &Refusal{http.StatusConflict, fmt.Sprintf("partition %d is %s on shard %s", o.Partition, o.State, one.ID)}
		}
	}
	return nil
}

// Client asks a running gori up.
type Client struct{ http *http.Client }

// Dial reaches the gori up of a data folder by the socket that it has noted.
func Dial(r Running) (*Client, error) {
	if r.Control == "" {
		return nil, errors.New("the gori up that runs is older than this program: stop it and start it again")
	}
	return ClientAt(r.Control), nil
}

// ClientAt reaches the gori up whose socket this is.
func ClientAt(path string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}
	return &Client{&http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}, Timeout: growBound}}
}

// Add asks for an instance: it is made, or found, with the schema of the gori up that
// runs, within 5 minutes. A refusal is a *Refusal.
func (u *Client) Add(ctx context.Context, id shard.ID) (*Instance, error) {
	return u.ask(ctx, http.MethodPost, "/shards", fmt.Sprintf(`{"id":%q}`, id))
}

// Remove asks for an instance to go that nothing needs any more; its data is put aside,
// or deleted with purge. A refusal is a *Refusal.
func (u *Client) Remove(ctx context.Context, id shard.ID, purge bool) (*Instance, error) {
	path := "/shards/" + string(id)
	if purge {
		path += "?purge=1"
	}
	return u.ask(ctx, http.MethodDelete, path, "")
}

func (u *Client) ask(ctx context.Context, method, path, body string) (*Instance, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://up"+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	res, err := u.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask gori up: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		refusal := &Refusal{Status: res.StatusCode, Message: res.Status}
		_ = json.NewDecoder(res.Body).Decode(refusal)
		return nil, refusal
	}
	var a Instance
	if err := json.NewDecoder(res.Body).Decode(&a); err != nil {
		return nil, fmt.Errorf("what gori up answers: %w", err)
	}
	return &a, nil
}
