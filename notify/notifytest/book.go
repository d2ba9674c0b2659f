// Package notifytest keeps push devices in memory, for tests.
package notifytest

import (
	"context"
	"slices"
	"sync"

	"gori/chat"
	"gori/notify"
)

// Book is a notify.Book and notify.Vault in memory. Its zero value is ready.
// It knows no logins.
type Book struct {
	mu       sync.Mutex
	last     notify.DeviceID
	devices  []notify.Device
	settings map[chat.UserID]notify.Settings
	keys     *notify.KeyPair
}

// PushKeys implements notify.Vault.
func (b *Book) PushKeys(_ context.Context, fresh notify.KeyPair) (notify.KeyPair, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.keys == nil {
		b.keys = &fresh
	}
	return *b.keys, nil
}

// Devices implements notify.Book.
func (b *Book) Devices(_ context.Context, user chat.UserID) (notify.Settings, []notify.Device, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	set, ok := b.settings[user]
	if !ok {
		set = notify.DefaultSettings()
	}
	var list []notify.Device
	for _, d := range slices.Backward(b.devices) {
		if d.User == user {
			list = append(list, d)
		}
	}
	return set, list, nil
}

// SaveSettings implements notify.Book.
func (b *Book) SaveSettings(_ context.Context, user chat.UserID, s notify.Settings) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.settings == nil {
		b.settings = map[chat.UserID]notify.Settings{}
	}
	b.settings[user] = s
	return nil
}

// AddDevice implements notify.Book.
func (b *Book) AddDevice(_ context.Context, d notify.Device) (notify.Device, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	mine := func(o notify.Device) bool { return o.User == d.User }
	if i := slices.IndexFunc(b.devices, func(o notify.Device) bool { return mine(o) && o.Endpoint == d.Endpoint }); i >= 0 {
		d.ID, d.CreatedAt = b.devices[i].ID, b.devices[i].CreatedAt
		b.devices[i] = d
	} else {
		b.last++
		d.ID, d.CreatedAt = b.last, chat.Millis(b.last)
		b.devices = append(b.devices, d)
	}
	if d.Kind == notify.BotWebhook {
		b.devices = slices.DeleteFunc(b.devices, func(o notify.Device) bool { return mine(o) && o.Kind == notify.BotWebhook && o.ID != d.ID })
		return d, nil
	}
	over := -notify.MaxDevices
	for _, o := range b.devices {
		if mine(o) && o.Kind != notify.BotWebhook {
			over++
		}
	}
	b.devices = slices.DeleteFunc(b.devices, func(o notify.Device) bool {
		oldest := over > 0 && mine(o) && o.Kind != notify.BotWebhook && o.ID != d.ID
		if oldest {
			over--
		}
		return oldest
	})
	return d, nil
}

// RemoveDevice implements notify.Book.
func (b *Book) RemoveDevice(_ context.Context, user chat.UserID, id notify.DeviceID) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	before := len(b.devices)
	b.devices = slices.DeleteFunc(b.devices, func(d notify.Device) bool { return d.User == user && d.ID == id })
	if len(b.devices) == before {
		return chat.Errorf(chat.CodeNotFound, "there is no such device")
	}
	return nil
}

// Device implements notify.Book.
func (b *Book) Device(_ context.Context, user chat.UserID, id notify.DeviceID) (notify.Device, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, d := range b.devices {
		if d.User == user && d.ID == id {
			return d, nil
		}
	}
	return notify.Device{}, chat.Errorf(chat.CodeNotFound, "there is no such device")
}
