// Package chat decides what may be said, by whom and in which order, and which
// live sessions hear it.
//
// It knows no SQL, no shards and no sockets. What it needs from them it
// declares as small interfaces in ports.go, which package store (rows) and
// package api (connections) implement; package main connects them.
//
// Ownership of goroutines:
//
//   - Each Session has one goroutine, its read loop, started and awaited by the
//     connection's owner in package api. A flush runs in a goroutine of its own
//     only while frames are queued; the session waits for it before it ends.
//   - The Service runs its background work (delivery of inbox notices, typing
//     expiry) in goroutines started by Service.Run, which returns when its
//     context ends and all of them have stopped.
//
// The path of one message through this package: Session.readLoop decodes the
// frame, Service.Send validates it and appends it to the Log, Service.fanOut
// finds who should hear it, Hub.Deliver queues the encoded frame on each live
// session, Session.flush writes what is queued.
package chat
