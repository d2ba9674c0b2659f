package config

import (
	"errors"
	"reflect"
	"strings"

	"gori/shard"
)

// shardsFromText reads the form of GORI_SHARDS: NAME=DSN, separated by
// semicolons or line ends.
func shardsFromText(from, to reflect.Type, data any) (any, error) {
	if from.Kind() != reflect.String || to != reflect.TypeFor[[]Shard]() {
		return data, nil
	}
	shards, err := ParseShards(data.(string))
	return withStandbys(shards), err
}

// ParseShards reads instances by their names from lines, or parts between semicolons, of
// the form NAME=DSN. Its error shows nothing of them: a DSN may hold a password.
func ParseShards(text string) ([]Shard, error) {
	var shards []Shard
	for part := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ';' || r == '\n' }) {
		id, dsn, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok {
			// Not the part itself: it may hold a password.
			return nil, errors.New("shards are written NAME=DSN;NAME=DSN")
		}
		shards = append(shards, Shard{ID: id, DSN: dsn})
	}
	return shards, nil
}

// withStandbys makes of an entry NAME.2 the standby of NAME.
func withStandbys(list []Shard) []Shard {
	var shards []Shard
	second := map[string]string{}
	for _, s := range list {
		if name, is := strings.CutSuffix(s.ID, shard.SecondSuffix); is {
			second[name] = s.DSN
			continue
		}
		shards = append(shards, s)
	}
	for i, s := range shards {
		shards[i].Standby = second[s.ID]
		delete(second, s.ID)
	}
	for name, dsn := range second { // of no shard: the check says so
		shards = append(shards, Shard{ID: name + shard.SecondSuffix, DSN: dsn})
	}
	return shards
}

// ShardsText writes shards as the variable GORI_SHARDS has them; a standby is NAME.2.
func ShardsText(shards []Shard) string {
	var parts []string
	for _, s := range shards {
		parts = append(parts, s.ID+"="+s.DSN)
		if s.Standby != "" {
			parts = append(parts, s.ID+shard.SecondSuffix+"="+s.Standby)
		}
	}
	return strings.Join(parts, "\n")
}
