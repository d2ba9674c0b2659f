package chattest

import (
	"context"

	"gori/chat"
)

// HidingFrom implements chat.Shy.
func (m *Memory) HidingFrom(_ context.Context, id chat.UserID) ([]chat.UserID, error) {
	defer m.lock()()
	var ids []chat.UserID
	for other := range m.users {
		if m.blocked(other, id) {
			ids = append(ids, other)
		}
	}
	return ids, nil
}
