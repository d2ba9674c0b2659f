package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/jackc/pgx/v5"

	"gori/store/schema"
)

// AppRole is the PostgreSQL role that nodes should log in as. It may read and
// write rows, and nothing else: no table can be made, altered, truncated or
// freed of its guard by it, the audit log only grows, and who owns which
// partition is not its to change. Migrate makes it and keeps its rights up to
// date when the role it connects as may make roles; where not, nodes run with
// the rights of the address they were given.
const AppRole = "gori_app"

// MoverRole is the PostgreSQL role of those who move partitions: it may read and
// write all rows and say who owns what, and change no table.
const MoverRole = "gori_mover"

// sqlRoles tolerates another database of the same server doing it just now.
const sqlRoles = `DO $$
DECLARE
	r text;
BEGIN
	FOREACH r IN ARRAY ARRAY['` + AppRole + `', '` + MoverRole + `'] LOOP
		IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = r) THEN
			EXECUTE format('CREATE ROLE %I LOGIN', r);
		END IF;
	END LOOP;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$`

const sqlAppRights = `
	GRANT USAGE ON SCHEMA data, control TO ` + AppRole + `;
	GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA data TO ` + AppRole + `;
	REVOKE UPDATE, DELETE ON data.audit FROM ` + AppRole + `;
	GRANT SELECT ON ALL TABLES IN SCHEMA control TO ` + AppRole + `;
	GRANT SELECT ON ` + schema.VersionTable + ` TO PUBLIC;
	GRANT INSERT, UPDATE, DELETE ON control.fanout_pending, control.partition_dirty TO ` + AppRole + `;
	GRANT USAGE ON ALL SEQUENCES IN SCHEMA data, control TO ` + AppRole

const sqlMoverRights = `;
	GRANT USAGE ON SCHEMA data, control TO ` + MoverRole + `;
	GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA data, control TO ` + MoverRole + `;
	GRANT EXECUTE ON FUNCTION control.learn_size(text) TO ` + MoverRole + `;
	GRANT USAGE ON ALL SEQUENCES IN SCHEMA data, control TO ` + MoverRole

// rightsLock serialises those who give rights: advisory lock (79, rightsLock).
const rightsLock = 1

// rightsMark is noted on the database once the rights are those of this
// program, so that a start need not give them again.
func rightsMark() string {
	sum := sha256.Sum256([]byte(fmt.Sprint(KnownSchema(), sqlRoles, sqlAppRights, sqlMoverRights)))
	return "rights " + hex.EncodeToString(sum[:8])
}

// grantRoles makes the roles for nodes and gives them their rights on this
// database, unless they have them.
func grantRoles(ctx context.Context, conn *pgx.Conn) error {
	const look = `SELECT (SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user),
		coalesce(obj_description('control'::regnamespace, 'pg_namespace') = $1, false) AND 2 = (SELECT count(*) FROM pg_roles WHERE rolname IN ($2, $3))`
	var may, done bool
	if err := conn.QueryRow(ctx, look, rightsMark(), AppRole, MoverRole).Scan(&may, &done); err != nil || !may || done {
		return err
	}
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1, $2)", schema.Lock, rightsLock); err != nil {
		return err
	}
	defer func() {
		_, _ = conn.Exec(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock($1, $2)", schema.Lock, rightsLock)
	}()
	if _, err := conn.Exec(ctx, sqlRoles); err != nil {
		return fmt.Errorf("make the roles %s and %s: %w", AppRole, MoverRole, err)
	}
	// Statement lists without arguments: they are for the schema's owner only.
	list := sqlAppRights + sqlMoverRights + "; COMMENT ON SCHEMA control IS '" + rightsMark() + "'"
	if _, err := conn.PgConn().Exec(ctx, list).ReadAll(); err != nil {
		return fmt.Errorf("give the roles %s and %s their rights: %w", AppRole, MoverRole, err)
	}
	return nil
}
