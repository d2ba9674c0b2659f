package faults

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"gori/bench/torture"
	"gori/client"
	"gori/config"
	"gori/host"
	"gori/reach"
	"gori/shard"
	"gori/store/survey"
)

// homesPatience is how long a shard may take to say what it serves.
const homesPatience = time.Second

// homes remembers what each shard said last about partitions: one that is down
// says nothing.
type homes struct {
	mu sync.Mutex
	by map[string]map[shard.Partition]survey.Owner
}

// Victim names the shard that a fault would hit just now.
func (s *System) Victim(f torture.Fault) string {
	switch f.Kind {
	case torture.DiskFull:
		return s.small
	case torture.KillShard, torture.CutShard:
		names := s.shardsNow()
		return names[f.Target%len(names)]
	}
	return ""
}

// shardsNow names the shards that there are.
func (s *System) shardsNow() []string {
	r, err := host.FindRunning(s.dir)
	if err != nil || len(r.Shards) == 0 {
		return s.shards
	}
	var names []string
	for _, sh := range r.Shards {
		names = append(names, sh.ID)
	}
	slices.Sort(names)
	return names
}

// Homes names the shards that have to do with channels just now.
func (s *System) Homes(ctx context.Context, channels []client.ChannelID) map[client.ChannelID][]string {
	r, err := host.FindRunning(s.dir)
	if err == nil {
		s.homes.ask(ctx, reach.AsConfig(r.Shards))
	}
	s.homes.mu.Lock()
	defer s.homes.mu.Unlock()
	found := make(map[client.ChannelID][]string, len(channels))
	for _, id := range channels {
		for name, owners := range s.homes.by {
			switch o := owners[shard.Of(id)]; o.State {
			case "active", "fenced":
				found[id] = append([]string{name}, found[id]...)
				if o.Peer != "" {
					found[id] = append(found[id], string(o.Peer))
				}
			case "incoming":
				found[id] = append(found[id], name)
			}
		}
	}
	return found
}

// ask looks at all shards at the same time.
func (h *homes) ask(ctx context.Context, shards []config.Shard) {
	ctx, cancel := context.WithTimeout(ctx, homesPatience)
	defer cancel()
	var wg sync.WaitGroup
	for _, sh := range shards {
		wg.Go(func() {
			list, err := survey.Owners(ctx, sh.DSN)
			if err != nil {
				return // what it said before counts
			}
			h.mu.Lock()
			defer h.mu.Unlock()
			if h.by == nil {
				h.by = map[string]map[shard.Partition]survey.Owner{}
			}
			h.by[sh.ID] = survey.ByPartition(list)
		})
	}
	wg.Wait()
}

// Verify finds what is wrong with the shards after the end.
func (s *System) Verify(ctx context.Context) ([]string, error) {
	var wrong []string
	for _, check := range []string{"ring show", "reshard clean", "reshard verify"} {
		args := append(strings.Fields(check), "--data", s.dir)
		cmd, done, err := s.launch(ctx, nil, args...)
		if err != nil {
			return nil, err
		}
		<-done
		if code := cmd.code(); code != 0 {
			wrong = append(wrong, fmt.Sprintf("gori %s: exit %d: %s", check, code, cmd.said.String()))
		}
	}
	r, err := host.FindRunning(s.dir)
	if err != nil {
		return nil, err
	}
	for _, sh := range r.Shards {
		left, err := survey.Debris(ctx, sh.DSN)
		if err != nil {
			return nil, fmt.Errorf("shard %s: %w", sh.ID, err)
		}
		for _, what := range left {
			wrong = append(wrong, "shard "+sh.ID+" has "+what)
		}
	}
	return wrong, nil
}
