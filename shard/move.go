package shard

import "fmt"

// MoveState is how far the move of one partition has come.
type MoveState string

// The states of a move, in order. Up to Fenced the source serves the
// partition, and the move can be taken back; Switched is the commit point.
const (
	Planned   MoveState = "planned"   // in the new Map; nobody works on it
	Claimed   MoveState = "claimed"   // one attempt has taken it up
	Copying   MoveState = "copying"   // rows are being copied; changed keys are noted
	Following MoveState = "following" // noted keys are being copied again
	Verified  MoveState = "verified"  // digests of both sides were equal
	Fenced    MoveState = "fenced"    // the source refuses writes, for milliseconds
	Switched  MoveState = "switched"  // the target is active
	Forwarded MoveState = "forwarded" // the source points to the target
	Cleaned   MoveState = "cleaned"   // the source has dropped its copy
)

// moveSteps holds for each state what may follow. A failed attempt before the
// commit point goes back to Planned and is claimed anew; a fence that takes too
// long, and digests that differ, go back to Following. After the commit point
// there is only forward: going back is another move.
var moveSteps = map[MoveState][]MoveState{
	Planned:   {Claimed},
	Claimed:   {Copying, Planned},
	Copying:   {Following, Planned},
	Following: {Verified, Planned},
	Verified:  {Fenced, Following, Planned},
	Fenced:    {Switched, Following, Planned},
	Switched:  {Forwarded},
	Forwarded: {Cleaned},
	Cleaned:   nil,
}

// To returns the next state, or an error when s may not become next.
func (s MoveState) To(next MoveState) (MoveState, error) {
	for _, legal := range moveSteps[s] {
		if legal == next {
			return next, nil
		}
	}
	return s, fmt.Errorf("a move cannot go from %q to %q", s, next)
}

// Committed says whether the target owns the partition.
func (s MoveState) Committed() bool { return s == Switched || s == Forwarded || s == Cleaned }
