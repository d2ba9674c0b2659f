package notify

import (
	"context"
	"time"

	"gori/chat"
)

// Wake is news in a channel for a user who has a device.
type Wake struct {
	User    chat.UserID
	Channel chat.ChannelID

	// The newest messages of others: in the channel itself, in a thread that
	// the user follows, and that mentions the user; 0: none.
	Seq, ThreadSeq, MentionSeq chat.Seq
	Age                        time.Duration // since the newest of them came

	// The user's present place, read with it.
	Member        bool
	Disabled      bool
	Bot           bool // the user is a bot with a webhook
	Direct        bool
	Level         chat.Level
	ReadSeq       chat.Seq
	ThreadUnread  bool // some followed thread has unread replies
	MentionUnread bool // the mention has not been read
	Settings      Settings
}

// Decision says what becomes of a wake: jobs for the user's devices, another
// look later, or nothing.
type Decision struct {
	Wake Wake
	Tell chat.Seq      // above 0: devices are to be told up to here
	Wait time.Duration // above 0: look again then
}

// Job is what is to be sent to one device of one channel. Whoever has claimed
// it holds it until its lease ends.
type Job struct {
	Device   Device // with its keys
	Channel  chat.ChannelID
	Attempts int           // made at what is to be told now
	Age      time.Duration // since there was something to do
	Lease    time.Time     // tells this claim from later ones
}

// Queue is what one shard keeps of pushes to come. Package store implements
// it. All nodes take from all queues.
type Queue interface {
	// Next tells how long it is until something is due; what is overdue gives
	// a negative time. ok is false when nothing waits.
	Next(ctx context.Context) (d time.Duration, ok bool, err error)
	// DueWakes reads wakes that are due, the oldest first. They stay.
	DueWakes(ctx context.Context, limit int) ([]Wake, error)
	// Settle carries out decisions, each wake at most once: those that have
	// changed since they were read, or that another node has settled, are left
	// as they are.
	Settle(ctx context.Context, ds []Decision) error
	// Claim leases jobs that are due, the oldest first.
	Claim(ctx context.Context, limit int, lease time.Duration) ([]Job, error)
	// Waiting counts wakes and jobs that are to come.
	Waiting(ctx context.Context) (wakes, jobs int, err error)
}

// Queues are those of all shards, which come and go. Package store implements it.
type Queues interface {
	// All are those of now.
	All() []Queue
	// Tend runs tend for each queue and for each that comes, side by side, until
	// ctx ends; the context of a queue that goes ends before. It returns when
	// all of them have.
	Tend(ctx context.Context, tend func(ctx context.Context, q Queue))
}

// State is what a job is about at the moment of sending.
type State struct {
	Seq      chat.Seq // to be told up to here
	SentSeq  chat.Seq // told already, or tried
	ClearSeq chat.Seq // read elsewhere up to here
	Cleared  chat.Seq // taken back up to here

	Member   bool
	Direct   bool
	Name     string // of a group
	Level    chat.Level
	ReadSeq  chat.Seq
	Unread   int64      // messages in the channel
	Badge    int64      // channels with unread that are not muted
	Threads  []chat.Seq // roots of followed threads with unread replies
	Settings Settings
}

// clears tells whether a told push is to be taken back.
func (s State) clears() bool { return s.SentSeq > s.Cleared && s.ClearSeq >= s.SentSeq }

// Attempt is what is about to be sent.
type Attempt struct {
	Seq   chat.Seq // the device counts as told up to here, or as cleared
	Clear bool
}

// Result is how a job goes on.
type Result struct {
	Kind ResultKind
	At   Attempt
	Prev chat.Seq      // with ResultRetry and ResultDrop: what At has replaced
	Wait time.Duration // with ResultRetry and ResultAgain
}

// ResultKind says how a job goes on.
type ResultKind int

// The results. All but the first two count only while the lease holds.
const (
	ResultSent  ResultKind = iota // delivered: the device is well
	ResultGone                    // the device exists no more: it goes
	ResultRetry                   // surely not delivered: the attempt is taken back and made again
	ResultDrop                    // given up: nothing was told
	ResultSkip                    // there is nothing to tell up to At.Seq
	ResultEnded                   // device, login, account or membership have ended: the job goes
	ResultTold                    // of a bot: told of At.Seq, more may follow
	ResultAgain                   // of a bot: not told, to be tried again
)

// Desk is where jobs in hand are settled, on the user's home shard. Package
// store implements it.
type Desk interface {
	// State reads what the job is about. ok is false when the lease is lost,
	// or device, login or account have ended.
	State(ctx context.Context, j Job) (s State, ok bool, err error)
	// Begin records an attempt before it is made; false when the lease is lost.
	Begin(ctx context.Context, j Job, a Attempt) (bool, error)
	// End settles a job.
	End(ctx context.Context, j Job, r Result) error
	// Later puts jobs back, each for its time; nothing was tried.
	Later(ctx context.Context, jobs []Job, waits []time.Duration) error
	// Calls lists the messages in (after, upTo] that a bot is to be told of,
	// by ascending seq: of others, not deleted, in a direct channel or
	// mentioning the bot. It is empty for who is not a member. upTo comes
	// back as far as it has looked.
	Calls(ctx context.Context, bot chat.UserID, id chat.ChannelID, after, upTo chat.Seq, limit int) (seqs []chat.Seq, looked chat.Seq, err error)
}
