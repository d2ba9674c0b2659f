package command

import (
	"os"

	"github.com/spf13/cobra"

	"gori/config"
	"gori/reach"
)

// newMigrate is what gori up runs of a newer program before it replaces the
// nodes by it.
func newMigrate() *cobra.Command {
	return &cobra.Command{
		Use:    "migrate",
		Short:  "Bring the shards to the schema of this program; serve and up do it by themselves",
		Hidden: true,
		Args:   noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, _, err := config.Load("", os.Environ())
			if err != nil {
				return err
			}
			return reach.Migrate(c.Context(), cfg, newLogger(cfg.Log, os.Stderr))
		},
	}
}
