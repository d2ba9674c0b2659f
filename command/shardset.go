package command

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"gori/config"
	"gori/shard"
	"gori/shard/reshard"
	"gori/store/replica"
)

func newShardStandby() *cobra.Command {
	var t target
	var addr string
	c := &cobra.Command{
		Use:   "standby NAME",
		Short: "Have a shard's primary wait for its standby, which follows it already",
		Long: `Names a shard's standby in the ring, has the primary acknowledge nothing that the
standby has not written, and says in the ring that it may be promoted. The
standby is a PostgreSQL server that follows the primary by streaming replication
with application_name=` + replica.StandbyName + `. The shards in --config must be
those of a superuser.`,
		Args: oneShard,
		RunE: t.onShardsByHand(func(c *cobra.Command, args []string, d *shardDesk) error {
			id := shard.ID(args[0])
			if err := d.follow(c.Context(), id, addr); err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "The standby of shard %s has everything: it may be promoted.\n", id)
			return nil
		}),
	}
	t.flags(c)
	c.Flags().StringVar(&addr, "at", "", "where the standby is: a DSN without a password (default the one of the two in --config that is not the primary)")
	return c
}

// follow brings a standby into step.
func (d *shardDesk) follow(ctx context.Context, id shard.ID, addr string) error {
	seat, err := d.seat(ctx, id)
	if err != nil {
		return err
	}
	if addr == "" { // the other one
		addr = "@" + string(id)
		if seat.Addr == addr {
			addr += shard.SecondSuffix
		}
	}
	st, err := d.look(ctx, addr)
	switch {
	case err != nil:
		return fmt.Errorf("the standby at %s: %w", addr, err)
	case !st.Recovering:
		return fmt.Errorf("the server at %s is not a standby", addr)
	}
	if st, err = d.look(ctx, seat.Addr); err != nil {
		return err
	}
	if !st.Streaming {
		return fmt.Errorf("no standby follows the primary of shard %s with application_name=%s, or it has not caught up yet", id, replica.StandbyName)
	}
	if err := d.say(ctx, func(r *shard.Ring) (*shard.Ring, error) { return r.Standby(id, addr, false) }); err != nil {
		return err
	}
	if err := d.at(ctx, seat.Addr, func(ctx context.Context, s *replica.Server) error { return s.Wait(ctx) }); err != nil {
		return err
	}
	patient, cancel := context.WithTimeout(ctx, syncPatience)
	defer cancel()
	for !st.Sync || !st.Waits {
		if err := poll(patient); err != nil {
			return errors.Join(fmt.Errorf("the standby of shard %s does not keep up: %w", id, err),
				d.at(context.WithoutCancel(ctx), seat.Addr, func(ctx context.Context, s *replica.Server) error { return s.Alone(ctx) }))
		}
		if st, err = d.look(patient, seat.Addr); err != nil && patient.Err() == nil {
			return err
		}
	}
	// All backends wait once the server's checkpointer knows the setting, which it
	// does between checkpoints.
	if err := d.at(ctx, seat.Addr, func(ctx context.Context, s *replica.Server) error { return s.Checkpoint(ctx) }); err != nil {
		return err
	}
	return d.say(ctx, func(r *shard.Ring) (*shard.Ring, error) { return r.Standby(id, addr, true) })
}

func newShardAlone() *cobra.Command {
	var t target
	var forget bool
	c := &cobra.Command{
		Use:   "alone NAME",
		Short: "Have a shard's primary go on without its standby, which is dead or is to go",
		Args:  oneShard,
		RunE: t.onShardsByHand(func(c *cobra.Command, args []string, d *shardDesk) error {
			id := shard.ID(args[0])
			seat, err := d.seat(c.Context(), id)
			if err != nil {
				return err
			}
			standby := seat.Standby
			if forget {
				standby = ""
			}
			// In this order: nobody may promote it once the primary goes on alone.
			if err := d.say(c.Context(), func(r *shard.Ring) (*shard.Ring, error) { return r.Standby(id, standby, false) }); err != nil {
				return err
			}
			if err := d.at(c.Context(), seat.Addr, func(ctx context.Context, s *replica.Server) error { return s.Alone(ctx) }); err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "Shard %s goes on without its standby.\n", id)
			return nil
		}),
	}
	t.flags(c)
	c.Flags().BoolVar(&forget, "forget", false, "take the standby out of the ring")
	return c
}

func newShardPromote() *cobra.Command {
	var t target
	var lossy bool
	c := &cobra.Command{
		Use:   "promote NAME",
		Short: "Make a shard's standby its primary",
		Long: `Makes a shard's standby its primary, in the next term, if a majority of the
ring's keepers agrees. A standby that is in sync has every acknowledged message.
One that is not is promoted only with --accept-loss.`,
		Args: oneShard,
		RunE: t.onShards(func(c *cobra.Command, args []string, d *shardDesk) error {
			seat, err := d.promote(c.Context(), shard.ID(args[0]), lossy)
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "Shard %s has its primary at %s, term %d.\n", seat.ID, seat.Addr, seat.Term)
			return nil
		}),
	}
	t.flags(c)
	c.Flags().BoolVar(&lossy, "accept-loss", false, "also if acknowledged messages are lost by it: the old primary is gone for good")
	return c
}

// promote has the ring name the standby and sees to it that it becomes the
// primary. A call that was cut short is finished by the next one.
func (d *shardDesk) promote(ctx context.Context, id shard.ID, lossy bool) (shard.Seat, error) {
	seat, err := d.seat(ctx, id)
	if err != nil {
		return seat, err
	}
	st, err := d.look(ctx, seat.Addr)
	if unfinished := err == nil && (st.Recovering || st.Term < seat.Term); !unfinished {
		change := func(r *shard.Ring) (*shard.Ring, error) { return r.Promote(id) }
		if lossy {
			change = func(r *shard.Ring) (*shard.Ring, error) { return r.PromoteBehind(id) }
		}
		if err := d.say(ctx, change); err != nil {
			return seat, err
		}
		if seat, err = d.seat(ctx, id); err != nil {
			return seat, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, promotePatience)
	defer cancel()
	if d.t.config != "" {
		if err := d.outlasts(ctx, seat); err != nil {
			return seat, err
		}
		if err := d.at(ctx, seat.Addr, func(ctx context.Context, s *replica.Server) error {
			promised, err := s.Promote(ctx, seat.Term, func(ctx context.Context) error { return d.yield(ctx, s, id) })
			if err != nil {
				return err
			}
			d.reg.Above(ctx, promised)
			return d.tellPromoted(ctx, s, id)
		}); err != nil {
			return seat, err
		}
	}
	// Under gori up it is the one that does it.
	for {
		if st, err = d.look(ctx, seat.Addr); err == nil && !st.Recovering && st.Term == seat.Term {
			return seat, nil
		}
		if perr := poll(ctx); perr != nil {
			return seat, errors.Join(fmt.Errorf("the ring names %s as the primary of shard %s, and it is not yet", seat.Addr, id), err)
		}
	}
}

// outlasts waits until what the ring says of a seat does not depend on the former
// primary, which may have been one of those who agreed to it: the server to be
// promoted does not know by itself what that one has accepted last.
func (d *shardDesk) outlasts(ctx context.Context, seat shard.Seat) error {
	ring, err := d.reg.Peek(ctx)
	for err == nil {
		// Neither server can agree now, the one since it is not asked and the other
		// since it takes no writes. So reading has all others keep the document.
		_, rerr := d.reg.Read(ctx)
		if rerr == nil {
			break
		}
		var version int64
		if verr := d.at(ctx, seat.Addr, func(ctx context.Context, s *replica.Server) (err error) {
			version, err = s.RingVersion(ctx)
			return err
		}); verr == nil && version >= ring.Version {
			break // it has been handed on
		}
		if perr := poll(ctx); perr != nil {
			err = errors.Join(fmt.Errorf("the ring names %s as the primary of shard %s, and too few keep that: run this again when more answer", seat.Addr, seat.ID), rerr)
		}
	}
	return err
}

// tellPromoted has the promoted server keep the ring document as it is now: nodes
// that have lost the shard ask its servers.
func (d *shardDesk) tellPromoted(ctx context.Context, s *replica.Server, id shard.ID) error {
	ring, err := reshard.Update(ctx, d.reg, func(r *shard.Ring) (*shard.Ring, error) { return r.Standby(id, "", false) })
	for err == nil {
		var version int64
		if version, err = s.RingVersion(ctx); err != nil || version >= ring.Version {
			break
		}
		err = poll(ctx)
	}
	return err
}

// yield has a promoted server give up what other shards serve with a higher
// epoch.
func (d *shardDesk) yield(ctx context.Context, promoted *replica.Server, id shard.ID) error {
	ring, err := d.reg.Peek(ctx)
	if err != nil {
		return err
	}
	var all []replica.Claim
	for _, seat := range ring.Seats {
		if seat.ID == id {
			continue
		}
		quick, cancel := context.WithTimeout(ctx, 2*time.Second)
		err := d.at(quick, seat.Addr, func(ctx context.Context, s *replica.Server) error {
			claims, err := s.Claims(ctx)
			all = append(all, claims...)
			return err
		})
		cancel()
		if err != nil {
			return fmt.Errorf("what shard %s serves cannot be read: %w", seat.ID, err)
		}
	}
	_, err = promoted.Yield(ctx, all)
	return err
}

func newShardWitness() *cobra.Command {
	var t target
	var drop bool
	c := &cobra.Command{
		Use:   "witness NAME",
		Short: "Have a file of this host keep the ring document too",
		Long: `Adds a keeper of the ring document that is no shard: a file in witness_dir. The
ring is changed by a majority of its keepers: with three of them one may be dead,
which a promotion needs. gori up --standby makes its own.`,
		Args: oneShard,
		RunE: t.onShards(func(c *cobra.Command, args []string, d *shardDesk) error {
			if _, err := t.witness(args[0]); err != nil {
				return config.Usage(err)
			}
			name := shard.WitnessPrefix + args[0]
			err := d.say(c.Context(), func(r *shard.Ring) (*shard.Ring, error) {
				if drop {
					return r.DropAcceptor(name)
				}
				return r.AddAcceptor(name)
			})
			if err != nil {
				return err
			}
			// Those before count no more once the change is settled.
			if err := d.say(c.Context(), (*shard.Ring).Settle); err != nil {
				return err
			}
			ring, err := d.reg.Peek(c.Context())
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "The ring is changed by %d of %s.\n", len(ring.Acceptors)/2+1, strings.Join(ring.Acceptors, ", "))
			return nil
		}),
	}
	t.flags(c)
	c.Flags().BoolVar(&drop, "drop", false, "it keeps it no longer")
	return c
}
