// Package chat decides what may be said, by whom and in which order, and which
// live sessions hear it.
//
// It knows no SQL, no shards and no sockets. What it needs from them it
// declares as small interfaces in ports.go, which package store (rows) and
// package api (connections) implement; package main connects them:
//
//	hub := chat.NewHub(chat.HubConfig{})
//	svc, err := chat.NewService(chat.Deps{Log: …, Hub: hub, …})
//	people, err := chat.NewPeople(chat.PeopleDeps{Accounts: …, Service: svc, …})
//	go svc.Run(ctx); go people.Run(ctx)   // return when ctx ends and all has stopped
//	svc.NewSession(who, conn).Run(ctx)    // one goroutine for each connection
//
// The path of one message through this package: Session.readLoop reads the
// frame and decodes it (codec.go), Service.Send (send.go) validates it and
// appends it to the Log, the channel's lane (lane.go) puts messages in seq
// order, Service.fanOut finds who should hear it, Hub.Deliver queues the
// encoded frame on each live session, Session.flush writes what is queued.
//
// # Ownership of goroutines
//
//   - Each Session has one goroutine of its own, which runs Session.Run and is
//     owned by package api. Others exist only while they have work: a flush
//     while frames are queued, one for each channel with sends in flight
//     (session_send.go), one for reads and opens (session_side.go). Run waits
//     for all of them.
//   - Frames are handled on borrowed goroutines (worker.go), so that the stack
//     of a silent session stays small. The last session ends the idle ones.
//   - The delivery of a channel runs in a goroutine while something is ready;
//     Service.Run waits for these after its context has ended.
//   - Service.Run also runs the hub (silence, inbox notices) and passes read
//     marks on. PeopleService.Run writes the last use of logins.
//
// # What reaches a session
//
// Everything goes through the session's bounded queue; to put something there
// never waits. A full queue ends the session as slow: it resumes from its
// inbox, which holds everything. Light frames go first. What is dropped is
// counted by reason (drop.go).
//
// After a removal, logout or password change is acknowledged, nothing reaches
// that user or session: Hub.Expel takes back what is queued, the member version
// keeps old lists from being used, and logins that have just ended cannot
// connect (hub_close.go).
package chat
