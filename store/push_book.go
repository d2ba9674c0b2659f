package store

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/chat"
	"gori/notify"
	"gori/shard"
)

var (
	_ notify.Book  = (*Store)(nil)
	_ notify.Vault = (*Store)(nil)
)

// pushKeysKey is the row of data.singletons with the key pair of pushes.
const pushKeysKey = "push_keys"

// PushKeys returns the kept pair, or keeps the given one: one row decides.
func (s *Store) PushKeys(ctx context.Context, fresh notify.KeyPair) (notify.KeyPair, error) {
	p := shard.OfName(pushKeysKey)
	var kept notify.KeyPair
	err := s.write(ctx, p, func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO data.singletons (partition, key, value) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
			p, pushKeysKey, fresh)
		if err != nil {
			return err
		}
		return tx.QueryRow(ctx, `SELECT value FROM data.singletons WHERE partition = $1 AND key = $2`, p, pushKeysKey).Scan(&kept)
	})
	return kept, err
}

const deviceColumns = `d.device_id, d.login_id, d.kind, d.name, d.endpoint, d.p256dh, d.auth, d.secret, d.created_at, d.last_ok_at, d.failures`

// deviceScan receives deviceColumns.
type deviceScan struct {
	d       notify.Device
	created time.Time
	ok      *time.Time
}

func (r *deviceScan) fields() []any {
	d := &r.d
	return []any{&d.ID, &d.Login, &d.Kind, &d.Name, &d.Endpoint, &d.P256dh, &d.Auth, &d.Secret, &r.created, &r.ok, &d.Failures}
}

func (r *deviceScan) device(user chat.UserID) notify.Device {
	d := r.d
	d.User, d.CreatedAt = user, chat.MillisOf(r.created)
	if r.ok != nil {
		d.LastOKAt = chat.MillisOf(*r.ok)
	}
	if u, err := url.Parse(d.Endpoint); err == nil {
		d.Host = u.Host
	}
	return d
}

// Devices reads settings and devices of a user.
func (s *Store) Devices(ctx context.Context, user chat.UserID) (notify.Settings, []notify.Device, error) {
	var settings notify.Settings
	var devices []notify.Device
	err := s.read(ctx, shard.Of(user), func(ctx context.Context, q querier) error {
		settings, devices = notify.DefaultSettings(), nil
		err := q.QueryRow(ctx, `SELECT hide_body, quiet_from, quiet_to, zone FROM data.push_settings WHERE partition = $1 AND user_id = $2`,
			shard.Of(user), user).Scan(&settings.HideBody, &settings.QuietFrom, &settings.QuietTo, &settings.Zone)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		rows, err := q.Query(ctx, `SELECT `+deviceColumns+` FROM data.push_devices d WHERE d.partition = $1 AND d.user_id = $2
			ORDER BY d.created_at DESC, d.device_id DESC`, shard.Of(user), user)
		if err != nil {
			return err
		}
		var r deviceScan
		_, err = pgx.ForEachRow(rows, r.fields(), func() error {
			devices = append(devices, r.device(user))
			return nil
		})
		return err
	})
	return settings, devices, err
}

// Device reads one device with its keys.
func (s *Store) Device(ctx context.Context, user chat.UserID, id notify.DeviceID) (notify.Device, error) {
	var r deviceScan
	err := s.read(ctx, shard.Of(user), func(ctx context.Context, q querier) error {
		err := q.QueryRow(ctx, `SELECT `+deviceColumns+` FROM data.push_devices d
			WHERE d.partition = $1 AND d.user_id = $2 AND d.device_id = $3`, shard.Of(user), user, id).Scan(r.fields()...)
		return orNotFound(err, chat.CodeNotFound, noDevice)
	})
	if err != nil {
		return notify.Device{}, err
	}
	return r.device(user), nil
}

const noDevice = "there is no such device"

// SaveSettings replaces a user's settings.
func (s *Store) SaveSettings(ctx context.Context, user chat.UserID, set notify.Settings) error {
	return s.write(ctx, shard.Of(user), func(ctx context.Context, tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO data.push_settings (partition, user_id, hide_body, quiet_from, quiet_to, zone)
			VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (partition, user_id) DO UPDATE SET hide_body = excluded.hide_body,
			quiet_from = excluded.quiet_from, quiet_to = excluded.quiet_to, zone = excluded.zone`,
			shard.Of(user), user, set.HideBody, set.QuietFrom, set.QuietTo, set.Zone)
		return err
	})
}

// AddDevice keeps a device. The lock of the user's row makes the limits hold
// for devices added at once, and a login is ended before or after.
func (s *Store) AddDevice(ctx context.Context, d notify.Device) (notify.Device, error) {
	home, now := shard.Of(d.User), s.now()
	hash := sha256.Sum256([]byte(d.Endpoint))
	err := s.write(ctx, home, func(ctx context.Context, tx pgx.Tx) error {
		if err := lockLogin(ctx, tx, d.User, d.Login); err != nil {
			return err
		}
		var r deviceScan
		err := tx.QueryRow(ctx, `INSERT INTO data.push_devices AS d (partition, user_id, device_id, login_id, kind, name, endpoint, endpoint_hash,
				p256dh, auth, secret, created_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
			ON CONFLICT (partition, user_id, endpoint_hash) DO UPDATE SET login_id = excluded.login_id, kind = excluded.kind, name = excluded.name,
				p256dh = excluded.p256dh, auth = excluded.auth, secret = excluded.secret, failures = 0
			RETURNING `+deviceColumns,
			home, d.User, newID(now), d.Login, d.Kind, d.Name, d.Endpoint, hash[:], notNil(d.P256dh), notNil(d.Auth), notNil(d.Secret), now).
			Scan(r.fields()...)
		if err != nil {
			return err
		}
		d = r.device(d.User)
		if d.Kind == notify.BotWebhook {
			return beginBotWebhook(ctx, tx, d)
		}
		return dropDevices(ctx, tx, d.User, `d.kind <> 3 AND d.device_id IN (SELECT device_id FROM data.push_devices
			WHERE partition = $1 AND user_id = $2 AND kind <> 3 AND device_id <> $3
			ORDER BY coalesce(last_ok_at, created_at) DESC, device_id DESC OFFSET $4)`, d.ID, notify.MaxDevices-1)
	})
	return d, err
}

// lockLogin locks an account, and keeps a login of it from ending before the
// transaction does. CodeUnauthenticated if either has ended already.
func lockLogin(ctx context.Context, tx pgx.Tx, user chat.UserID, login chat.LoginID) error {
	var alive bool
	err := tx.QueryRow(ctx, `SELECT NOT disabled FROM data.users WHERE partition = $1 AND user_id = $2 FOR NO KEY UPDATE`,
		shard.Of(user), user).Scan(&alive)
	if err == nil && alive && login != 0 {
		err = tx.QueryRow(ctx, `SELECT true FROM data.logins WHERE partition = $1 AND user_id = $2 AND login_id = $3 FOR KEY SHARE`,
			shard.Of(user), user, login).Scan(&alive)
	}
	if errors.Is(err, pgx.ErrNoRows) || err == nil && !alive {
		return chat.Errorf(chat.CodeUnauthenticated, "log in first")
	}
	return err
}

// beginBotWebhook makes the device the bot's only one of its kind. It is told
// of what comes from now on: its place in each channel is where the bot's
// inbox stands.
func beginBotWebhook(ctx context.Context, tx pgx.Tx, d notify.Device) error {
	err := dropDevices(ctx, tx, d.User, `d.kind = 3 AND d.device_id <> $3`, d.ID)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `INSERT INTO data.push_jobs (partition, user_id, channel_id, device_id, seq, sent_seq)
		SELECT i.partition, i.user_id, i.channel_id, $3, i.last_seq, i.last_seq FROM data.inbox i
		WHERE i.partition = $1 AND i.user_id = $2 AND i.member ON CONFLICT DO NOTHING`, shard.Of(d.User), d.User, d.ID)
	return err
}

// dropDevices removes a user's devices that match a condition on d, whose
// arguments begin with $3, and what was to be sent to them.
func dropDevices(ctx context.Context, tx pgx.Tx, user chat.UserID, where string, args ...any) error {
	_, err := tx.Exec(ctx, `WITH gone AS (DELETE FROM data.push_devices d WHERE d.partition = $1 AND d.user_id = $2 AND `+where+`
			RETURNING d.device_id)
		DELETE FROM data.push_jobs j USING gone WHERE j.partition = $1 AND j.user_id = $2 AND j.device_id = gone.device_id`,
		append([]any{shard.Of(user), user}, args...)...)
	return err
}

// endLoginDevices removes the devices that go with logins that end, in their
// transaction.
func endLoginDevices(ctx context.Context, tx pgx.Tx, user chat.UserID, ended []chat.LoginID) error {
	if len(ended) == 0 {
		return nil
	}
	return dropDevices(ctx, tx, user, `d.login_id = ANY ($3)`, int64s(ended))
}

// RemoveDevice removes one device.
func (s *Store) RemoveDevice(ctx context.Context, user chat.UserID, id notify.DeviceID) error {
	return s.write(ctx, shard.Of(user), func(ctx context.Context, tx pgx.Tx) error {
		var there bool
		err := tx.QueryRow(ctx, `SELECT true FROM data.push_devices WHERE partition = $1 AND user_id = $2 AND device_id = $3 FOR UPDATE`,
			shard.Of(user), user, id).Scan(&there)
		if err != nil {
			return orNotFound(err, chat.CodeNotFound, noDevice)
		}
		return dropDevices(ctx, tx, user, `d.device_id = $3`, id)
	})
}

func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
