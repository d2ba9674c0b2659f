package store

import "sync/atomic"

// counters count what the hot paths do.
type counters struct {
	batches, drafts      atomic.Int64
	homeBatches, entries atomic.Int64
	swept                atomic.Int64
}

// Stats are running totals since Open, for metrics.
type Stats struct {
	Batches     int64 // transactions that stored messages
	Drafts      int64 // drafts in them
	HomeBatches int64 // transactions that changed inboxes
	Entries     int64 // inbox entries in them
	Swept       int64 // fan-outs that had been left over
	Waiting     int   // drafts waiting for a writer
	Owed        int   // inbox rows waiting for a home writer
}

// Stats returns the totals.
func (s *Store) Stats() Stats {
	st := Stats{
		Batches: s.count.batches.Load(), Drafts: s.count.drafts.Load(),
		HomeBatches: s.count.homeBatches.Load(), Entries: s.count.entries.Load(), Swept: s.count.swept.Load(),
	}
	for _, sh := range s.shards() {
		sh.home.mu.Lock()
		st.Owed += sh.home.rows
		sh.home.mu.Unlock()
		for _, w := range sh.writers {
			w.mu.Lock()
			st.Waiting += w.drafts
			w.mu.Unlock()
		}
	}
	return st
}
