// Package proof has no code of its own: its tests move partitions between
// shards while people write through a store.Store, break the mover, the shards
// and the gate, and then hold what was acknowledged against what is there.
//
//   - town_test.go makes shards, people and channels; load_test.go lets people
//     send, repeat, edit, delete, react, read and log in, each call repeated until
//     it is answered; check_test.go compares.
//   - hand_test.go is a mover made by hand, as simple as can be, against which
//     the checker itself is tried.
//   - matrix_test.go hits a mover, which is a process, at each of its steps
//     (mover_test.go); cycle_test.go grows and shrinks a system, and fills the disk
//     of a move's target.
//   - mutant_test.go breaks the gate and the copy in the three ways that lose
//     messages: the checker must notice each.
//
// The tests are bounded samples, drawn from a seed that they print; with
// GORI_TEST_LONG=1 they are the whole, and with GORI_SEED=N that seed's.
package proof
