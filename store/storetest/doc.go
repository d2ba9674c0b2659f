// Package storetest gives tests a real PostgreSQL.
//
// DSN hands each test its own fresh, empty database on a server that all tests
// of a process share; it is made on first use, in a temporary folder, without
// fsync, reachable through a Unix socket only. With GORI_TEST_PG set to the
// socket folder of a running server, that one is used instead.
//
// StartInstance hands a test a durable server of its own, which it may kill and
// start again.
//
// A missing PostgreSQL fails the test with the command that installs it. Tests
// never skip for it.
//
// The shared server outlives the tests and ends with the process: a small
// watcher process, which notices the end even of a killed test binary, stops
// it and removes its folder.
package storetest
