package command

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"gori/api"
	"gori/chat"
	"gori/config"
	"gori/host"
	"gori/shard"
	"gori/shard/reshard"
)

// refused says that something cannot be done and nothing was changed.
func refused(err error) error { return codedError{exitRefused, err} }

func (s *ringSystem) add(ctx context.Context, o *reshardOptions, id shard.ID, addr string) error {
	if err := id.Check(); err != nil {
		return config.Usage(err)
	}
	if addr != "" {
		if err := shard.CheckAddr(addr); err != nil {
			return config.Usage(err)
		}
	} else if s.up == nil {
		return config.Usage(fmt.Errorf("where is shard %s? With --config no instance is made: gori reshard add %s=DSN", id, id))
	}
	return s.change(ctx, o, o.order("add", id, addr))
}

func (s *ringSystem) remove(ctx context.Context, o *reshardOptions, id shard.ID) error {
	if err := id.Check(); err != nil {
		return config.Usage(err)
	}
	return s.change(ctx, o, o.order("remove", id, ""))
}

// change does a reshard from its beginning, or goes on with the same one.
func (s *ringSystem) change(ctx context.Context, o *reshardOptions, order api.ReshardOrder) error {
	ring := s.state()
	if p := ring.Plan; p != nil {
		if string(p.Kind) != order.Action || string(p.Shard) != order.Shard {
			return refused(&shard.UnderwayError{Plan: *p})
		}
		if o.dryRun {
			return refused(fmt.Errorf("this reshard is under way already (%s): gori reshard status shows it", p.ID))
		}
		o.tell("This reshard was begun already (%s); going on with it.", p.ID)
		return s.resume(ctx, o)
	}
	if done, err := s.done(ctx, o, ring, order); done {
		return err
	}
	flight, err := s.preflight(ctx, o, order)
	if err != nil {
		return err
	}
	if o.dryRun {
		if o.json {
			err = printJSON(o.out, flight)
		} else {
			flight.print(o.out)
		}
		return errors.Join(err, flight.refusal())
	}
	if err := flight.refusal(); err != nil {
		return err
	}
	if order.Action == "add" {
		if err := s.ready(ctx, o, order); err != nil {
			return err
		}
	}
	if err := s.order(ctx, order, o); err != nil {
		return err
	}
	return s.carryOut(ctx, o, order.Shard)
}

// done says that the ring is as the order wants it, as after a command that was
// killed at its very end; what that has not done is done.
func (s *ringSystem) done(ctx context.Context, o *reshardOptions, ring *shard.Ring, order api.ReshardOrder) (bool, error) {
	id := shard.ID(order.Shard)
	_, seated := ring.Seat(id)
	_, local := s.addresses()[id]
	// gori up may have taken out by itself what the last reshard has emptied.
	left := ring.Before != nil && ring.Before.Has(id)
	switch {
	case seated != (order.Action == "add"):
		return false, nil
	case o.dryRun && seated:
		return true, refused(fmt.Errorf("shard %s is in the ring already", id))
	case !seated && !local && (!left || o.dryRun):
		return true, refused(fmt.Errorf("there is no shard %s in the ring: gori ring show names them", id))
	case o.dryRun:
		return true, refused(fmt.Errorf("shard %s is not in the ring any more; its instance still runs", id))
	}
	if o.now {
		if _, err := s.cleanNow(ctx); err != nil {
			return true, err
		}
	}
	if seated {
		return true, o.say(ring, "Shard %s is in the ring already: nothing is left to do. gori reshard receipt writes the last receipt.", id)
	}
	if local {
		s.takeOut(ctx, o, id)
	}
	return true, o.say(ring, "Shard %s is not in the ring any more: nothing is left to do.", id)
}

// order has the desk change the ring.
func (s *ringSystem) order(ctx context.Context, order api.ReshardOrder, o ...*reshardOptions) error {
	s.desk.Here = len(o) > 0 && !o[0].detach
	order.Version = s.state().Version
	err := s.desk.Order(ctx, order)
	if _, rerr := s.read(ctx); rerr != nil && err == nil {
		return rerr
	}
	var coded *chat.Error
	if !errors.As(err, &coded) {
		return err
	}
	// Who lost against another admin is told against whom.
	if p := s.state().Plan; coded.Code == chat.CodeConflict && p != nil {
		return refused(&shard.UnderwayError{Plan: *p})
	}
	if coded.Code == chat.CodeConflict || coded.Code == chat.CodeBadRequest {
		return refused(errors.New(coded.Message))
	}
	return errors.New(coded.Message)
}

// state is the ring as last read.
func (s *ringSystem) state() *shard.Ring {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ring
}

func (s *ringSystem) resume(ctx context.Context, o *reshardOptions) error {
	p := s.state().Plan
	if p == nil {
		return refused(shard.ErrNoPlan)
	}
	if p.Paused || !p.Detached || !o.detach {
		if err := s.takeOver(ctx, o, p); err != nil {
			return err
		}
	}
	return s.carryOut(ctx, o, string(p.Shard))
}

// takeOver makes this command the one that carries out the plan, or the nodes:
// whoever did it before ends, as soon as that one can.
func (s *ringSystem) takeOver(ctx context.Context, o *reshardOptions, p *shard.Plan) error {
	for try := 1; ; try++ {
		err := s.order(ctx, o.order("resume", "", ""), o)
		now := s.state().Plan
		var lost codedError
		switch {
		case err == nil:
			return nil
		case now == nil:
			return refused(fmt.Errorf("the reshard %s has come to its end meanwhile", p.ID))
		case try == takeOverTries || now.ID != p.ID || !errors.As(err, &lost):
			return err
		}
	}
}

// takeOverTries is how often a resume is tried again because the ring was changed
// at the same time.
const takeOverTries = 5

func (s *ringSystem) reverse(ctx context.Context, o *reshardOptions) error {
	if err := s.order(ctx, o.order("reverse", "", ""), o); err != nil {
		return err
	}
	return s.carryOut(ctx, o, string(s.state().Plan.Shard))
}

func (s *ringSystem) pause(ctx context.Context, o *reshardOptions) error {
	if err := s.order(ctx, o.order("pause", "", "")); err != nil {
		return err
	}
	return o.say(s.state(), "Paused: within a second nothing moves any more, and what was half moved is taken back. gori reshard resume goes on.")
}

func (s *ringSystem) abort(ctx context.Context, o *reshardOptions) error {
	p := s.state().Plan
	if p == nil {
		return refused(shard.ErrNoPlan)
	}
	said := ""
	ring, err := s.runner().Abort(ctx, func(why error) {
		if text := why.Error(); text != said {
			said = text
			fmt.Fprintf(o.errOut, "waiting: %s\n", text)
		}
	})
	if err != nil {
		if ctx.Err() != nil {
			return codedError{exitUnfinished, errors.New("stopped before the reshard was aborted: gori reshard abort goes on")}
		}
		return err
	}
	s.mu.Lock()
	s.ring = ring
	s.mu.Unlock()
	counts := ring.Map.Counts()
	s.takeOut(ctx, o, p.Shard)
	return o.say(ring, "Aborted. Every partition has one owner: %s.", sharesText(counts))
}

// sharesText lists how many partitions each shard has.
func sharesText(counts map[shard.ID]int) string {
	var parts []string
	for _, id := range sortedIDs(counts) {
		parts = append(parts, fmt.Sprintf("%s %d", id, counts[id]))
	}
	return strings.Join(parts, ", ")
}

// carryOut carries out the plan that is in the ring now, and shows how it goes.
func (s *ringSystem) carryOut(ctx context.Context, o *reshardOptions, id string) error {
	plan := s.state().Plan
	if plan == nil {
		return nil
	}
	if o.detach {
		return o.say(s.state(), "The nodes carry it out (%s). gori reshard status --watch shows how it goes.", plan.ID)
	}
	giveWayMyself()
	show := s.startShow(ctx, o, *plan)
	err := s.runner().Run(ctx)
	show.close()
	if err != nil {
		return s.stopped(ctx, err)
	}
	if _, err := s.read(ctx); err != nil {
		return err
	}
	if o.now {
		o.tell("Deleting what has moved where it was …")
		if _, err := s.cleanNow(ctx); err != nil {
			return fmt.Errorf("all partitions have moved; what is left where they were could not be deleted (gori reshard clean does it): %w", err)
		}
	}
	s.takeOut(ctx, o, shard.ID(id))
	return s.conclude(ctx, o, *plan)
}

// cleanWithin is for how long cleaning is tried again: a shard whose primary has
// just died has another one within seconds, and until then nobody can tell that
// it serves what it was given.
const cleanWithin = 10 * time.Second

// cleanNow deletes what has moved where it was, and returns of how many
// partitions.
func (s *ringSystem) cleanNow(ctx context.Context) (int, error) {
	n := 0
	for began := time.Now(); ; {
		_, err := s.read(ctx) // where the primaries are now
		if err == nil {
			var more int
			more, err = s.runner().CleanOld(ctx, time.Now().Add(time.Hour))
			n += more
		}
		var underway *shard.UnderwayError
		if err == nil || errors.As(err, &underway) || time.Since(began) > cleanWithin {
			return n, err
		}
		select {
		case <-ctx.Done():
			return n, err
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// stopped says why a reshard has not come to its end, and what to do.
func (s *ringSystem) stopped(ctx context.Context, err error) error {
	var paused *reshard.PausedError
	var taken *reshard.TakenError
	switch {
	case ctx.Err() != nil:
		return codedError{exitUnfinished, errors.New("stopped; every partition has its owner and nothing is lost. gori reshard resume goes on, abort ends it")}
	case errors.As(err, &paused):
		return codedError{exitUnfinished, fmt.Errorf("%w. gori reshard resume goes on, abort ends it", err)}
	case errors.As(err, &taken):
		return codedError{exitUnfinished, err}
	}
	return err
}

// takeOut has the instance of a shard that has left stopped, if gori up runs one.
// Who may not do that now is told; gori up looks for such instances by itself too.
func (s *ringSystem) takeOut(ctx context.Context, o *reshardOptions, id shard.ID) {
	if _, seated := s.state().Seat(id); seated || id == "" {
		return
	}
	_, local := s.addresses()[id]
	if s.up == nil || !local {
		o.tell("Shard %s has left the ring: its database is not used any more. Take it out of the nodes' configuration when you like.", id)
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	gone, err := s.up.Remove(ctx, id, o.purge)
	var no *host.Refusal
	switch {
	case errors.As(err, &no) && no.Status == 404: // gori up was faster
	case err != nil:
		fmt.Fprintf(o.errOut, "The instance of shard %s still runs: %v\n", id, err)
	case gone.Aside == "":
		o.tell("The instance of shard %s is stopped and its folder deleted.", id)
	default:
		o.tell("The instance of shard %s is stopped; its folder is now %s.", id, gone.Aside)
	}
}
