// Package move moves partitions between two shards while they are written to.
// It implements reshard.Backend and reshard.Work on PostgreSQL.
//
// The source's gate notes the keys of changed rows from before the copy begins
// until ownership passes (capture). Rows are copied; then, again and again, the
// noted keys are looked up at the source and their rows replaced at the target.
// Digests of all rows are compared while this goes on. The fence keeps writers
// out at the source for as long as it takes to bring over the last few keys, to
// compare every row touched since those digests, and to make the target active:
// the commit of that transaction at the target is the moment ownership passes.
//
// What keeps this right:
//
//   - The attempt is a fencing token. A mover reads it with a row lock in each of
//     its transactions at the target, and every change of an ownership row is on
//     the condition that it is still the same. Who takes over raises it first, so
//     a mover that was stopped and wakes does nothing any more.
//   - The target becomes active only from `incoming`, with the attempt, in the
//     transaction in which the mover has seen the source fenced. The source
//     becomes active again only after no such transaction can come any more:
//     either the one mover that could send it knows that it has not, or the
//     target's attempt was raised.
//   - Which tables move is read from the catalog, each time: every table of schema
//     data. One that is not understood is refused before anything begins.
package move
