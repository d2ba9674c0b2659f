package store

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// AppRole is the PostgreSQL role that nodes should log in as. It may read and
// write rows, and nothing else: no table can be made, altered, truncated or
// freed of its guard by it, the audit log only grows, and who owns which
// partition is not its to change. Migrate makes it and keeps its rights up to
// date when the role it connects as may make roles; where not, nodes run with
// the rights of the address they were given.
const AppRole = "gori_app"

const sqlMayMakeRoles = "SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user"

// sqlAppRole tolerates another database of the same server doing it just now.
const sqlAppRole = `DO $$ BEGIN
	IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '` + AppRole + `') THEN
		CREATE ROLE ` + AppRole + ` LOGIN;
	END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$`

const sqlAppRights = `
	GRANT USAGE ON SCHEMA data, control TO ` + AppRole + `;
	GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA data TO ` + AppRole + `;
	REVOKE UPDATE, DELETE ON data.audit FROM ` + AppRole + `;
	GRANT SELECT ON ALL TABLES IN SCHEMA control TO ` + AppRole + `;
	GRANT INSERT, UPDATE, DELETE ON control.fanout_pending, control.partition_dirty TO ` + AppRole + `;
	GRANT USAGE ON ALL SEQUENCES IN SCHEMA data, control TO ` + AppRole

// grantApp makes the role for nodes and gives it its rights on this database.
func grantApp(ctx context.Context, conn *pgx.Conn) error {
	var may bool
	if err := conn.QueryRow(ctx, sqlMayMakeRoles).Scan(&may); err != nil {
		return err
	}
	if !may {
		return nil
	}
	if _, err := conn.Exec(ctx, sqlAppRole); err != nil {
		return fmt.Errorf("make the role %s: %w", AppRole, err)
	}
	// One statement list without arguments: it is for the schema's owner only.
	if _, err := conn.PgConn().Exec(ctx, sqlAppRights).ReadAll(); err != nil {
		return fmt.Errorf("give the role %s its rights: %w", AppRole, err)
	}
	return nil
}
