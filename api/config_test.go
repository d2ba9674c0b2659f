package api

import (
	"context"
	"errors"
	"strings"
	"testing"

	"gori/chat"
)

// lostFounder is a store that cannot tell whether there is an account.
type lostFounder struct{ chat.Accounts }

func (lostFounder) Founded(context.Context) (bool, error) {
	return false, chat.Retryable(chat.CodeShardDown, 0, errors.New("down"), "its shard is down")
}

func TestConfigTellsOfTheFirstAccountWhenItCan(t *testing.T) {
	ask := func(sys *system) string { return string(sys.must(actor{}, "GET", "/config", nil).body) }
	if body := ask(newSystem(t, nil)); !strings.Contains(body, `"founded":`) {
		t.Errorf("a system that can tell said %s", body)
	}
	sys := newSystem(t, func(_ *Config, d *chat.PeopleDeps) { d.Accounts = lostFounder{d.Accounts} })
	if body := ask(sys); strings.Contains(body, "founded") {
		t.Errorf("a system that cannot tell said %s", body)
	}
}
