package command

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"gori/client"
	"gori/config"
	"gori/reach"
	"gori/store/survey"
)

// countPatience bounds counting on the shards.
const countPatience = time.Minute

// printHoldings prints how many of the channels, and how many messages in
// them, each shard holds, as counted on the shards themselves.
func printHoldings(ctx context.Context, out io.Writer, shards []config.Shard, channels []client.ChannelID) error {
	ctx, cancel := context.WithTimeout(ctx, countPatience)
	defer cancel()
	ids := make([]int64, 0, len(channels))
	for _, c := range channels {
		if c != 0 {
			ids = append(ids, int64(c))
		}
	}
	counts := make([]map[int64]int64, len(shards))
	err := reach.EachShard(ctx, shards, func(ctx context.Context, i int, s config.Shard) (err error) {
		counts[i], err = survey.Written(ctx, s.DSN, ids)
		return err
	})
	if err != nil {
		return err
	}
	t := tabwriter.NewWriter(out, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "shard\tchannels\tmessages\t")
	var allChannels, all int64
	for i, s := range shards {
		var n int64
		for _, k := range counts[i] {
			n += k
		}
		allChannels += int64(len(counts[i]))
		all += n
		fmt.Fprintf(t, "%s\t%d\t%d\t\n", s.ID, len(counts[i]), n)
	}
	fmt.Fprintf(t, "all\t%d\t%d\t\n", allChannels, all)
	return t.Flush()
}
