package store

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"unicode"

	"github.com/jackc/pgx/v5"

	"gori/chat"
)

// Find searches login names and display names by prefix, over all shards at
// once. A shard that does not answer in time makes the result partial. Disabled
// accounts are not found. Those named exactly so come first.
func (s *Store) Find(ctx context.Context, prefix string, limit int) ([]chat.User, bool, error) {
	form := searchForm(strings.TrimSpace(prefix))
	if form == "" {
		return []chat.User{}, false, nil
	}
	limit = min(max(limit, 1), chat.MaxUserSearchPage)
	ctx, cancel := context.WithTimeout(ctx, s.cfg.FindTimeout)
	defer cancel()
	var mu sync.Mutex
	found := []chat.User{}
	failed := s.readEach(ctx, func(ctx context.Context, q querier) error {
		users, err := findHere(ctx, q, form, limit)
		mu.Lock()
		defer mu.Unlock()
		found = append(found, users...)
		return err
	})
	rank := func(u chat.User) int {
		if u.LoginName == form || searchForm(u.DisplayName) == form {
			return 0
		}
		return 1
	}
	slices.SortFunc(found, func(a, b chat.User) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a.LoginName, b.LoginName), cmp.Compare(a.ID, b.ID))
	})
	found = slices.CompactFunc(found, func(a, b chat.User) bool { return a.ID == b.ID })
	return found[:min(len(found), limit)], failed > 0, nil
}

// findHere takes the first of one shard by each of the two indexes, which are in
// the order of bytes: what begins with form lies from form to form and the
// greatest character.
func findHere(ctx context.Context, q querier, form string, limit int) ([]chat.User, error) {
	rows, err := q.Query(ctx, `WITH hit AS (
			(SELECT partition, user_id FROM data.login_names WHERE name ~>=~ $1 AND name ~<~ $3 AND `+servedHere+`
				ORDER BY name USING ~<~ LIMIT $2)
			UNION
			(SELECT partition, user_id FROM data.users WHERE search_name ~>=~ $1 AND search_name ~<~ $3 AND NOT disabled AND `+servedHere+`
				ORDER BY search_name USING ~<~ LIMIT $2))
		SELECT `+userColumns+` FROM hit JOIN data.users u USING (partition, user_id)
		WHERE NOT u.disabled`, form, limit, form+string(unicode.MaxRune))
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scanUser)
}
