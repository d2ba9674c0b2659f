// Package notify decides who gets a push for a message they did not see, and
// sends it.
//
// A message reaches a push in three steps, each durable on the user's home
// shard before the next begins, so a node may die between any two of them:
//
//   - A wake: the transaction that brings an inbox up to date notes that a user
//     with a device has news in a channel (store/push_wake.go). One row a
//     channel, however many messages; it is due after a grace.
//   - A job: the Notifier of any node takes wakes that are due. Who is there,
//     has read elsewhere, wants no such pushes or has quiet hours needs none;
//     a wake of someone else becomes a job for each device (decide.go).
//   - An attempt: a job is leased, what it tells is read as that user
//     (compose.go), the attempt is recorded, and then made (send.go). An
//     attempt whose outcome nobody knows is not made again: a device is told
//     of a message at most once. What was surely not taken is tried again,
//     with growing pauses.
//
// A bot's webhook is the exception: it is told of every message that concerns
// the bot, in the order of each channel, at least once.
//
// A Notifier is made by New and runs in Run, which owns all goroutines and
// waits for them. Its other methods may be called from any goroutine at any
// time.
package notify
