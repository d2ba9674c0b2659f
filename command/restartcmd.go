package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"gori/host"
)

func newRestart() *cobra.Command {
	var data string
	c := &cobra.Command{
		Use:   "restart",
		Short: "Replace the nodes of a running gori up one by one, without a lost message",
		Long: `Tells a running gori up to replace its nodes one by one by the program that is on
the disk now, with the configuration as it is now, and shows how that goes. Each
node drains first: people move to the others and lose nothing. A node that does
not become ready ends it; the others stay as they are.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return restart(c.Context(), data, c.OutOrStdout()) },
	}
	c.Flags().StringVar(&data, "data", "./data", "the data folder of a running gori up")
	return c
}

// restart asks for a rolling restart and follows it in what gori up notes.
func restart(ctx context.Context, data string, w io.Writer) error {
	r, err := host.FindRunning(data)
	if err != nil {
		return err
	}
	last := 0
	if r.Roll != nil {
		if r.Roll.Ended.IsZero() {
			return errors.New("a rolling restart is under way already")
		}
		last = r.Roll.Number
	}
	if err := syscall.Kill(r.PID, syscall.SIGHUP); err != nil {
		return fmt.Errorf("signal gori up (process %d): %w", r.PID, err)
	}
	var said []string
	say := func(line string) {
		if !slices.Contains(said, line) {
			said = append(said, line)
			fmt.Fprintln(w, line)
		}
	}
	late := time.After(10 * time.Second)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return errors.New("no longer watching; the restart goes on")
		case <-late:
			if len(said) == 0 {
				return errors.New("gori up has not begun within 10 s; its log says why")
			}
		case <-tick.C:
		}
		r, err := host.FindRunning(data)
		if err != nil {
			return err
		}
		roll := r.Roll
		if roll == nil || roll.Number == last {
			continue
		}
		for _, n := range roll.Done {
			say("node " + n + " is replaced")
		}
		switch {
		case roll.Ended.IsZero() && roll.Node != "":
			say("node " + roll.Node + " drains …")
		case roll.Ended.IsZero():
		case roll.Error != "":
			return fmt.Errorf("stopped, the other nodes are left as they are: %s", roll.Error)
		default:
			say(fmt.Sprintf("All %d nodes are replaced, in %.1f s", len(roll.Done), roll.Ended.Sub(roll.Begun).Seconds()))
			return nil
		}
	}
}
