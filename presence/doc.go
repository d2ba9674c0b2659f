// Package presence knows who is here: online, away or offline, from heartbeats
// and grace, and tells those who want to hear.
//
// A Tracker is the truth of one node, told by chat of sessions that come, beat
// and go (it implements chat.Attendance). All its methods are short work on
// memory under one mutex and never wait for anything. Whatever does wait,
// telling people and keeping last_active_at, happens in the one goroutine of
// Run, which its caller starts and awaits.
//
// Who hears of a user: the user's friends who are here themselves, and
// sessions that have a channel of the user's open (Watch). A user who is told
// of is told once a batch; batches are made every BatchEvery.
//
// What a user's state becomes is a pure table, in status.go. With several
// nodes the same table is fed by what the other nodes say of their sessions.
package presence
