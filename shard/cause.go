package shard

// Cause is a reason as a code with parameters, so that whoever shows it finds
// words for it in any language. Text says it in English.
type Cause struct {
	Code CauseCode         `json:"code"`
	Args map[string]string `json:"args,omitempty"`
	Text string            `json:"text,omitempty"`
}

// CauseCode names a reason.
type CauseCode string

// Why a plan is paused, or why an attempt at a move ended.
const (
	CauseAborting CauseCode = "aborting"     // the plan is being aborted
	CauseUnserved CauseCode = "unserved"     // count, first: partitions that no shard serves
	CauseDiffers  CauseCode = "differs"      // partition, table, bucket, source, target
	CauseBudget   CauseCode = "fence_budget" // fenced_ms, budget_ms
	CauseBehind   CauseCode = "behind"       // dirty: changes come too fast to be followed
	CauseHeld     CauseCode = "held"         // partition: another mover has it
	CauseDiskFull CauseCode = "disk_full"
	CauseDown     CauseCode = "shard_down" // a shard does not answer, or the connection ended
	CauseStopped  CauseCode = "stopped"    // it was taken back since the plan changed or the mover ended
	CauseRefused  CauseCode = "refused"    // the shards cannot exchange partitions
	CauseOther    CauseCode = "other"      // only Text tells
)

// Why the ring is not changed.
const (
	CauseRingChanged CauseCode = "ring_changed"     // somebody else has changed it meanwhile
	CauseUnderway    CauseCode = "underway"         // id, kind, shard: a reshard is under way
	CauseNoPlan      CauseCode = "no_plan"          // no reshard is under way
	CauseNothingOld  CauseCode = "nothing_old"      // there is no map before this one
	CauseUnsettled   CauseCode = "unsettled"        // partitions are not where the map wants them
	CauseNoMajority  CauseCode = "no_majority"      // too few of those who keep the ring answer
	CauseUnsure      CauseCode = "unsure"           // it is not known whether the ring was changed
	CauseShardThere  CauseCode = "shard_there"      // shard
	CauseShardNone   CauseCode = "shard_unknown"    // shard
	CauseShardLeft   CauseCode = "shard_left"       // shard: it has left since
	CauseShardLast   CauseCode = "shard_last"       // shard: its data has nowhere to go
	CauseAddrTaken   CauseCode = "address_taken"    // shard
	CauseAddrSecret  CauseCode = "address_password" // an address must not hold one
	CauseAddrForm    CauseCode = "address_form"
)

// CauseCodes are all of them.
var CauseCodes = []CauseCode{CauseAborting, CauseUnserved, CauseDiffers, CauseBudget, CauseBehind, CauseHeld, CauseDiskFull, CauseDown, CauseStopped,
	CauseRefused, CauseOther, CauseRingChanged, CauseUnderway, CauseNoPlan, CauseNothingOld, CauseUnsettled, CauseNoMajority, CauseUnsure, CauseShardThere,
	CauseShardNone, CauseShardLeft, CauseShardLast, CauseAddrTaken, CauseAddrSecret, CauseAddrForm}

// What does not fit a shard.
const (
	seatThere = "is in the ring already"
	seatNone  = "is not in the ring"
	seatLeft  = "has left the ring since: add it again instead"
	seatLast  = "is the last one: its data has nowhere to go"
	seatAddr  = "has this address already"
)

// Because says it for programs.
func (e *SeatError) Because() *Cause {
	codes := map[string]CauseCode{seatThere: CauseShardThere, seatNone: CauseShardNone, seatLeft: CauseShardLeft, seatLast: CauseShardLast, seatAddr: CauseAddrTaken}
	code, ok := codes[e.Why]
	if !ok {
		code = CauseOther
	}
	return &Cause{Code: code, Args: map[string]string{"shard": string(e.Shard)}}
}

// Because says it for programs.
func (e *AddrError) Because() *Cause {
	if e.Why == addrSecret {
		return &Cause{Code: CauseAddrSecret}
	}
	return &Cause{Code: CauseAddrForm}
}

// Because says it for programs.
func (e *UnderwayError) Because() *Cause {
	return &Cause{Code: CauseUnderway, Args: map[string]string{"id": e.Plan.ID, "kind": string(e.Plan.Kind), "shard": string(e.Plan.Shard)}}
}
