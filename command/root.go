// Package command is the commands of gori: their flags, what they print, and how a
// node is built of its parts (serve.go) and a whole system run on one host (up.go).
package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"gori/config"
)

// The exit codes; `gori --help` lists them.
const (
	exitOK      = 0
	exitFailure = 1 // the work failed
	exitUsage   = 2 // the command line or the configuration is wrong

	// Of gori reshard besides:
	exitRefused    = 3 // it cannot be done now, and nothing was changed
	exitUnfinished = 4 // it was stopped, paused or taken over: gori reshard resume goes on
	exitDiffers    = 5 // verify has found a difference
)

// version is set by the Makefile; a plain `go build` leaves it to the module.
var version = ""

// Main runs the command of this process's arguments until it is done, or is told to
// stop by a signal, and returns the exit code.
func Main() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal stops in order; a second one ends this process at once,
	// and the kernel then ends its children.
	context.AfterFunc(ctx, stop)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	return code
}

// codedError ends the program with a code of its own.
type codedError struct {
	code int
	error
}

func (e codedError) Unwrap() error { return e.error }

func run(ctx context.Context, args []string, out, errOut io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(errOut)
	err := root.ExecuteContext(ctx)
	var misuse config.UsageError
	var coded codedError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &coded):
		fmt.Fprintf(errOut, "gori: %v\n", err)
		return coded.code
	case errors.As(err, &misuse):
		fmt.Fprintf(errOut, "gori: %v\n", err)
		return exitUsage
	}
	fmt.Fprintf(errOut, "gori: %v\n", err)
	return exitFailure
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "gori",
		Short: "Gori 고리: a chat system on sharded PostgreSQL",
		Long: `Gori 고리: a chat system on sharded PostgreSQL.

Exit codes: 0 done, 1 failed, 2 the command line or the configuration is wrong.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return config.Usage(fmt.Errorf("there is no command %q; see gori --help", args[0]))
			}
			return nil
		},
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       versionText(),
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return config.Usage(fmt.Errorf("%w; see gori %s --help", err, c.Name()))
	})
	root.AddCommand(newUp(), newServe(), newRing(), newReshard(), newShard(), newWhere(), newBackup(), newRestore(), newDoctor(), newBench(), newTorture(), newImport(), newDemo(), newNginx(), newMigrate(), newNodes(), newRestart(), newVersion())
	return root
}

// noArgs refuses arguments as a usage error.
func noArgs(c *cobra.Command, args []string) error {
	if err := cobra.NoArgs(c, args); err != nil {
		return config.Usage(err)
	}
	return nil
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			fmt.Fprintf(c.OutOrStdout(), "gori %s\n", versionText())
			return nil
		},
	}
}

func versionText() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" && len(s.Value) >= 12 {
				return s.Value[:12]
			}
		}
	}
	return "unreleased"
}

// newLogger writes text where a person reads and JSON where a program does,
// unless the configuration says otherwise.
func newLogger(cfg config.Log, w *os.File) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(cfg.Level)) // checked by the configuration
	opts := &slog.HandlerOptions{Level: level}
	if cfg.Format == "json" || (cfg.Format == "auto" && !term.IsTerminal(int(w.Fd()))) {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}
