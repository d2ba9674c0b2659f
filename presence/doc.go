// Package presence knows who is here: online, away or offline, and on which
// node, from heartbeats and grace, and tells those who want to hear.
//
// A Tracker is the truth of the whole system as seen from one node. Of this
// node's sessions it is told by chat as they come, beat and go (it implements
// chat.Attendance); of the others' by their Trackers (Gossip), through Peers.
// All its methods are short work on memory under one mutex and never wait for
// anything. Whatever does wait, telling people and nodes and keeping
// last_active_at, happens in the goroutines of Run, which its caller starts and
// awaits.
//
// What a node says of a user is one word (word.go); the greatest of all wins, so
// it does not matter in which order nodes are heard. A table (table.go) holds
// what the others say; digests of its buckets find what the mesh has dropped
// (gossip.go hears, spread.go tells). Users of a node that is gone are in grace.
// A node that has just begun remembers no grace: it is unsure (unsure.go).
//
// Who hears of a user: the user's friends who are here themselves (kin.go), and
// sessions that have a channel of the user's open (Watch), each as far as the
// user wants to be seen (shown.go). A change is told once a batch; batches are
// made every BatchEvery.
package presence
