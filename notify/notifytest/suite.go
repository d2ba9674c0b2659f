package notifytest

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"gori/chat"
	"gori/notify"
)

// Suite holds a Book and Vault to their contract. It is run on the one in
// memory and on the real one, so the fake cannot lie. user makes an account.
func Suite(t *testing.T, book interface {
	notify.Book
	notify.Vault
}, user func(name string) chat.UserID) {
	ctx := context.Background()
	ann, bob := user("ann"), user("bob")
	add := func(t *testing.T, d notify.Device) notify.Device {
		t.Helper()
		got, err := book.AddDevice(ctx, d)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	list := func(t *testing.T, u chat.UserID) (notify.Settings, []notify.Device) {
		t.Helper()
		set, devices, err := book.Devices(ctx, u)
		if err != nil {
			t.Fatal(err)
		}
		return set, devices
	}

	t.Run("the first key pair is kept", func(t *testing.T) {
		pairs := make([]notify.KeyPair, 8)
		var wg sync.WaitGroup
		for i := range pairs {
			wg.Go(func() {
				var err error
				if pairs[i], err = book.PushKeys(ctx, notify.KeyPair{Public: fmt.Sprint("p", i), Private: fmt.Sprint("s", i)}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for _, p := range pairs {
			if p != pairs[0] || p.Public[1:] != p.Private[1:] {
				t.Errorf("pairs %v", pairs)
			}
		}
	})
	t.Run("settings", func(t *testing.T) {
		want := notify.Settings{HideBody: true, QuietFrom: 1, QuietTo: 2, Zone: "Asia/Seoul"}
		if set, _ := list(t, ann); set != notify.DefaultSettings() {
			t.Errorf("at first %+v", set)
		}
		if err := book.SaveSettings(ctx, ann, want); err != nil {
			t.Fatal(err)
		}
		if set, _ := list(t, ann); set != want {
			t.Errorf("saved %+v", set)
		}
		if set, _ := list(t, bob); set != notify.DefaultSettings() {
			t.Errorf("another's %+v", set)
		}
	})
	t.Run("the same endpoint is the same device", func(t *testing.T) {
		first := add(t, notify.Device{User: ann, Kind: notify.WebPush, Name: "a", Endpoint: "https://push.example/1", P256dh: []byte{1}, Auth: []byte{2}})
		again := add(t, notify.Device{User: ann, Kind: notify.WebPush, Name: "b", Endpoint: "https://push.example/1", P256dh: []byte{3}, Auth: []byte{4}})
		other := add(t, notify.Device{User: bob, Kind: notify.WebPush, Endpoint: "https://push.example/1"})
		got, err := book.Device(ctx, ann, first.ID)
		if err != nil || again.ID != first.ID || got.Name != "b" || got.P256dh[0] != 3 || got.User != ann {
			t.Errorf("%+v, then %+v, kept %+v: %v", first, again, got, err)
		}
		for _, err := range []error{book.RemoveDevice(ctx, bob, first.ID+1_000_000), func() error { _, err := book.Device(ctx, ann, 1<<60); return err }()} {
			if chat.CodeOf(err) != chat.CodeNotFound {
				t.Errorf("a device that is not there: %v", err)
			}
		}
		if err := book.RemoveDevice(ctx, ann, first.ID); err != nil {
			t.Error(err)
		}
		if _, left := list(t, bob); len(left) != 1 || left[0].ID != other.ID {
			t.Errorf("another's device went too: %+v", left)
		}
	})
	t.Run("the oldest makes room", func(t *testing.T) {
		for i := range notify.MaxDevices + 3 {
			add(t, notify.Device{User: ann, Kind: notify.Webhook, Endpoint: fmt.Sprint("https://hook.example/", i), Secret: []byte("s")})
		}
		hook := add(t, notify.Device{User: ann, Kind: notify.BotWebhook, Endpoint: "https://bot.example/1", Secret: []byte("s")})
		_, devices := list(t, ann)
		if len(devices) != notify.MaxDevices+1 || devices[0].ID != hook.ID {
			t.Errorf("%d devices, the newest %+v", len(devices), devices[0])
		}
		for _, d := range devices {
			for i := range 3 {
				if d.Endpoint == fmt.Sprint("https://hook.example/", i) {
					t.Errorf("%s is still there", d.Endpoint)
				}
			}
		}
	})
	t.Run("a bot has one webhook", func(t *testing.T) {
		bot := user("bot")
		add(t, notify.Device{User: bot, Kind: notify.BotWebhook, Endpoint: "https://bot.example/1", Secret: []byte("1")})
		second := add(t, notify.Device{User: bot, Kind: notify.BotWebhook, Endpoint: "https://bot.example/2", Secret: []byte("2")})
		if _, devices := list(t, bot); len(devices) != 1 || devices[0].ID != second.ID || string(devices[0].Secret) != "2" {
			t.Errorf("%+v", devices)
		}
	})
}
