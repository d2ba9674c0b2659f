package command

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"gori/config"
	"gori/shard"
	"gori/shard/reshard"
)

// newRingWitness makes the commands about witnesses.
func newRingWitness() *cobra.Command {
	c := &cobra.Command{Use: "witness", Short: "Add or remove a file of this host that keeps the ring document too"}
	c.AddCommand(
		keepCommand("add NAME", "Keep the ring document in a file of this host too",
			`Adds a witness: a file of this host that keeps the ring document beside the
shards. With two shards both are needed to change the ring; a witness is the third,
so that either may be missing.`,
			func(ctx context.Context, s *ringSystem, name string) (*shard.Ring, error) {
				if _, err := s.t.witness(name); err != nil {
					return nil, err
				}
				return s.keepers(ctx, func(r *shard.Ring) (*shard.Ring, error) { return r.AddAcceptor(shard.WitnessPrefix + name) })
			}),
		keepCommand("remove NAME", "Keep the ring document in that file no more", "",
			func(ctx context.Context, s *ringSystem, name string) (*shard.Ring, error) {
				return s.keepers(ctx, func(r *shard.Ring) (*shard.Ring, error) { return r.DropAcceptor(shard.WitnessPrefix + name) })
			}))
	return c
}

func newRingRejoin() *cobra.Command {
	return keepCommand("rejoin SHARD", "Have a shard that was restored from a backup keep the ring document anew",
		`A shard that was brought back alone to an older state (from a backup, or from a
standby that was behind) has forgotten what it promised about the ring document.
The others agree without it that it is none of those who keep it; then it joins
them like a new one. No partition moves.`,
		func(ctx context.Context, s *ringSystem, name string) (*shard.Ring, error) {
			if err := s.reg.RejoinShard(ctx, shard.ID(name)); err != nil {
				return nil, err
			}
			return s.reg.Peek(ctx)
		})
}

// keepers changes who keeps the document, to the end.
func (s *ringSystem) keepers(ctx context.Context, change func(*shard.Ring) (*shard.Ring, error)) (*shard.Ring, error) {
	if _, err := reshard.Update(ctx, s.reg, change); err != nil {
		return nil, err
	}
	return reshard.Settle(ctx, s.reg)
}

// keepCommand makes a command that changes who keeps the document.
func keepCommand(use, short, long string, run func(context.Context, *ringSystem, string) (*shard.Ring, error)) *cobra.Command {
	var t target
	c := &cobra.Command{
		Use:   use,
		Short: short,
		Long:  long,
		Args: func(_ *cobra.Command, got []string) error {
			if len(got) != 1 {
				return config.Usage(fmt.Errorf("it is %s", use))
			}
			return nil
		},
		RunE: func(c *cobra.Command, got []string) error {
			s, err := t.openRing(c.Context())
			if err != nil {
				return err
			}
			defer s.close()
			ring, err := run(c.Context(), s, got[0])
			if err != nil {
				return err
			}
			if t.json {
				return printJSON(c.OutOrStdout(), ring.Acceptors)
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "The ring document is kept by %s; %d of them may be missing.\n", strings.Join(ring.Acceptors, ", "), ring.Spare())
			return err
		},
	}
	t.flags(c)
	return c
}
