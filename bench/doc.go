// Package bench measures a system from outside, through package client only,
// as good clients would use it: they go on through lost connections.
//
// A workload makes its people, connects them, warms up, measures for some
// seconds, stops sending, waits until everything acknowledged has arrived
// everywhere, and then compares each channel's history with what was
// acknowledged. A figure counts only if nothing was lost, doubled or reordered.
//
// Every message carries its sender's running number in its client_msg_id, so
// receivers notice each missing, repeated and overtaking message exactly, and
// times are taken in this one process. The process shares the machine with the
// server: CPU is read from /proc and told apart.
//
// Run starts goroutines and has them all ended when it returns.
package bench
