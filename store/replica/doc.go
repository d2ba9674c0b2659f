// Package replica speaks with the two PostgreSQL servers of a shard that has a
// standby: it looks at both, makes a primary wait for its standby or go on
// without it, and promotes a standby. It decides nothing: what may be done is
// agreed in the ring document first (see package reshard), and done here after.
//
// A primary that waits has synchronous_standby_names set, so that no commit is
// acknowledged before the standby has written it to its disk. A primary whose
// standby has been promoted can therefore acknowledge nothing any more,
// whoever talks to it.
package replica
