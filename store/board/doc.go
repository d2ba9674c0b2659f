// Package board reads from the shards what the admin page shows: who owns what,
// sizes and rates, busy channels, the audit log, moves and receipts. It never
// writes.
//
// A Board keeps up to two connections to each shard that it was asked of
// lately, apart from those that serve people, so that a slow look holds nobody
// up. Its pools own goroutines; Close ends them.
package board
