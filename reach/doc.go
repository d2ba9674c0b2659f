// Package reach finds the shards of a system: from those that are configured by the
// ring document to all of them, by the addresses that are known on this host; and
// brings them to the schema of this program.
package reach
