// Package register keeps the ring document: a row on each shard
// (control.ring_acceptor) and, for those who want one, a witness file on a
// node. How its keepers agree is package reshard's; here is what each of them
// must never forget.
package register
