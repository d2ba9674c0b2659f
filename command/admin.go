package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"gori/chat"
	"gori/config"
	"gori/host"
	"gori/reach"
	"gori/shard"
	"gori/store/survey"
)

// adminPatience bounds what a command that only looks waits for a shard.
const adminPatience = 10 * time.Second

// target are the flags by which commands find a system.
type target struct {
	data, config string
	json         bool
}

func (t *target) flags(c *cobra.Command) {
	c.Flags().StringVar(&t.data, "data", "./data", "the data folder of a running gori up")
	c.Flags().StringVar(&t.config, "config", "", "instead of --data: a configuration file that names the shards")
	c.Flags().BoolVar(&t.json, "json", false, "print JSON")
}

// shards returns the addresses of the system's shards.
func (t *target) shards() ([]config.Shard, error) {
	if t.config == "" {
		r, err := host.FindRunning(t.data)
		if err != nil {
			return nil, err
		}
		return reach.AsConfig(r.Shards), nil
	}
	cfg, _, err := config.Load(t.config, os.Environ())
	if err != nil {
		return nil, err
	}
	if len(cfg.Shards) == 0 {
		return nil, config.Usage(fmt.Errorf("%s names no shards", t.config))
	}
	return cfg.Shards, nil
}

func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

func newRing() *cobra.Command {
	c := &cobra.Command{Use: "ring", Short: "Show which shard keeps what, and plan changes"}
	plan := &cobra.Command{Use: "plan", Short: "Say what a change of the ring would move, without moving anything"}
	plan.AddCommand(newPlan("add", "add NAME[=DSN]", "What would move if a shard joined"), newPlan("remove", "remove NAME", "What would move if a shard left"))
	c.AddCommand(newRingShow(), plan, newRingWitness(), newRingRejoin())
	return c
}

func newRingShow() *cobra.Command {
	var t target
	c := &cobra.Command{
		Use:   "show",
		Short: "Show the ring: each shard's partitions, as a table and a picture",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			ring, _, err := t.readRing(c.Context())
			if err != nil {
				return err
			}
			if t.json {
				return printJSON(c.OutOrStdout(), ring)
			}
			ring.print(c.OutOrStdout(), colours(c.OutOrStdout()))
			return ring.problem()
		},
	}
	t.flags(c)
	return c
}

func newWhere() *cobra.Command {
	var t target
	c := &cobra.Command{
		Use:   "where CHANNEL|USER|NAME",
		Short: "Say where a channel, a user or a name lives, and why",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) != 1 {
				return config.Usage(fmt.Errorf("where needs one id or name"))
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			list, err := t.where(c.Context(), args[0])
			if err != nil {
				return err
			}
			if t.json {
				return printJSON(c.OutOrStdout(), list)
			}
			for _, p := range list {
				p.print(c.OutOrStdout())
			}
			return nil
		},
	}
	t.flags(c)
	return c
}

// place is where something lives.
type place struct {
	survey.Thing
	Shard shard.ID `json:"shard"` // whose row says it owns the partition
	Epoch int64    `json:"epoch"`
	State string   `json:"state"`
}

func (p place) print(w io.Writer) {
	key := strconv.FormatInt(p.ID, 10)
	what := map[string]string{"user": "user", "name": "login name", "direct": "direct channel", "group": "group"}[p.Kind]
	if p.Kind == "name" {
		key = p.Name
		fmt.Fprintf(w, "%s %s (of user %d)\n", what, p.Name, p.ID)
	} else {
		fmt.Fprintf(w, "%s %d %s\n", what, p.ID, p.Name)
	}
	if p.Kind == "direct" || p.Kind == "group" {
		fmt.Fprintf(w, "  messages   %d\n", p.Messages)
	}
	fmt.Fprintf(w, "  partition  %d   xxhash64(%s) mod %d\n", p.Partition, key, shard.Partitions)
	fmt.Fprintf(w, "  shard      %s   its row for partition %d is %s, epoch %d\n", p.Shard, p.Partition, p.State, p.Epoch)
}

// where asks every shard, because a name of a group says nothing about its
// place; of what it finds it keeps what the shard owns.
func (t *target) where(ctx context.Context, text string) ([]place, error) {
	ctx, cancel := context.WithTimeout(ctx, adminPatience)
	defer cancel()
	q := survey.Query{Group: text}
	if id, err := strconv.ParseInt(text, 10, 64); err == nil && id > 0 {
		q.ID = id
	}
	if name, err := chat.CanonicalLoginName(text); err == nil {
		q.LoginName = name
	}
	ring, shards, err := t.readRing(ctx)
	if err != nil {
		return nil, err
	}
	found := make([][]survey.Thing, len(shards))
	err = reach.EachShard(ctx, shards, func(ctx context.Context, i int, s config.Shard) (err error) {
		found[i], err = survey.Find(ctx, s.DSN, q)
		return err
	})
	if err != nil {
		return nil, err
	}
	var list []place
	for i, things := range found {
		for _, thing := range things {
			if at, n := ring.active(thing.Partition); n > 0 && at == i {
				owner := ring.owners[i][thing.Partition]
				list = append(list, place{Thing: thing, Shard: shard.ID(shards[i].ID), Epoch: int64(owner.Epoch), State: owner.State})
			}
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("no channel, user or name %q; if it came to be it would be: as a name in partition %d%s",
			text, shard.OfName(q.LoginName), asID(q.ID))
	}
	return list, nil
}

func asID(id int64) string {
	if id == 0 {
		return ""
	}
	return fmt.Sprintf(", as an id in partition %d", shard.Of(id))
}

func newPlan(kind, use, short string) *cobra.Command {
	var t target
	c := &cobra.Command{
		Use:   use,
		Short: short,
		Long: short + `: partitions, rows and bytes. Nothing is changed.
A DSN given with a name is tried. Do not write a password there: it would be
seen in the list of processes; use a PGPASSFILE or a service file.`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) != 1 {
				return config.Usage(fmt.Errorf("plan %s needs one shard", kind))
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			name, dsn, _ := strings.Cut(args[0], "=")
			p, err := t.planChange(c.Context(), kind, shard.ID(name), dsn)
			if err != nil {
				return err
			}
			if t.json {
				return printJSON(c.OutOrStdout(), p)
			}
			p.print(c.OutOrStdout())
			return nil
		},
	}
	t.flags(c)
	return c
}

// ringPlan is what a change of the ring would move.
type ringPlan struct {
	Change string            `json:"change"` // add, remove
	Shard  shard.ID          `json:"shard"`
	Epoch  shard.Epoch       `json:"epoch"` // the ring's after the change
	Moves  []plannedMove     `json:"moves"`
	Total  survey.Size       `json:"total"`
	Shares map[shard.ID]int  `json:"shares"` // partitions after the change
	Spread float64           `json:"spread"` // largest share / average, after the change
	sums   map[[2]string]sum // from → to
}

type plannedMove struct {
	shard.Move
	survey.Size
}

type sum struct {
	partitions int
	survey.Size
}

func (t *target) planChange(ctx context.Context, kind string, id shard.ID, dsn string) (*ringPlan, error) {
	ring, shards, err := t.readRing(ctx)
	if err != nil {
		return nil, err
	}
	if err := ring.problem(); err != nil {
		return nil, fmt.Errorf("no plan for a ring in disorder: %w", err)
	}
	p := &ringPlan{Change: kind, Shard: id, sums: map[[2]string]sum{}}
	var next *shard.Map
	if kind == "add" {
		next, err = ring.Map.Add(id)
		if err == nil && dsn != "" {
			err = tryNew(ctx, id, dsn)
		}
	} else {
		next, err = ring.Map.Remove(id)
	}
	if err != nil {
		return nil, config.Usage(err)
	}
	sizes := make([]map[shard.Partition]survey.Size, len(shards))
	err = reach.EachShard(ctx, shards, func(ctx context.Context, i int, s config.Shard) (err error) {
		sizes[i], err = survey.Sizes(ctx, s.DSN)
		return err
	})
	if err != nil {
		return nil, err
	}
	of := make(map[shard.ID]map[shard.Partition]survey.Size)
	for i, s := range shards {
		of[shard.ID(s.ID)] = sizes[i]
	}
	for _, mv := range shard.Moves(ring.Map, next) {
		p.add(plannedMove{mv, of[mv.From][mv.Partition]})
	}
	p.Epoch, p.Shares, p.Spread = next.Epoch(), next.Counts(), next.Spread()
	return p, nil
}

var errNotEmpty = errors.New("holds data of a ring already")

// unfitError says why a database cannot become a shard.
type unfitError struct {
	id  shard.ID
	why []string
}

func (e *unfitError) Error() string {
	return fmt.Sprintf("the database for the new shard %s: %s", e.id, strings.Join(e.why, "; "))
}

// tryNew makes sure that a shard to be added can be reached, is empty, and is such
// that it can be one.
func tryNew(ctx context.Context, id shard.ID, dsn string) error {
	ctx, cancel := context.WithTimeout(ctx, adminPatience)
	defer cancel()
	n, err := survey.LookAt(ctx, dsn)
	if err != nil {
		return fmt.Errorf("reach the new shard %s: %w", id, err)
	}
	if n.Shard != "" {
		doc, err := survey.Document(ctx, dsn)
		if err != nil {
			return fmt.Errorf("reach the new shard %s: %w", id, err)
		}
		if doc != nil {
			return fmt.Errorf("the database for the new shard %s %w", id, errNotEmpty)
		}
	}
	if why := n.Unfit(id); len(why) > 0 {
		return &unfitError{id, why}
	}
	return nil
}

func (p *ringPlan) add(m plannedMove) {
	p.Moves = append(p.Moves, m)
	key := [2]string{string(m.From), string(m.To)}
	s := p.sums[key]
	s.partitions++
	s.Size = plus(s.Size, m.Size)
	p.sums[key] = s
	p.Total = plus(p.Total, m.Size)
}

func plus(a, b survey.Size) survey.Size {
	return survey.Size{Rows: a.Rows + b.Rows, Messages: a.Messages + b.Messages, Bytes: a.Bytes + b.Bytes}
}

func (p *ringPlan) print(w io.Writer) {
	fmt.Fprintf(w, "Plan: %s shard %s. Nothing has been moved.\n\n", p.Change, p.Shard)
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "from\tto\tpartitions\tmessages\trows\tMB\t")
	line := func(from, to string, n int, s survey.Size) {
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%d\t%.1f\t\n", from, to, n, s.Messages, s.Rows, float64(s.Bytes)/1e6)
	}
	for _, key := range sortedKeys(p.sums) {
		line(key[0], key[1], p.sums[key].partitions, p.sums[key].Size)
	}
	line("all", "", len(p.Moves), p.Total)
	_ = t.Flush()
	fmt.Fprintf(w, "\nAfter it, epoch %d: largest share / average %.3f; nothing moves between other shards.\n", p.Epoch, p.Spread)
}
