package command

import (
	"context"
	"fmt"
	"io"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"gori/store/doctor"
)

func newDoctor() *cobra.Command {
	var t target
	var o doctor.Options
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Look whether everything is as it should be, and say what to do where not",
		Long: `Looks at all shards: each partition's owner, gaps in channels, inboxes against
channels, unread and mention numbers against the messages, rows where they do
not belong, what is owed, guards, rights, settings, schemas, the ring, space. It
reads only; with --fix it has inboxes that stay behind brought up to date and
wrong numbers counted anew, which can do no harm.

It ends with 1 if something is against what Gori promises.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			r, err := examine(c.Context(), &t, o)
			if err != nil {
				return err
			}
			if t.json {
				err = printJSON(c.OutOrStdout(), r)
			} else {
				printReport(c.OutOrStdout(), r)
			}
			if err == nil && r.Problems > 0 {
				err = fmt.Errorf("%d problems", r.Problems)
			}
			return err
		},
	}
	t.flags(c)
	f := c.Flags()
	f.BoolVar(&o.Quick, "quick", false, "leave out what reads whole tables")
	f.BoolVar(&o.Fix, "fix", false, "have inboxes that stay behind brought up to date, and wrong unread numbers counted anew")
	f.DurationVar(&o.Limit, "limit", time.Minute, "how long one statement may take")
	return c
}

func examine(ctx context.Context, t *target, o doctor.Options) (*doctor.Report, error) {
	shards, ring, err := t.seats(ctx)
	if err != nil {
		return nil, err
	}
	o.Shards, o.Ring = storeShards(shards), ring
	r := doctor.Examine(ctx, o)
	if t.config == "" {
		f, err := space(t.data)
		if err != nil {
			return nil, err
		}
		if f.Level == doctor.Warning {
			r.Warnings++
		}
		r.Findings = append(r.Findings, f)
	}
	return r, nil
}

// littleSpace is what a warning is given below: a reshard of a small system and
// the log of all its instances fit.
const littleSpace = 5 << 30

// space looks at the disk of a data folder.
func space(dir string) (doctor.Finding, error) {
	f := doctor.Finding{Check: "space", Level: doctor.OK}
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return f, fmt.Errorf("how much space is free at %s: %w", dir, err)
	}
	free, all := st.Bavail*uint64(st.Bsize), st.Blocks*uint64(st.Bsize)
	f.What = fmt.Sprintf("%.1f of %.1f GB are free at %s", float64(free)/1e9, float64(all)/1e9, dir)
	if free < littleSpace || free < all/20 {
		f.Level, f.Meaning, f.Do = doctor.Warning, "without space sends fail until there is some", "free some, or add a shard on another disk"
	}
	return f, nil
}

func printReport(w io.Writer, r *doctor.Report) {
	marks := map[doctor.Level]string{doctor.OK: "ok     ", doctor.Note: "note   ", doctor.Warning: "WARNING", doctor.Problem: "PROBLEM"}
	for _, f := range r.Findings {
		where := f.Check
		if f.Shard != "" {
			where += ", shard " + string(f.Shard)
		}
		fmt.Fprintf(w, "%s  %s: %s\n", marks[f.Level], where, f.What)
		if f.Meaning != "" {
			fmt.Fprintf(w, "         %s\n", f.Meaning)
		}
		if f.Do != "" {
			fmt.Fprintf(w, "         → %s\n", f.Do)
		}
	}
	fmt.Fprintf(w, "\n%d problems, %d warnings\n", r.Problems, r.Warnings)
	for _, m := range r.Unread[:min(len(r.Unread), 20)] {
		mended := ""
		if m.Mended {
			mended = ", mended"
		}
		fmt.Fprintf(w, "user %d in channel %d (home %s): unread %d instead of %d, mentions %d instead of %d%s\n",
			m.User, m.Channel, m.Home, m.Unread, m.WantUnread, m.Mentions, m.WantMentions, mended)
	}
	if r.Fixed > 0 {
		fmt.Fprintf(w, "%d channels' inboxes will be brought up to date\n", r.Fixed)
	}
}
