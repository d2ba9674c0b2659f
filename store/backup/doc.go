// Package backup writes all shards of a system into a folder as they were at
// one instant, and makes a system of such a folder again.
//
// The instant. A backup takes the gate of every partition on every shard (the
// advisory locks (77, p), exclusively), so that no write is under way anywhere,
// begins one snapshot on each shard, and opens the gates again: the pause is
// some milliseconds, and bounded by a budget after which it gives way and tries
// again. Then it reads the snapshots for as long as it takes. A write that is in the
// set was committed before the instant, one that is not began after it; so
// whatever a write had seen is in the set with it, across shards too. What only
// spans shards later (inboxes, read marks, effects) is owed by rows that are in
// the set, and is carried out by the restored system.
//
// The folder holds one compressed file for each shard and table, and
// manifest.json, written last: without it the backup is not finished.
//
// Take runs one goroutine for each shard while it reads; Restore one for each
// shard it loads. All end before the call returns.
package backup
