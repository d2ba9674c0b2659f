package torture

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"gori/client"
)

// System is what is tortured.
type System interface {
	// URL is where clients reach it.
	URL() string
	// Nodes and Shards name what faults can be done to; the names of nodes are
	// those the protocol tells.
	Nodes() []string
	Shards() []string
	// Victim names the shard that a fault would hit just now, "" if it is no
	// fault of a shard.
	Victim(f Fault) string
	// Homes names the shards that have to do with channels just now: those that
	// serve them, first, and those to which they are being moved.
	Homes(ctx context.Context, channels []client.ChannelID) map[client.ChannelID][]string
	// Inject does a fault other than slow-client and returns when it is over and
	// what follows from it is well again. It heals what it did itself also when ctx
	// ends, and then says what was not well yet.
	Inject(ctx context.Context, f Fault) error
	// Verify finds what is wrong with the shards after the end: partitions
	// without exactly one owner, receipts that do not hold, left-overs of moves.
	Verify(ctx context.Context) ([]string, error)
}

// Limits of a run.
const (
	MaxPeople = 200
	MaxRate   = 5_000
	MaxFor    = 24 * time.Hour
	maxSends  = 2_000_000 // remembered; people fall silent when it is reached
)

// Options of a run; zero means the default.
type Options struct {
	Seed   uint64
	For    time.Duration // how long people talk and faults come, default 60 s
	Faults []Kind        // which ones, default all
	People int           // default 12
	Rate   float64       // messages a second of all people, default 100
	// Patience is how long after the end what faults have broken may take to be
	// well again, and then all to agree; default 90 s.
	Patience time.Duration
	// Say tells of progress; nil: nobody.
	Say func(string)
}

func (o Options) withDefaults() (Options, error) {
	if o.For == 0 {
		o.For = time.Minute
	}
	if o.People == 0 {
		o.People = 12
	}
	if o.Rate == 0 {
		o.Rate = 100
	}
	if o.Patience == 0 {
		o.Patience = 90 * time.Second
	}
	if o.Say == nil {
		o.Say = func(string) {}
	}
	if len(o.Faults) == 0 {
		o.Faults = Kinds()
	}
	for _, k := range o.Faults {
		if !slices.Contains(Kinds(), k) {
			return o, fmt.Errorf("there is no fault %q", k)
		}
	}
	switch {
	case o.For < time.Second || o.For > MaxFor:
		return o, fmt.Errorf("seconds must be from 1 to %.0f", MaxFor.Seconds())
	case o.People < 4 || o.People > MaxPeople:
		return o, fmt.Errorf("people must be from 4 to %d", MaxPeople)
	case o.Rate < 1 || o.Rate > MaxRate:
		return o, fmt.Errorf("rate must be from 1 to %d", MaxRate)
	}
	return o, nil
}

// Check says what is wrong with options.
func (o Options) Check() error {
	_, err := o.withDefaults()
	return err
}

var errStopped = errors.New("stopped before the end")
