package presence

// Status is what is known of a user. The lingering ones are the 10 s of grace
// after the last socket dropped: to others the user is still what they were.
type Status uint8

// The states of a user.
const (
	Offline Status = iota
	Online
	Away // every live session is idle
	OnlineLingering
	AwayLingering
	statuses
)

// Event is what happened to a user's sessions taken together.
type Event uint8

// The events of a user.
const (
	EventBack    Event = iota // a session is live, not yet known whether its person is active
	EventActive               // at least one live session is active
	EventIdle                 // sessions are live, all of them idle
	EventDropped              // no session is live, and grace is due to one
	EventLeft                 // no session is live, and no grace is due
	events
)

// next is the whole of the rules: next[status][event].
var next = [statuses][events]Status{
	Offline:         {EventBack: Online, EventActive: Online, EventIdle: Away, EventDropped: Offline, EventLeft: Offline},
	Online:          {EventBack: Online, EventActive: Online, EventIdle: Away, EventDropped: OnlineLingering, EventLeft: Offline},
	Away:            {EventBack: Away, EventActive: Online, EventIdle: Away, EventDropped: AwayLingering, EventLeft: Offline},
	OnlineLingering: {EventBack: Online, EventActive: Online, EventIdle: Away, EventDropped: OnlineLingering, EventLeft: Offline},
	AwayLingering:   {EventBack: Away, EventActive: Online, EventIdle: Away, EventDropped: AwayLingering, EventLeft: Offline},
}

// Next is the status after an event.
func (s Status) Next(e Event) Status { return next[s][e] }

// Told is the word that other people are told.
func (s Status) Told() string {
	switch s {
	case Online, OnlineLingering:
		return "online"
	case Away, AwayLingering:
		return "away"
	}
	return "offline"
}

// Lingering tells whether the end of a grace is awaited.
func (s Status) Lingering() bool { return s == OnlineLingering || s == AwayLingering }
