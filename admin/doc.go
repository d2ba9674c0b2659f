// Package admin is what admins see of the ring, its shards and its reshards, and
// how their orders change it: what the admin page, the API and the reshard
// commands share. What it is told comes from the shards (store/board) and is kept
// for a moment, however many look; the nodes, or the command that asked, carry
// out what a Desk plans (shard/reshard).
package admin
