package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"gori/admin"
	"gori/api"
	"gori/config"
	"gori/shard"
)

// reshardOptions are the flags of the commands that move partitions.
type reshardOptions struct {
	target
	dryRun, detach, now, purge, watch bool
	receipt                           string
	mbps, slowdown                    float64
	rateGiven, slowdownGiven          bool
	out, errOut                       io.Writer
}

const reshardLong = `Adds or removes a PostgreSQL instance while people chat, and shows how far that is.

A reshard moves partitions one after the other: copied, followed, compared, and
handed over in a pause of milliseconds. The command holds nothing that matters:
killed anywhere, the same command or gori reshard resume goes on.

Exit codes: 0 done and verified, 1 failed, 2 the command line is wrong, 3 refused
and nothing changed (another reshard is under way, a shard does not answer, too
little space …), 4 stopped, paused or taken over before its end: gori reshard
resume goes on, 5 verify has found a difference.`

func newReshard() *cobra.Command {
	c := &cobra.Command{
		Use:   "reshard",
		Short: "Add or remove a PostgreSQL instance while people chat",
		Long:  reshardLong,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return config.Usage(fmt.Errorf("there is no gori reshard %q; see gori reshard --help", args[0]))
			}
			return nil
		},
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newReshardAdd(), newReshardRemove(), newReshardStatus(), newReshardVerify(), newReshardClean(), newReshardReceipt(), newReshardSet(),
		reshardOrder("resume", "Go on with a reshard that was stopped or paused", (*ringSystem).resume),
		reshardOrder("reverse", "Move back what the last reshard has moved", (*ringSystem).reverse),
		reshardOrder("pause", "Stop moving; what is half moved is taken back", (*ringSystem).pause),
		reshardOrder("abort", "End a reshard with every partition where it is", (*ringSystem).abort))
	return c
}

// reshardCommand makes one of the commands, with the flags that find a system.
func reshardCommand(use, short, long string, args int, run func(ctx context.Context, s *ringSystem, o *reshardOptions, arg string) error) (*cobra.Command, *reshardOptions) {
	o := &reshardOptions{}
	c := &cobra.Command{
		Use:   use,
		Short: short,
		Long:  long,
		Args: func(_ *cobra.Command, got []string) error {
			if len(got) > args || strings.Contains(use, " ") && !strings.Contains(use, "[") && len(got) < args {
				return config.Usage(fmt.Errorf("it is gori reshard %s", use))
			}
			return nil
		},
		RunE: func(c *cobra.Command, got []string) error {
			o.out, o.errOut = c.OutOrStdout(), c.ErrOrStderr()
			o.rateGiven, o.slowdownGiven = c.Flags().Changed("mbps"), c.Flags().Changed("slowdown")
			if err := o.check(); err != nil {
				return config.Usage(err)
			}
			s, err := o.openRing(c.Context())
			if err != nil {
				return err
			}
			defer s.close()
			return run(c.Context(), s, o, strings.Join(got, ""))
		},
	}
	o.target.flags(c)
	return c, o
}

func (o *reshardOptions) check() error {
	if o.rateGiven && !(o.mbps >= 0 && o.mbps <= 1e6) {
		return fmt.Errorf("--mbps is MB a second, 0 for no bound, not %v", o.mbps)
	}
	if o.slowdownGiven && !(o.slowdown >= 1 && o.slowdown <= 1e6) {
		return fmt.Errorf("--slowdown is how many times as slow live writes may become, 1 or more, not %v", o.slowdown)
	}
	return nil
}

func (o *reshardOptions) paceFlags(c *cobra.Command) {
	c.Flags().Float64Var(&o.mbps, "mbps", 0, "copy at most so many MB a second; 0: no bound of its own")
	c.Flags().Float64Var(&o.slowdown, "slowdown", admin.DefaultSlowdown, "slow down when the p99 of live writes is more than so many times what it was")
}

func (o *reshardOptions) moveFlags(c *cobra.Command) {
	o.paceFlags(c)
	o.runFlags(c)
	c.Flags().BoolVar(&o.dryRun, "dry-run", false, "say what would move and what stands against it; change nothing")
}

func (o *reshardOptions) runFlags(c *cobra.Command) {
	c.Flags().BoolVar(&o.detach, "detach", false, "have the nodes carry it out; this command ends at once")
	c.Flags().BoolVar(&o.now, "now", false, "delete what has moved at once, not after a day")
	c.Flags().StringVar(&o.receipt, "receipt", "", "where to write the receipt (default reshard-ID.json in the data folder, or here with --config)")
}

// order is what the desk is asked for.
func (o *reshardOptions) order(action string, id shard.ID, addr string) api.ReshardOrder {
	order := api.ReshardOrder{Action: action, Shard: string(id), Addr: addr}
	if o.rateGiven {
		order.MBps = &o.mbps
	}
	if o.slowdownGiven {
		order.Slowdown = &o.slowdown
	}
	return order
}

func newReshardAdd() *cobra.Command {
	c, o := reshardCommand("add NAME[=DSN]", "Add a shard: it takes its share of the partitions from the others",
		`Adds a shard, which takes exactly its share of the partitions from the others.

Without an address, gori up makes a PostgreSQL instance in its data folder and
keeps it running from then on. With an address (DSN), that database gets Gori's
schema; it must be empty, and the user in the address must own it. The address
is kept in the ring for all nodes to read, so it may not hold a password: put
that into a PGPASSFILE or ~/.pgpass of every node and of this command.`,
		1, func(ctx context.Context, s *ringSystem, o *reshardOptions, arg string) error {
			name, addr, given := strings.Cut(arg, "=")
			if given && addr == "" {
				return config.Usage(errors.New("there is no address after the ="))
			}
			return s.add(ctx, o, shard.ID(name), addr)
		})
	o.moveFlags(c)
	return c
}

func newReshardRemove() *cobra.Command {
	c, o := reshardCommand("remove NAME", "Remove a shard: its partitions go to the others, then it leaves",
		`Removes a shard: its partitions go to the others, it is emptied and leaves the
ring. An instance of gori up is then stopped and its folder moved aside, or
deleted with --purge.`,
		1, func(ctx context.Context, s *ringSystem, o *reshardOptions, arg string) error {
			return s.remove(ctx, o, shard.ID(arg))
		})
	o.moveFlags(c)
	c.Flags().BoolVar(&o.purge, "purge", false, "delete the folder of the instance instead of moving it aside")
	return c
}

func newReshardStatus() *cobra.Command {
	c, o := reshardCommand("status", "Show how far the reshard is", "Shows how far the reshard is: for each partition that moves its step, rows, bytes,\nkeys still to follow and the last pause; and what was moved before.",
		0, func(ctx context.Context, s *ringSystem, o *reshardOptions, _ string) error {
			return s.showStatus(ctx, o)
		})
	c.Flags().BoolVar(&o.watch, "watch", false, "show it until it ends")
	return c
}

func newReshardReceipt() *cobra.Command {
	c, o := reshardCommand("receipt [ID]", "Write the receipt of a reshard", "Writes the receipt of a reshard, the last one unless another is named.",
		1, func(ctx context.Context, s *ringSystem, o *reshardOptions, id string) error {
			return s.rewriteReceipt(ctx, o, id)
		})
	c.Flags().StringVar(&o.receipt, "receipt", "", "where to write it (default reshard-ID.json in the data folder, or here with --config)")
	return c
}

func newReshardSet() *cobra.Command {
	c, o := reshardCommand("set", "Change how fast the reshard under way may be", "Changes how fast the reshard under way may be. It takes effect within a second.",
		0, func(ctx context.Context, s *ringSystem, o *reshardOptions, _ string) error {
			if !o.rateGiven && !o.slowdownGiven {
				return config.Usage(errors.New("set needs --mbps or --slowdown"))
			}
			if err := s.order(ctx, o.order("set", "", "")); err != nil {
				return err
			}
			return o.say(s.state(), "The reshard goes on with the new bounds.")
		})
	o.paceFlags(c)
	return c
}

// reshardOrder makes a command without arguments.
func reshardOrder(name, short string, run func(*ringSystem, context.Context, *reshardOptions) error) *cobra.Command {
	c, o := reshardCommand(name, short, "", 0, func(ctx context.Context, s *ringSystem, o *reshardOptions, _ string) error { return run(s, ctx, o) })
	if name == "resume" || name == "reverse" {
		o.runFlags(c)
	}
	if name == "reverse" {
		o.paceFlags(c)
	}
	return c
}

// say prints a line for people, or what it is about as JSON.
func (o *reshardOptions) say(v any, format string, args ...any) error {
	if o.json {
		return printJSON(o.out, v)
	}
	_, err := fmt.Fprintf(o.out, format+"\n", args...)
	return err
}

// tell prints a line for people; nothing with --json.
func (o *reshardOptions) tell(format string, args ...any) {
	if !o.json {
		fmt.Fprintf(o.out, format+"\n", args...)
	}
}
