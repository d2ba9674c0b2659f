// Package faults starts a system of its own for gori torture and breaks it: nodes,
// shards and movers are killed or frozen, the mesh and the ways to shards cut, a disk
// filled. It acts from outside, by signals and by what stands between the processes;
// only the faults of one step of a move are the process's own (AtSteps).
package faults
