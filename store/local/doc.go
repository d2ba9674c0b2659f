// Package local runs PostgreSQL instances on this host: it makes them, starts
// them, restarts what dies and stops them in order.
//
// An Instance is one PostgreSQL server with its own folder. It listens on a
// Unix socket in a folder only its owner may enter, never on the network, and
// trusts whoever can reach that socket. A Cluster is the set of instances that
// `gori up` keeps in one data folder: it holds the folder's lock, remembers
// which shards it has, and supervises them.
//
// With standbys each shard is a pair of instances, a primary and its standby, by
// synchronous streaming. When the primary dies and a majority agrees in the ring
// document the standby takes over, and the dead one becomes the next standby.
//
// Ownership: every running server has one goroutine, bound to its own
// operating system thread, that starts it and waits for its end. The binding
// matters: the kernel's parent-death signal, which stops the server when this
// process is killed, fires when the starting *thread* ends. A second goroutine
// copies the server's log into a file of bounded size; it ends when the last
// process of the server has closed its standard error. Stop and Kill wait for
// both.
//
// PostgreSQL refuses to run as root. When this process is root the servers run
// as the user who already owns the data, else as `postgres`, else as `nobody`.
// They are handed their data folder as an open file, so it may lie below a
// folder that user cannot enter, such as /root.
package local
