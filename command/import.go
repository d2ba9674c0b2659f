package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"gori/client"
	"gori/config"
	"gori/host"
	"gori/irc"
	"gori/reach"
)

func newImport() *cobra.Command {
	c := &cobra.Command{Use: "import", Short: "Bring in chat logs of other systems", Args: knownCommand,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() }}
	c.AddCommand(newImportIRC())
	return c
}

// maxReported is how many damaged lines of one file are named.
const maxReported = 20

// ircImport are the flags of gori import irc.
type ircImport struct {
	admin  adminLogin
	source string
	strict bool
	verify bool
	jobs   int
}

func newImportIRC() *cobra.Command {
	var f ircImport
	c := &cobra.Command{
		Use:   "irc FILE…",
		Short: "Import IRC logs, each as a group channel",
		Long: `Imports IRC logs: one channel a file, one message a line, in the order of the
file and with the times of the log as original times.

  [HH:MM] <nick> text     what someone said
  [HH:MM]  * nick text    what someone did
  === text                what the log says: from an account named after the IRC channel

The date is in the file's name (2004-12-25…), a clock that jumps back means the
next day. Beside NAME.raw.txt, NAME.annotation.txt may hold lines "a b -": line
b, counted from 0, answers line a. A text that is not UTF-8 is read as
Windows-1252; a message without text is kept as "(empty)". A line that fits no
form is reported with file and line and left out, or ends the import with
--strict.

It may be repeated and broken off at any moment: a line is stored once. The
people get accounts that nobody can log in to.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return config.Usage(errors.New("import irc needs at least one file"))
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error { return f.run(c, args) },
	}
	f.admin.flags(c)
	c.Flags().StringVar(&f.source, "source", "irc", "name of where the logs come from: the same nick of one source is one person")
	c.Flags().BoolVar(&f.strict, "strict", false, "stop at the first damaged line")
	c.Flags().BoolVar(&f.verify, "verify", true, "afterwards read every channel back and hold it against its log")
	c.Flags().IntVar(&f.jobs, "jobs", 4, "logs imported at the same time")
	return c
}

func (f *ircImport) run(c *cobra.Command, files []string) error {
	ctx, out, errOut := c.Context(), c.OutOrStdout(), c.ErrOrStderr()
	if f.jobs < 1 || f.jobs > 32 {
		return config.Usage(errors.New("--jobs must be from 1 to 32"))
	}
	if err := uniqueNames(files); err != nil {
		return err
	}
	bar := newProgress(errOut, "lines", len(files), "logs")
	defer bar.close()
	logs, err := f.parse(files, bar)
	if err != nil {
		return err
	}
	admin, err := f.admin.client(ctx, bar.Say)
	if err != nil {
		return err
	}
	im := irc.NewImporter(admin, f.source, bar)
	start := time.Now()
	if err := im.Each(ctx, logs, f.jobs, im.Send); err != nil {
		return fmt.Errorf("%w; what is stored stays, and the same command goes on from there", err)
	}
	took := time.Since(start)
	bar.clear()
	sum := sumOf(logs)
	fmt.Fprintf(out, "%d logs, %d lines: %d stored now, %d were there already, %d left out. %.1f s, %.0f lines/s.\n",
		len(logs), sum.lines, sum.stored, sum.known, sum.damaged, took.Seconds(), float64(sum.stored+sum.known)/took.Seconds())
	if f.verify {
		bar.restart(sum.lines, len(logs))
		if err := im.Each(ctx, logs, f.jobs, im.Verify); err != nil {
			return err
		}
		bar.clear()
		fmt.Fprintf(out, "Read back: every line once and in order.\n")
	}
	return f.printShards(ctx, out, logs)
}

// parse reads all logs before anything is sent, so that a damaged line with
// --strict stores nothing.
func (f *ircImport) parse(files []string, bar *progress) ([]*irc.Log, error) {
	logs := make([]*irc.Log, len(files))
	lines := 0
	for i, file := range files {
		l, err := irc.Read(file)
		if err != nil {
			return nil, err
		}
		for k, d := range l.Damaged {
			if f.strict {
				return nil, fmt.Errorf("%s:%d: %s (nothing was imported; without --strict such lines are left out)", file, d.Line, d.Why)
			}
			if k == maxReported {
				bar.Say(fmt.Sprintf("%s: and %d more damaged lines, left out", file, len(l.Damaged)-k))
				break
			}
			bar.Say(fmt.Sprintf("%s:%d: %s; left out", file, d.Line, d.Why))
		}
		if n := len(l.Recoded); n > 0 {
			bar.Say(fmt.Sprintf("%s: %d lines are not UTF-8, the first is line %d; read as Windows-1252", file, n, l.Recoded[0]))
		}
		logs[i] = l
		lines += l.Lines
	}
	bar.restart(lines, len(files))
	return logs, nil
}

// uniqueNames refuses files that would become one channel.
func uniqueNames(files []string) error {
	seen := map[string]string{}
	for _, f := range files {
		name := filepath.Base(f)
		if other, twice := seen[name]; twice {
			return config.Usage(fmt.Errorf("%s and %s have one name and would become one channel", other, f))
		}
		seen[name] = f
	}
	return nil
}

// importSum adds up what became of logs.
type importSum struct{ lines, stored, known, damaged int }

func sumOf(logs []*irc.Log) importSum {
	var s importSum
	for _, l := range logs {
		s.lines += l.Lines
		s.stored += l.Stored
		s.known += l.Known
		s.damaged += len(l.Damaged)
	}
	return s
}

// printShards tells where the channels of the logs lie, if that can be known
// here, and how many messages each shard holds by its own account.
func (f *ircImport) printShards(ctx context.Context, out io.Writer, logs []*irc.Log) error {
	dir, ok := f.admin.folder()
	if !ok {
		return nil
	}
	r, err := host.FindRunning(dir)
	if err != nil {
		return err
	}
	ids := make([]client.ChannelID, len(logs))
	for i, l := range logs {
		ids[i] = l.Channel
	}
	return printHoldings(ctx, out, reach.AsConfig(r.Shards), ids)
}
