package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"gori/config"
	"gori/shard"
	"gori/shard/reshard"
	"gori/store/register"
	"gori/store/replica"
)

const (
	syncPatience    = 30 * time.Second // for a standby that follows to have everything
	promotePatience = 90 * time.Second // for a promotion to be carried out
	shardPoll       = 100 * time.Millisecond
)

func newShard() *cobra.Command {
	c := &cobra.Command{Use: "shard", Short: "Look after shards that have a standby"}
	c.AddCommand(newShardStatus(), newShardStandby(), newShardAlone(), newShardPromote(), newShardWitness())
	return c
}

// shardDesk is what the commands about shards and standbys work with.
type shardDesk struct {
	t       *target
	reg     *register.Register
	resolve func(addr string) (string, error)
}

func (t *target) openShards() (*shardDesk, error) {
	known, err := t.shards()
	if err != nil {
		return nil, err
	}
	at := map[shard.ID]string{}
	for _, s := range known {
		at[shard.ID(s.ID)] = s.DSN
	}
	d := &shardDesk{t: t}
	if d.resolve, err = t.resolver(); err != nil {
		return nil, err
	}
	d.reg = register.Open(register.Config{Shards: func() map[shard.ID]string { return at }, Resolve: d.resolve, Witness: t.witness, Witnesses: t.witnesses})
	return d, nil
}

// onShards makes a command's RunE of what it does with a desk.
func (t *target) onShards(do func(*cobra.Command, []string, *shardDesk) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, args []string) error {
		d, err := t.openShards()
		if err != nil {
			return err
		}
		defer d.reg.Close()
		return do(c, args, d)
	}
}

// onShardsByHand is onShards for what a gori up does by itself.
func (t *target) onShardsByHand(do func(*cobra.Command, []string, *shardDesk) error) func(*cobra.Command, []string) error {
	run := t.onShards(do)
	return func(c *cobra.Command, args []string) error {
		if t.config == "" {
			return config.Usage(errors.New("under gori up standbys are kept by gori up --standby; name a configuration by --config"))
		}
		return run(c, args)
	}
}

// shardRow is one shard as gori shard status tells it.
type shardRow struct {
	shard.Seat
	// Up says that the primary answers, in the term that the ring says.
	Up bool `json:"up"`
	// Follows says that a standby is connected to it.
	Follows bool `json:"follows"`
	// BehindBytes is what the standby has not written yet.
	BehindBytes int64  `json:"behind_bytes"`
	Error       string `json:"error,omitempty"`
}

// state says in a word what a dead primary would cost.
func (r shardRow) state() string {
	switch {
	case r.Standby == "":
		return "no standby: waits for its primary"
	case r.Sync:
		return "in sync: may be promoted"
	case r.Follows:
		return "asynchronous: may lose acks"
	}
	return "does not follow: may lose acks"
}

func (d *shardDesk) rows(ctx context.Context) ([]shardRow, error) {
	ring, err := d.reg.Peek(ctx)
	if err != nil {
		return nil, err
	}
	var rows []shardRow
	for _, seat := range ring.Seats {
		row := shardRow{Seat: seat}
		st, err := d.look(ctx, seat.Addr)
		switch {
		case err != nil:
			row.Error = err.Error()
		case st.Recovering || st.Term != seat.Term:
			row.Error = fmt.Sprintf("the server at %s has term %d, standby: %v", seat.Addr, st.Term, st.Recovering)
		default:
			row.Up, row.Follows, row.BehindBytes = true, st.Connected, st.Behind
		}
		rows = append(rows, row)
	}
	return rows, nil
}

func (d *shardDesk) look(ctx context.Context, addr string) (replica.State, error) {
	var st replica.State
	err := d.at(ctx, addr, func(ctx context.Context, s *replica.Server) (err error) {
		st, err = s.Look(ctx)
		return err
	})
	return st, err
}

// at does something with the server at an address of the ring.
func (d *shardDesk) at(ctx context.Context, addr string, do func(context.Context, *replica.Server) error) error {
	dsn, err := d.resolve(addr)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, adminPatience)
	defer cancel()
	s := replica.NewServer(dsn)
	defer s.Close()
	return do(ctx, s)
}

func newShardStatus() *cobra.Command {
	var t target
	c := &cobra.Command{
		Use:   "status",
		Short: "Say of each shard where its primary and its standby are, and what its death would cost",
		Args:  noArgs,
		RunE: t.onShards(func(c *cobra.Command, _ []string, d *shardDesk) error {
			rows, err := d.rows(c.Context())
			if err != nil {
				return err
			}
			if t.json {
				return printJSON(c.OutOrStdout(), rows)
			}
			printShards(c.OutOrStdout(), rows)
			return nil
		}),
	}
	t.flags(c)
	return c
}

func printShards(w io.Writer, rows []shardRow) {
	tab := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(tab, "shard\tterm\tprimary\tstandby\tbehind\tif the primary dies")
	for _, r := range rows {
		standby, behind := r.Standby, ""
		if standby == "" {
			standby = "none"
		} else if r.Up {
			behind = fmt.Sprintf("%.1f MB", float64(r.BehindBytes)/1e6)
		}
		fmt.Fprintf(tab, "%s\t%d\t%s\t%s\t%s\t%s\n", r.ID, r.Term, r.Addr, standby, behind, r.state())
		if r.Error != "" {
			fmt.Fprintf(tab, "\t\t%s\n", r.Error)
		}
	}
	_ = tab.Flush()
}

// oneShard wants the name of a shard as the only argument.
func oneShard(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return config.Usage(errors.New("the name of a shard is needed"))
	}
	return nil
}

// seat reads what the ring says of a shard.
func (d *shardDesk) seat(ctx context.Context, id shard.ID) (shard.Seat, error) {
	ring, err := d.reg.Peek(ctx)
	if err != nil {
		return shard.Seat{}, err
	}
	seat, ok := ring.Seat(id)
	if !ok {
		return seat, &shard.SeatError{Shard: id, Why: "is not in the ring"}
	}
	return seat, nil
}

// say makes the ring say something else.
func (d *shardDesk) say(ctx context.Context, change func(*shard.Ring) (*shard.Ring, error)) error {
	_, err := reshard.Update(ctx, d.reg, change)
	return err
}

func poll(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(shardPoll):
		return nil
	}
}
