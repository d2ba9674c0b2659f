// Package torture breaks a system while people use it, and then checks what
// Gori promises (docs/ARCHITECTURE.md, P1 to P8). It speaks the public protocol
// through package client; what it does to processes and networks it asks of a
// System.
//
// A run makes people, channels and devices, lets them talk, edit, delete, react,
// read, join and leave, and meanwhile injects faults by a plan. Then it heals
// everything, waits until all sends are settled and all devices agree with the
// server, or patience ends, and compares: acknowledgements with history, history
// with every device, unread numbers with a recount, deliveries with membership,
// presence with sessions.
//
// The plan and what people want to do follow from the seed alone; what comes of
// it depends on time.
//
// Run starts goroutines and has them all ended when it returns. What it keeps is
// bounded by the rate and the length of the run.
package torture
