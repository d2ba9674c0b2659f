package command

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"gori/store/move"
)

func newReshardClean() *cobra.Command {
	c, _ := reshardCommand("clean", "Delete at once what has moved where it was, not after a day",
		"Deletes what has moved from where it was. The nodes do it by themselves a day\nafter the move; until then gori reshard reverse is cheap.",
		0, func(ctx context.Context, s *ringSystem, o *reshardOptions, _ string) error {
			n, err := s.cleanNow(ctx)
			if err != nil {
				return s.plain(err)
			}
			return o.say(map[string]int{"partitions": n}, "Deleted what was left of %d partitions.", n)
		})
	return c
}

func newReshardVerify() *cobra.Command {
	c, _ := reshardCommand("verify [ID]", "Compute receipts again from the live system",
		"Computes again, from what is served now, what the receipts of a reshard say (of\nall without an ID): every message that was there is there, unchanged. It also\nchecks that each partition has one owner and that nothing is left where it was\ncleaned. Exit code 5 if anything differs.",
		1, func(ctx context.Context, s *ringSystem, o *reshardOptions, id string) error {
			proof, err := s.engine.Verify(ctx, id, nil)
			if err != nil {
				return err
			}
			if o.json {
				err = printJSON(o.out, proof)
			} else {
				printProof(o, proof)
			}
			switch {
			case len(proof.Problems) > 0:
				return codedError{exitDiffers, fmt.Errorf("%d problems: keep all shards as they are and look at gori reshard verify --json", proof.Found)}
			case len(proof.Down) > 0:
				return fmt.Errorf("not everything could be checked: shards %v do not answer", proof.Down)
			}
			return err
		})
	return c
}

func printProof(o *reshardOptions, p *move.Proof) {
	if len(p.Problems) == 0 {
		o.tell("%d receipts hold: %d channels, %d messages digested again, every partition has one owner.", p.Receipts, p.Channels, p.Messages)
		return
	}
	for _, f := range p.Problems {
		o.tell("%s", f.Text)
	}
	if more := p.Found - len(p.Problems); more > 0 {
		o.tell("… and %d more", more)
	}
}
