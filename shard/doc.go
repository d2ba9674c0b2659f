// Package shard is pure arithmetic: which shard owns which partition, and how
// ownership moves. It knows no SQL, no channels, no clock and starts no
// goroutines.
//
// A key (a channel, a user, a login name) falls into one of 1021 partitions;
// that function is fixed for ever. Which shard keeps a partition is decided by
// a Map, an immutable table with an epoch that is kept and passed on, not
// computed: the consistent-hashing library is only the planner that proposes
// the first Map and says where partitions would like to go. So another version
// of the library, or other settings, never move data; and a change of the ring
// moves exactly as many partitions as it must.
//
// The Map is a plan, not the authority. The authority is the row that each
// shard keeps about each partition it owns; package store reads and guards it.
package shard
