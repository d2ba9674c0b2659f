package api

import (
	"context"
	"encoding/json"

	"gori/chat"
)

// Board shows admins where data lives. What it tells is at most some seconds
// old, however many look.
type Board interface {
	Ring(ctx context.Context) (RingView, error)
	Shards(ctx context.Context) ([]ShardView, error)
	// Hot returns the busiest channels of the last minute, busiest first.
	Hot(ctx context.Context, limit int) ([]HotChannel, error)
	// Where finds users and channels; exactly one field of q is set.
	Where(ctx context.Context, q WhereQuery) ([]Place, error)
	// Audit returns lines of the audit log, newest first, that are older than
	// before; 0: from the newest.
	Audit(ctx context.Context, before int64, limit int) (AuditPage, error)
}

// Reshards changes which shards there are, while people chat.
type Reshards interface {
	Status(ctx context.Context) (ReshardStatus, error)
	// Preview says what a change would move, and moves nothing.
	Preview(ctx context.Context, c ReshardChange) (ReshardPreview, error)
	// Order gives an order and does not wait until it is carried out.
	Order(ctx context.Context, by Admin, o ReshardOrder) error
	// Receipts returns the newest reshards that moved anything.
	Receipts(ctx context.Context, limit int) ([]ReceiptSummary, error)
	// EachReceipt hands over what proves a reshard, partition by partition in
	// order, as JSON. CodeNotFound if there is no such reshard.
	EachReceipt(ctx context.Context, reshard string, each func(doc json.RawMessage) error) error
	// Verify begins to compute a receipt again from what is served, and does not
	// wait for it. CodeNotFound if there is none, CodeConflict while another is
	// computed.
	Verify(ctx context.Context, by Admin, reshard string) error
	// Check tells how far that is, or what came of it. CodeNotFound if it was
	// never asked for.
	Check(ctx context.Context, reshard string) (ReceiptCheck, error)
}

// Admin is who gives an order, and from where.
type Admin struct {
	User    chat.UserID
	Address string
}

// RingView is the ring: what the document says and what the shards say.
type RingView struct {
	Version int64      `json:"version"` // of the ring document
	Epoch   int64      `json:"epoch"`   // of its map
	Digest  string     `json:"digest"`  // of the document
	Seats   []SeatView `json:"seats"`
	// Owner holds for each partition the index in Seats of the shard that serves
	// it; -1: none that answers, -2: several.
	Owner []int `json:"owner"`
	// Rows estimates the rows of each partition.
	Rows []int64 `json:"rows"`
	// Moving are the partitions that are not, or not yet, where the map has them.
	Moving []MovingView `json:"moving"`
	Spread float64      `json:"spread"` // most partitions of a shard / average
	Plan   *PlanView    `json:"plan,omitempty"`
}

// SeatView is a shard's place in the ring.
type SeatView struct {
	ID         string `json:"id"`
	Addr       string `json:"addr"` // never with a password
	Term       int64  `json:"term"`
	Up         bool   `json:"up"`
	Leaving    bool   `json:"leaving,omitempty"`
	Standby    string `json:"standby,omitempty"`
	Sync       bool   `json:"sync,omitempty"` // the standby has all that was acknowledged
	Partitions int    `json:"partitions"`     // served
	Planned    int    `json:"planned"`        // by the map
	Left       int    `json:"left"`           // gone from here, rows not removed yet
	Rows       int64  `json:"rows"`
	Bytes      int64  `json:"bytes"`
}

// MovingView is a partition on its way.
type MovingView struct {
	Partition int    `json:"partition"`
	From      string `json:"from"`
	To        string `json:"to"`
	State     string `json:"state"` // of its move; planned: not begun
}

// PlanView is a reshard under way.
type PlanView struct {
	ID       string `json:"id"`
	Kind     string `json:"kind"`
	Shard    string `json:"shard"`
	Detached bool   `json:"detached"` // the nodes carry it out
	Paused   bool   `json:"paused"`
	Why      string `json:"why,omitempty"` // it was paused, if not by a person
	// Reason is Why for programs.
	Reason   *chat.Reason `json:"reason,omitempty"`
	MBps     float64      `json:"mbps"` // 0: no bound
	Slowdown float64      `json:"slowdown"`
	BegunAt  chat.Millis  `json:"begun_at"`
}

// ShardView is how one shard does.
type ShardView struct {
	ID         string      `json:"id"`
	Up         bool        `json:"up"`
	Error      string      `json:"error,omitempty"` // why it does not answer
	PingUS     int64       `json:"ping_us"`
	Partitions int         `json:"partitions"`
	Rows       int64       `json:"rows"`
	Bytes      int64       `json:"bytes"`
	Channels   int64       `json:"channels"`
	Messages   int64       `json:"messages"`
	Writes     float64     `json:"writes_s"`    // transactions a second
	RowsIn     float64     `json:"rows_s"`      // written a second
	WAL        float64     `json:"wal_bytes_s"` // written a second
	Conns      int         `json:"conns"`
	MaxConns   int         `json:"max_conns"`
	Pending    int64       `json:"pending"` // batches whose fan-out is owed
	Dirty      int64       `json:"dirty"`   // keys noted for a move
	Version    string      `json:"version"` // of PostgreSQL
	StartedAt  chat.Millis `json:"started_at"`
	// Standby is what its standby does, such as streaming; empty: none is connected.
	Standby    string      `json:"standby,omitempty"`
	StandbyLag int64       `json:"standby_lag,omitempty"` // bytes
	Tables     []TableView `json:"tables"`                // largest first
}

// TableView is a table of a shard.
type TableView struct {
	Name  string `json:"name"`
	Rows  int64  `json:"rows"`
	Bytes int64  `json:"bytes"`
}

// HotChannel is a channel in which much is said.
type HotChannel struct {
	Channel   chat.ChannelID `json:"channel"`
	Kind      int            `json:"kind"`
	Name      string         `json:"name"`
	Members   int            `json:"members"`
	Seq       chat.Seq       `json:"last_seq"`
	PerMinute float64        `json:"per_minute"`
	Partition int            `json:"partition"`
	Shard     string         `json:"shard"`
	LastAt    chat.Millis    `json:"last_at"`
}

// WhereQuery says what to look for.
type WhereQuery struct {
	Channel chat.ChannelID
	User    chat.UserID
	Name    string // of an account or a group
}

// Place is where something lives.
type Place struct {
	Kind      string `json:"kind"` // user, name, direct, group
	ID        string `json:"id"`
	Name      string `json:"name"`
	Messages  int64  `json:"messages"`
	Partition int    `json:"partition"`
	Shard     string `json:"shard"`
	State     string `json:"state"`
	Epoch     int64  `json:"epoch"` // of the partition's ownership
}

// AuditLine is a line of the audit log.
type AuditLine struct {
	ID      string      `json:"id"`
	At      chat.Millis `json:"at"`
	Actor   chat.UserID `json:"actor,omitempty"` // absent: nobody logged in
	Action  string      `json:"action"`
	Subject string      `json:"subject"`
	Address string      `json:"address"`
	Shard   string      `json:"shard"`
}

// AuditPage is a part of the audit log.
type AuditPage struct {
	Lines []AuditLine `json:"lines"`
	More  bool        `json:"more"`
	// Missing are shards that did not answer: their lines are not there.
	Missing []string `json:"missing"`
}

// ReshardChange is a shard that is to come or go.
type ReshardChange struct {
	Change string // add, remove
	Shard  string
	Addr   string // DSN without a password; empty: whoever runs the nodes makes one
}

// ReshardOrder is what an admin wants.
type ReshardOrder struct {
	Action   string // add, remove, abort, reverse, pause, resume, set
	Shard    string
	Addr     string
	Version  int64    // of the ring document that was looked at; another one refuses the order
	MBps     *float64 // set: nil leaves it
	Slowdown *float64
}

// ShardSum is what a shard has, or would have.
type ShardSum struct {
	Shard      string `json:"shard"`
	Partitions int    `json:"partitions"`
	Rows       int64  `json:"rows"`
	Bytes      int64  `json:"bytes"`
}

// MoveSum is what goes from one shard to another.
type MoveSum struct {
	From       string `json:"from"`
	To         string `json:"to"`
	Partitions int    `json:"partitions"`
	Rows       int64  `json:"rows"`
	Bytes      int64  `json:"bytes"`
}

// ReshardPreview says what a change would move.
type ReshardPreview struct {
	Version int64      `json:"version"` // of the ring document it was made of
	Change  string     `json:"change"`
	Shard   string     `json:"shard"`
	Before  []ShardSum `json:"before"`
	After   []ShardSum `json:"after"`
	Moves   []MoveSum  `json:"moves"`
	// Owner holds for each partition the index in After of its shard.
	Owner      []int   `json:"owner"`
	Partitions int     `json:"partitions"` // that move
	Rows       int64   `json:"rows"`
	Bytes      int64   `json:"bytes"`
	Spread     float64 `json:"spread"` // after it
	// Makes says that an instance will be made for the new shard.
	Makes bool `json:"makes"`
}

// ReshardStatus says how far a reshard is.
type ReshardStatus struct {
	Version int64     `json:"version"`
	Plan    *PlanView `json:"plan,omitempty"`
	// CanMake says that a shard without an address can be made here.
	CanMake bool `json:"can_make"`
	// CanReverse says that the last reshard can be taken back.
	CanReverse bool       `json:"can_reverse"`
	Left       int        `json:"left"` // partitions still to move
	Done       int        `json:"done"`
	Rows       int64      `json:"rows"` // copied
	Bytes      int64      `json:"bytes"`
	TotalRows  int64      `json:"total_rows"` // of all of it, estimated
	RowsS      float64    `json:"rows_s"`     // copied a second
	BytesS     float64    `json:"bytes_s"`
	Dirty      int64      `json:"dirty"`
	LeftMS     int64      `json:"left_ms"` // estimated; 0: cannot be told
	BudgetUS   int64      `json:"budget_us"`
	Moves      []MoveView `json:"moves"` // under way
	// Pauses are those of the newest moves that are done, oldest first.
	Pauses []PauseView `json:"pauses"`
}

// MoveView is one move under way.
type MoveView struct {
	Partition int    `json:"partition"`
	From      string `json:"from"`
	To        string `json:"to"`
	State     string `json:"state"`
	Attempt   int    `json:"attempt"`
	Rows      int64  `json:"rows"`
	TotalRows int64  `json:"total_rows"`
	Bytes     int64  `json:"bytes"`
	Dirty     int64  `json:"dirty"`
	PauseUS   int64  `json:"pause_us"`
	Error     string `json:"error,omitempty"` // of the last attempt
	// Reason is Error for programs.
	Reason    *chat.Reason `json:"reason,omitempty"`
	StartedAt chat.Millis  `json:"started_at"`
	UpdatedAt chat.Millis  `json:"updated_at"`
}

// PauseView is how long one move held up writes.
type PauseView struct {
	Partition int         `json:"partition"`
	US        int64       `json:"us"`
	At        chat.Millis `json:"at"`
}

// ReceiptSummary adds up what proves a reshard.
type ReceiptSummary struct {
	Reshard    string      `json:"reshard"`
	From       []string    `json:"from"`
	To         []string    `json:"to"`
	BegunAt    chat.Millis `json:"begun_at"` // first and last move
	EndedAt    chat.Millis `json:"ended_at"`
	Partitions int         `json:"partitions"`
	Channels   int64       `json:"channels"`
	Rows       int64       `json:"rows"`
	Bytes      int64       `json:"bytes"`
	Followed   int64       `json:"followed"`
	Gaps       int64       `json:"gaps"`
	PauseP50   int64       `json:"pause_p50_us"`
	PauseP99   int64       `json:"pause_p99_us"`
	PauseMax   int64       `json:"pause_max_us"`
	// Check is the last time it was computed again, without its faults.
	Check *ReceiptCheck `json:"check,omitempty"`
}

// ReceiptCheck is a receipt computed again from what is served now.
type ReceiptCheck struct {
	Reshard    string         `json:"reshard"`
	State      string         `json:"state"` // running, done, failed, interrupted
	By         chat.UserID    `json:"by"`
	BegunAt    chat.Millis    `json:"begun_at"`
	EndedAt    chat.Millis    `json:"ended_at,omitempty"`
	Partitions int            `json:"partitions"` // to look at
	Checked    int            `json:"checked"`    // of them, so far
	Channels   int            `json:"channels"`
	Messages   int64          `json:"messages"`         // compared
	Found      int            `json:"found"`            // faults; 0: all is as the receipt says
	Faults     []ReceiptFault `json:"faults,omitempty"` // the first of them
	// Down are shards that did not answer: what they have was not looked at.
	Down   []string     `json:"down,omitempty"`
	Reason *chat.Reason `json:"reason,omitempty"` // why it failed
}

// ReceiptFault is one thing that is not as the receipt says.
type ReceiptFault struct {
	Code      string         `json:"code"`
	Partition int            `json:"partition"`
	Shards    []string       `json:"shards,omitempty"`
	Channel   chat.ChannelID `json:"channel,omitempty"`
	Upto      int64          `json:"upto,omitempty"`
	Rows      int64          `json:"rows,omitempty"`
	Wanted    int64          `json:"wanted,omitempty"`
	Table     string         `json:"table,omitempty"`
	Text      string         `json:"text"` // in English
}
