// Package reshard changes the ring while people chat: it agrees on the ring
// document and carries out what the document says.
//
// Register is the agreement: a compare-and-swap register over a majority of
// acceptors. Runner carries out a plan over a Backend. Neither knows SQL; both
// are tested by simulation. Package store/register keeps the acceptors' rows,
// package store/move moves partitions.
package reshard
