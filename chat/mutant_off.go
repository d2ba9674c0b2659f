//go:build !mutant

package chat

// mutantRepairs leaves alone what nodes have not told each other; see
// mutant_on.go.
const mutantRepairs = false
