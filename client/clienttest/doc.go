// Package clienttest is a small system in memory that speaks enough of the
// public protocol to test programs built on package client: accounts, direct
// channels and groups, sends, history, changes, inbox and imports, with faults
// on demand. It is for tests only: nothing is checked that honest clients do
// not need.
package clienttest
