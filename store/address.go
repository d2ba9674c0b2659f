package store

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5"
)

// UserOf returns the user that an address logs in as.
func UserOf(dsn string) (string, error) {
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		return "", err
	}
	return cfg.User, nil
}

// AsUser is an address with another user, and without the password of the one
// it had: that of the new one comes from PGPASSFILE.
func AsUser(dsn, user string) (string, error) {
	if !strings.Contains(dsn, "://") {
		// The last of several values counts.
		out := dsn + " user=" + user
		cfg, err := pgx.ParseConfig(out)
		if err == nil && cfg.User != user {
			err = fmt.Errorf("the address cannot be given the user %s", user)
		}
		return out, err
	}
	u, err := url.Parse(dsn)
	if err != nil {
		return "", fmt.Errorf("an address of a shard is no URL") // not the URL itself: it may hold a password
	}
	q := u.Query()
	q.Del("user")
	q.Del("password")
	u.User, u.RawQuery = url.User(user), q.Encode()
	return u.String(), nil
}
