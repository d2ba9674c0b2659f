// Package store is the only place with SQL: it keeps on PostgreSQL what the
// packages chat, presence and notify describe, spread over the shards.
//
// A Store is opened on the shards of a ring, run, and closed:
//
//	s, err := store.Open(ctx, store.Config{Shards: …, OnInbox: …})
//	go s.Run(ctx)   // background work; returns when ctx ends and all has stopped
//	defer s.Close() // after Run has returned
//
// # Where a row lives
//
// Everything lies in one of 1021 partitions, and a partition on one shard. The
// authority is the row in control.partition_owner of the shard that owns it;
// the Store's routing table is a cache of those rows. A wrong guess costs one
// more round trip and is never answered wrongly: every transaction that writes
// passes the gate (gate.go), every read checks the state of its partition
// (tx.go).
//
// # Files
//
//   - tx.go: write and read, the two doors that every function with SQL uses.
//   - append.go, writer.go: chat.Log's Append: one transaction and one round
//     trip for whatever is waiting.
//   - fanout.go, inboxfan.go, sweep.go: what members' inboxes learn of it.
//   - route.go, health.go: which shard, and whether it answers.
//
// # Ownership of goroutines
//
// Open starts two writers, one inbox writer and one prober for each shard;
// Close ends them and waits. Run starts the sweepers and waits for them.
package store
