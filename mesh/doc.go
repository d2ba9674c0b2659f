// Package mesh carries what nodes tell each other: tidings of package chat and
// the gossip of package presence, over core NATS, embedded in each node.
//
// It is a doorbell, never the truth. What is sent may be lost: when a queue is
// full, a route is down, or a node is frozen. Every message between two nodes
// is numbered and every beat carries the last number, so that the receiver
// knows within a beat that it has missed something and has its chat look
// (chat.Listener.Missed). Presence compares digests by itself.
//
// A node has peers, the live nodes it has a beat of. Beats go every
// chat.NodeBeatEvery, directly to each peer; a peer silent for
// chat.NodeDeadAfter is gone. Who is not known yet is found by a short
// announcement to all, which is answered by a beat. Times are taken from the
// monotonic clock of the node that listens; nobody's wall clock matters.
//
// Lifecycle: Open starts the server, or connects to one. Run beats, sends and
// hears until its ctx ends, says goodbye, and has stopped everything when it
// returns. A Mesh that is opened but never run is ended by Close.
//
// Ownership: the table of peers and their queues is guarded by Mesh.mu, which
// is held for short work on memory only. What is heard is passed on under
// Mesh.hearing, so that chat and presence hear of one thing after the other,
// and of a node before what it says. Sending never waits: it appends to the
// peer's queue, which the one goroutine of Run empties.
package mesh
