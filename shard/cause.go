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

// CauseCodes are all of them.
var CauseCodes = []CauseCode{CauseAborting, CauseUnserved, CauseDiffers, CauseBudget, CauseBehind, CauseHeld, CauseDiskFull, CauseDown, CauseStopped,
	CauseRefused, CauseOther}
