//go:build mutant

package chat

import "os"

// mutantRepairs is the mutant repair of store/mutant_on.go: gori torture must
// find it. Only tests build it.
var mutantRepairs = os.Getenv("GORI_MUTANT") == "repair"
