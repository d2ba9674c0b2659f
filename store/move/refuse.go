package move

import (
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"gori/shard"
)

// RefusedError says why partitions cannot be moved.
type RefusedError struct{ Reasons []string }

func (e *RefusedError) Error() string {
	return "these shards cannot exchange partitions: " + strings.Join(e.Reasons, "; ")
}

// Because says it for programs.
func (e *RefusedError) Because() *shard.Cause {
	return &shard.Cause{Code: shard.CauseRefused}
}

// compareCatalogs says why what one shard keeps cannot be moved to the other.
func compareCatalogs(from, to shard.ID, src, dst []*table) []string {
	var reasons []string
	there := map[string]*table{}
	for _, t := range dst {
		there[t.name] = t
		for _, why := range t.trouble {
			reasons = append(reasons, fmt.Sprintf("shard %s: %s", to, why))
		}
	}
	for _, t := range src {
		for _, why := range t.trouble {
			reasons = append(reasons, fmt.Sprintf("shard %s: %s", from, why))
		}
		o := there[t.name]
		delete(there, t.name)
		if o == nil {
			reasons = append(reasons, fmt.Sprintf("shard %s: it has no table data.%s, and %s has", to, t.name, from))
		} else if diff := t.sameAs(o); diff != "" {
			reasons = append(reasons, fmt.Sprintf("shard %s: %s", to, diff))
		}
	}
	for _, t := range dst {
		if there[t.name] != nil {
			reasons = append(reasons, fmt.Sprintf("shard %s: it has no table data.%s, and %s has", from, t.name, to))
		}
	}
	return reasons
}

// major returns PostgreSQL's major version of a connection's server.
func major(conn *pgx.Conn) string {
	v, _, _ := strings.Cut(conn.PgConn().ParameterStatus("server_version"), ".")
	return v
}
