//go:build mutant

package store

import (
	"os"
	"strings"
)

// A build with the tag mutant breaks what GORI_MUTANT names: gori torture must
// find it. Only tests build it.
//
//	gate    the gate without its lock: seqs are taken from a row that nobody
//	        holds, and what then collides is dropped
//	ack     sends are acknowledged before their commit is on the disk
//	repair  what the fan-out between nodes loses is not looked for
var mutant = os.Getenv("GORI_MUTANT")

var mutantRepairs = mutant == "repair"

func mutated(sql string) string {
	switch mutant {
	case "gate":
		sql = strings.Replace(sql, " FOR NO KEY UPDATE", "", 1)
		for _, end := range []string{"FROM k WHERE verdict = 0\n), up", "FROM k WHERE fresh\n), up"} {
			sql = strings.Replace(sql, end, strings.Replace(end, "\n", " ON CONFLICT DO NOTHING\n", 1), 1)
		}
	case "ack":
		if sql == "SELECT control.gate($1)" {
			sql = "SELECT control.gate($1), set_config('synchronous_commit', 'off', true)"
		}
	}
	return sql
}
