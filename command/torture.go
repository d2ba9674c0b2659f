package command

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gori/bench/torture"
	"gori/config"
	"gori/faults"
)

// tortureFlags are the flags of gori torture.
type tortureFlags struct {
	opt           torture.Options
	seconds       float64
	patience      float64
	shards, nodes int
	faults, data  string
	json          bool
}

func newTorture() *cobra.Command {
	f := &tortureFlags{}
	c := &cobra.Command{
		Use:   "torture",
		Short: "Break a private system while people use it, and check what Gori promises",
		Long: `Starts a system of its own in a temporary folder, lets people talk, edit, read,
join and leave through the public protocol while nodes and shards are killed,
frozen, cut off and drained, heals everything, waits, and checks the promises P1
to P8 (docs/ARCHITECTURE.md). Exits with 1 if one was broken, with the history of
the channel concerned and the seed, by which the same plan runs again.

Faults: ` + kindList() + `.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return f.run(c) },
	}
	c.Flags().Uint64Var(&f.opt.Seed, "seed", 0, "what the plan is drawn from (default a new one, printed)")
	c.Flags().Float64Var(&f.seconds, "seconds", 60, "how long faults come; starting, healing and checking come on top")
	c.Flags().IntVar(&f.shards, "shards", 3, "PostgreSQL instances")
	c.Flags().IntVar(&f.nodes, "nodes", 3, "nodes")
	c.Flags().StringVar(&f.faults, "faults", kindList(), "which faults, separated by commas")
	c.Flags().IntVar(&f.opt.People, "people", 12, "people")
	c.Flags().Float64Var(&f.opt.Rate, "rate", 100, "messages a second of all people")
	c.Flags().Float64Var(&f.patience, "patience", 90, "seconds within which, after the end, all faults must be over, and then all must agree")
	c.Flags().StringVar(&f.data, "data", "", "use this new folder and keep it, with the log of the system, for a look afterwards")
	c.Flags().BoolVar(&f.json, "json", false, "print JSON")
	return c
}

func kindList() string {
	var names []string
	for _, k := range torture.Kinds() {
		names = append(names, string(k))
	}
	return strings.Join(names, ",")
}

func (f *tortureFlags) run(c *cobra.Command) error {
	o := f.opt
	o.For = time.Duration(f.seconds * float64(time.Second))
	o.Patience = time.Duration(f.patience * float64(time.Second))
	o.Say = func(s string) { fmt.Fprintln(c.ErrOrStderr(), s) }
	for name := range strings.SplitSeq(f.faults, ",") {
		if name = strings.TrimSpace(name); name != "" {
			o.Faults = append(o.Faults, torture.Kind(name))
		}
	}
	for !c.Flags().Changed("seed") && o.Seed == 0 {
		o.Seed = uint64(rand.Uint32())
	}
	if err := o.Check(); err != nil {
		return config.Usage(err)
	}
	o.Say(fmt.Sprintf("seed %d; starting %d nodes on %d shards", o.Seed, f.nodes, f.shards))
	r, err := f.torture(c.Context(), o)
	if err != nil {
		return err
	}
	if f.json {
		err = r.WriteJSON(c.OutOrStdout())
	} else {
		err = r.WriteTable(c.OutOrStdout())
	}
	if err == nil && !r.Clean() {
		err = fmt.Errorf("promises were broken with --seed %d", r.Seed)
	}
	return err
}

// torture runs against a system that is gone when it returns.
func (f *tortureFlags) torture(ctx context.Context, o torture.Options) (_ *torture.Report, err error) {
	sys, err := faults.Start(ctx, faults.Options{Data: f.data, Shards: f.shards, Nodes: f.nodes,
		Taps: slices.Contains(o.Faults, torture.CutShard), SmallDisk: slices.Contains(o.Faults, torture.DiskFull)})
	if err != nil {
		return nil, err
	}
	if !sys.HasSmallDisk() && slices.Contains(o.Faults, torture.DiskFull) {
		o.Say("no disk-full: a shard gets no disk of its own here, that takes root")
		o.Faults = slices.DeleteFunc(o.Faults, func(k torture.Kind) bool { return k == torture.DiskFull })
	}
	defer func() {
		o.Say("stopping the system")
		stopErr := sys.Stop()
		if err == nil && ctx.Err() == nil {
			err = stopErr
		}
	}()
	r, err := torture.Run(ctx, sys, o)
	if err == nil && ctx.Err() == nil && sys.Ended() {
		err = errors.New("the system itself has ended")
	}
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("%w; its last words:\n%s", err, sys.LastWords())
	}
	return r, err
}
