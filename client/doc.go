// Package client speaks Gori's public protocol (docs/PROTOCOL.md): for bots,
// imports, benchmarks and tests. It imports nothing else of Gori.
//
// A Client is one login on one system; its methods are the HTTP calls. A Live
// is one device of that login on the socket: it connects where discover says,
// resumes, comes back after a loss with full-jitter back-off, sends through an
// outbox that survives reconnection (docs/PROTOCOL.md, close codes: after a drain
// at once, with jitter), and hands over the messages of each
// channel in order, without gaps and without doubles.
//
// Lifecycle: Client has no goroutines of its own. Connect starts one goroutine
// that reads; up to catchWorkers more run while a gap is being filled. Close,
// or the end of Connect's context, ends them all, and Close returns after they
// have ended.
//
// Everything is bounded: the outbox by number and bytes, a gap by
// LiveOptions.CatchUp, a frame by MaxFrame, an answer by maxAnswer.
package client
