// Package schema keeps changes of the schema apart from what must not meet
// them. A migration holds the advisory lock (79, 0) of each shard exclusively;
// whoever moves partitions or takes a backup holds it shared, in a session of
// its own, on every shard involved. Neither waits long for the other: who comes
// second is told what is under way.
package schema
