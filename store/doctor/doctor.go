package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"gori/shard"
	"gori/store"
)

// Level says how bad a finding is.
type Level string

// The levels. Only a Problem is against what Gori promises.
const (
	OK      Level = "ok"
	Note    Level = "note"
	Warning Level = "warning"
	Problem Level = "problem"
)

// Finding is what one check has found.
type Finding struct {
	Check   string   `json:"check"`
	Shard   shard.ID `json:"shard,omitempty"` // empty: the whole system
	Level   Level    `json:"level"`
	What    string   `json:"what"`
	Meaning string   `json:"meaning,omitempty"`
	Do      string   `json:"do,omitempty"`
}

// Options of Examine. Zero values mean the defaults named here.
type Options struct {
	Shards []store.ShardConfig
	Ring   *shard.Ring   // the newest document, nil if there is none
	Limit  time.Duration // of each statement; default 1 min
	Settle time.Duration // what is owed may be owed for so long; default 5 s
	Quick  bool          // leave out what reads whole tables
	Fix    bool          // have inboxes that stay behind brought up to date, and wrong numbers counted anew
}

// Report is what an examination has found, the worst first.
type Report struct {
	Findings []Finding `json:"findings"`
	Problems int       `json:"problems"`
	Warnings int       `json:"warnings"`
	Fixed    int       `json:"fixed"` // channels whose inboxes will be brought up to date
	// Unread are wrong numbers of people in channels, to 1000 of them.
	Unread []Miscount `json:"unread,omitempty"`
}

// exam is an examination under way.
type exam struct {
	Options
	mu    sync.Mutex
	found []Finding
	fixed int
	// miscounts are of the one goroutine that counts.
	miscounts []Miscount
}

// patient is one shard.
type patient struct {
	store.ShardConfig
	*exam
	conn   *pgx.Conn
	schema int32
	owners map[shard.Partition]owner
	served []int32 // active or fenced here
	ring   *shard.Ring
	tally  map[int64]channel // of the channels served here
	homes  map[int64]inboxes // what the homes here know of channels
}

// Examine looks at everything.
func Examine(ctx context.Context, o Options) *Report {
	o.Limit, o.Settle = cmp.Or(o.Limit, time.Minute), cmp.Or(o.Settle, 5*time.Second)
	x := &exam{Options: o}
	var list []*patient
	for _, sc := range o.Shards {
		list = append(list, &patient{ShardConfig: sc, exam: x})
	}
	defer func() {
		for _, p := range list {
			if p.conn != nil {
				_ = p.conn.Close(context.WithoutCancel(ctx))
			}
		}
	}()
	each(list, func(p *patient) { p.alone(ctx) })
	list = slices.DeleteFunc(list, func(p *patient) bool { return p.conn == nil })
	x.together(list)
	if !o.Quick && len(list) == len(o.Shards) {
		x.inboxes(ctx, list)
		x.unread(ctx, list)
	}
	return x.report()
}

func each(list []*patient, do func(*patient)) {
	var wg sync.WaitGroup
	for _, p := range list {
		wg.Go(func() { do(p) })
	}
	wg.Wait()
}

func (x *exam) add(f Finding) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.found = append(x.found, f)
}

func (x *exam) report() *Report {
	rank := map[Level]int{Problem: 0, Warning: 1, Note: 2, OK: 3}
	slices.SortStableFunc(x.found, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(rank[a.Level], rank[b.Level]), cmp.Compare(a.Check, b.Check), cmp.Compare(a.Shard, b.Shard))
	})
	r := &Report{Findings: x.found, Fixed: x.fixed, Unread: x.miscounts}
	for _, f := range x.found {
		switch f.Level {
		case Problem:
			r.Problems++
		case Warning:
			r.Warnings++
		}
	}
	return r
}

// say notes a finding of this shard.
func (p *patient) say(check string, level Level, what, meaning, do string) {
	p.add(Finding{Check: check, Shard: p.ID, Level: level, What: what, Meaning: meaning, Do: do})
}

// fine notes that a check has found nothing wrong.
func (p *patient) fine(check, what string) { p.say(check, OK, what, "", "") }

// alone examines one shard by itself.
func (p *patient) alone(ctx context.Context) {
	cfg, err := pgx.ParseConfig(p.DSN)
	if err == nil {
		cfg.ConnectTimeout = 5 * time.Second
		cfg.RuntimeParams["application_name"] = "gori doctor"
		cfg.RuntimeParams["statement_timeout"] = fmt.Sprint(p.Limit.Milliseconds())
		cfg.RuntimeParams["lock_timeout"] = "2s"
		cfg.RuntimeParams["jit"] = "off"
		cfg.RuntimeParams["timezone"] = "UTC"
		p.conn, err = pgx.ConnectConfig(ctx, cfg)
	}
	if err != nil {
		p.say("shards", Problem, "does not answer: "+err.Error(), "what it owns is unavailable", "see its log; gori up starts a dead instance again by itself")
		return
	}
	if !p.identity(ctx) {
		_ = p.conn.Close(ctx)
		p.conn = nil
		return
	}
	checks := map[string]func(context.Context) error{"owners": p.readOwners, "ring": p.readRing, "guards": p.guards, "rights": p.rights,
		"settings": p.settings, "server": p.server, "owed": p.owed, "reshard leftovers": p.leftovers}
	if !p.Quick {
		checks["messages"], checks["strays"] = p.messages, p.strays
	}
	for _, name := range []string{"owners", "ring", "guards", "rights", "settings", "server", "owed", "reshard leftovers", "strays", "messages"} {
		if checks[name] != nil {
			p.try(name, checks[name](ctx))
		}
	}
}

// try notes a check that could not be made.
func (p *patient) try(check string, err error) {
	var pg *pgconn.PgError
	switch {
	case err == nil:
	case errors.As(err, &pg) && pg.Code == "57014":
		p.say(check, Warning, fmt.Sprintf("was not looked at: it takes more than %v", p.Limit), "", "gori doctor --limit 10m, at a quiet time")
	default:
		p.say(check, Warning, "could not be looked at: "+err.Error(), "", "")
	}
}

// identity makes sure that it is the shard it is said to be, with a schema that
// is known here.
func (p *patient) identity(ctx context.Context) bool {
	var found string
	err := p.conn.QueryRow(ctx, "SELECT s.shard_id, v.version FROM control.shard_self s, public.gori_schema_version v").Scan(&found, &p.schema)
	switch known := store.KnownSchema(); {
	case err != nil:
		p.say("shards", Problem, "holds no data of Gori: "+err.Error(), "the address is wrong, or it was never started", "")
	case shard.ID(found) != p.ID:
		p.say("shards", Problem, "is the shard "+found, "the addresses are mixed up: nodes refuse it", "correct the configuration")
	case p.schema > known:
		p.say("schema", Problem, fmt.Sprintf("is %d and this gori knows %d", p.schema, known), "a newer gori wrote it", "use that one")
	case p.schema < known:
		p.say("schema", Warning, fmt.Sprintf("is %d and this gori knows %d", p.schema, known), "not every check is possible", "start a node of this gori, which changes it")
		return true
	default:
		p.fine("shards", fmt.Sprintf("answers, with schema %d", p.schema))
		return true
	}
	return false
}
