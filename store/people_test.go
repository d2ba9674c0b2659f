package store

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/chat"
	"gori/shard"
)

func TestAccounts(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	ctx := t.Context()
	self, login, err := w.SignUp(ctx, account("민수"))
	if err != nil {
		t.Fatal(err)
	}
	if !self.Admin || self.LoginName != "민수" || login == 0 {
		t.Fatalf("the first account is %+v with login %d", self, login)
	}
	if shard.Of(self.ID) != shard.OfName("민수") {
		t.Fatal("the home is not where the name is")
	}
	second, _, err := w.SignUp(ctx, account("second"))
	if err != nil || second.Admin {
		t.Fatalf("the second account: %+v, %v", second, err)
	}
	_, _, err = w.SignUp(ctx, account("민수"))
	wantCode(t, err, chat.CodeNameTaken)

	c, err := w.Credentials(ctx, "민수")
	if err != nil || c.User != self.ID || c.PasswordHash != "$argon2id$secret-of-민수" || c.Disabled {
		t.Fatalf("credentials: %+v, %v", c, err)
	}
	byID, err := w.CredentialsByID(ctx, self.ID)
	if err != nil || byID != c {
		t.Fatalf("credentials by id: %+v, %v", byID, err)
	}
	// Names match byte for byte: neither a pattern nor another form finds one.
	for _, name := range []string{"민수 ", "민%", "민_", "", "SECOND", "second\u200b", "secon\u0064\u0301"} {
		_, err := w.Credentials(ctx, name)
		wantCode(t, err, chat.CodeNotFound)
	}
	_, err = w.CredentialsByID(ctx, 12345)
	wantCode(t, err, chat.CodeNotFound)

	quiet := account("imported")
	quiet.NoLogin, quiet.PasswordHash = true, ""
	imp, none, err := w.SignUp(ctx, quiet)
	if err != nil || none != 0 {
		t.Fatalf("an account without a login: %d, %v", none, err)
	}
	if l := sure(w.Logins(ctx, imp.ID)); len(l) != 0 {
		t.Fatalf("it has logins %v", l)
	}
}

func sure[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestExactlyOneFirstAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	var wg sync.WaitGroup
	var admins atomic.Int32
	for i := range 16 {
		wg.Go(func() {
			self, _, err := w.SignUp(t.Context(), account(fmt.Sprintf("racer%d", i)))
			if err != nil {
				t.Error(err)
			}
			if self.Admin {
				admins.Add(1)
			}
		})
	}
	wg.Wait()
	if n := admins.Load(); n != 1 {
		t.Fatalf("%d first accounts", n)
	}
}

func TestLogins(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	ctx := t.Context()
	w.person("admin")
	self, first, err := w.SignUp(ctx, account("ann"))
	if err != nil {
		t.Fatal(err)
	}
	token := sha256.Sum256([]byte("ann"))
	id, err := w.Authenticate(ctx, self.ID, token)
	if err != nil || id != (chat.Identity{User: self.ID, Login: first}) {
		t.Fatalf("authenticated as %+v, %v", id, err)
	}
	_, err = w.Authenticate(ctx, self.ID, sha256.Sum256([]byte("other")))
	wantCode(t, err, chat.CodeUnauthenticated)
	_, err = w.Authenticate(ctx, self.ID+1, token)
	wantCode(t, err, chat.CodeUnauthenticated)

	tokenOf := func(i int) [32]byte { return sha256.Sum256(fmt.Appendf(nil, "t%d", i)) }
	var ids []chat.LoginID
	for i := range chat.MaxLoginsPerUser {
		w.ahead.Add(int64(time.Second))
		id, ended, err := w.CreateLogin(ctx, self.ID, tokenOf(i), "more")
		if err != nil || len(ended) != i/(chat.MaxLoginsPerUser-1) {
			t.Fatalf("login %d ends %v, %v", i, ended, err)
		}
		ids = append(ids, id)
	}
	logins := sure(w.Logins(ctx, self.ID))
	if len(logins) != chat.MaxLoginsPerUser || logins[0].ID != ids[len(ids)-1] {
		t.Fatalf("%d logins, the last %v", len(logins), logins[0])
	}
	_, err = w.Authenticate(ctx, self.ID, token) // the oldest went
	wantCode(t, err, chat.CodeUnauthenticated)

	// Used ones live on; times never go back.
	now := w.now().Add(time.Hour).Truncate(time.Millisecond)
	used := map[chat.Identity]time.Time{{User: self.ID, Login: ids[0]}: now}
	if err := w.TouchLogins(ctx, used); err != nil {
		t.Fatal(err)
	}
	used[chat.Identity{User: self.ID, Login: ids[0]}] = now.Add(-time.Hour)
	if err := w.TouchLogins(ctx, used); err != nil {
		t.Fatal(err)
	}
	if l := sure(w.Logins(ctx, self.ID))[0]; l.ID != ids[0] || l.LastUsedAt != chat.MillisOf(now) {
		t.Fatalf("after touching: %+v", l)
	}

	if err := w.RevokeLogins(ctx, self.ID, ids[1], 999); err != nil {
		t.Fatal(err)
	}
	_, err = w.Authenticate(ctx, self.ID, tokenOf(1))
	wantCode(t, err, chat.CodeUnauthenticated)
	ended, err := w.SetPassword(ctx, self.ID, "new", ids[2])
	if err != nil || len(ended) != chat.MaxLoginsPerUser-2 {
		t.Fatalf("%d logins ended, %v", len(ended), err)
	}
	if _, err := w.Authenticate(ctx, self.ID, tokenOf(2)); err != nil {
		t.Fatal(err)
	}
	w.ahead.Add(int64(loginIdleLimit + 2*time.Hour))
	_, err = w.Authenticate(ctx, self.ID, tokenOf(2))
	wantCode(t, err, chat.CodeUnauthenticated)
}

func TestDisabling(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	ctx := t.Context()
	self, login, err := w.SignUp(ctx, account("bob"))
	if err != nil {
		t.Fatal(err)
	}
	ended, err := w.SetDisabled(ctx, self.ID, true)
	if err != nil || len(ended) != 1 || ended[0] != login {
		t.Fatalf("ended %v, %v", ended, err)
	}
	_, err = w.Authenticate(ctx, self.ID, sha256.Sum256([]byte("bob")))
	wantCode(t, err, chat.CodeUnauthenticated)
	_, _, err = w.CreateLogin(ctx, self.ID, [32]byte{1}, "x")
	wantCode(t, err, chat.CodeUnauthenticated)
	if c := sure(w.Credentials(ctx, "bob")); !c.Disabled {
		t.Fatal("not disabled")
	}
	if found, _, _ := w.Find(ctx, "bob", 5); len(found) != 0 {
		t.Fatal("a disabled account is found")
	}
	if _, err := w.SetDisabled(ctx, self.ID, false); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.CreateLogin(ctx, self.ID, [32]byte{1}, "x"); err != nil {
		t.Fatal(err)
	}
	_, err = w.SetDisabled(ctx, 4242, true)
	wantCode(t, err, chat.CodeNotFound)
}

func TestProfiles(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3)
	ctx := t.Context()
	ids := w.people(20)
	name, line, colour, lang := "지민 Ж%_", "잠시 자리 비움", 7, "ko"
	self, err := w.EditProfile(ctx, ids[3], chat.ProfileEdit{DisplayName: &name, StatusLine: &line, AvatarColor: &colour, Lang: &lang})
	if err != nil || self.DisplayName != name || self.StatusLine != line || self.AvatarColor != colour || self.Lang != lang {
		t.Fatalf("edited: %+v, %v", self, err)
	}
	again, err := w.EditProfile(ctx, ids[3], chat.ProfileEdit{StatusLine: new(string)})
	if err != nil || again.DisplayName != name || again.StatusLine != "" {
		t.Fatalf("edited again: %+v, %v", again, err)
	}
	_, err = w.EditProfile(ctx, 77, chat.ProfileEdit{StatusLine: new(string)})
	wantCode(t, err, chat.CodeNotFound)

	got, err := w.Profiles(ctx, append([]chat.UserID{5, ids[19], ids[0], ids[19]}, ids...))
	if err != nil || len(got) != 20 || got[0].ID != ids[19] || got[1].ID != ids[0] {
		t.Fatalf("%d profiles, %v", len(got), err)
	}
	if none, err := w.Profiles(ctx, nil); err != nil || none == nil || len(none) != 0 {
		t.Fatalf("no profiles: %v, %v", none, err)
	}
	_, err = w.Profiles(ctx, make([]chat.UserID, chat.MaxProfilesPerCall+1))
	wantCode(t, err, chat.CodeTooLong)
}

func TestFind(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3)
	ctx := t.Context()
	ids := w.people(12)
	name := "지민 100%_x"
	if _, err := w.EditProfile(ctx, ids[7], chat.ProfileEdit{DisplayName: &name}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		prefix string
		want   int
	}{
		{"user", 12}, {"USER1", 3}, {"user1", 3}, {"지민", 1}, {"지민 100%_", 1}, {"지민 100_", 0}, {"%", 0}, {"_ser", 0}, {`\`, 0}, {"  ", 0}, {"지밀", 0},
		{decomposed("지민"), 1},
	} {
		found, partial, err := w.Find(ctx, c.prefix, 20)
		if err != nil || partial || len(found) != c.want {
			t.Errorf("%q: %d found, partial %v, %v", c.prefix, len(found), partial, err)
		}
	}
	found, _, _ := w.Find(ctx, "user1", 2)
	if len(found) != 2 || found[0].LoginName != "user1" {
		t.Fatalf("the one so named is not first: %v", found)
	}
}

// decomposed writes Hangul syllables in their decomposed form, as macOS sends them.
func decomposed(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r < 0xac00 || r > 0xd7a3 {
			b.WriteRune(r)
			continue
		}
		r -= 0xac00
		b.WriteRune(0x1100 + r/588)
		b.WriteRune(0x1161 + r%588/28)
		if r%28 > 0 {
			b.WriteRune(0x11a7 + r%28)
		}
	}
	return b.String()
}

func TestAvatars(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	ctx := t.Context()
	u := w.person("ann")
	_, _, err := w.Avatar(ctx, u)
	wantCode(t, err, chat.CodeNotFound)
	v1 := sure(w.SetAvatar(ctx, u, []byte("one")))
	v2 := sure(w.SetAvatar(ctx, u, []byte("two")))
	png, v, err := w.Avatar(ctx, u)
	if err != nil || string(png) != "two" || v != v2 || v1 == v2 {
		t.Fatalf("%q %d, versions %d %d, %v", png, v, v1, v2, err)
	}
	if v := sure(w.SetAvatar(ctx, u, nil)); v != 0 {
		t.Fatalf("a removed picture has version %d", v)
	}
	w.ahead.Add(int64(time.Second))
	if v3 := sure(w.SetAvatar(ctx, u, []byte("three"))); v3 == v1 || v3 == v2 {
		t.Fatal("a version came back")
	}
	_, err = w.SetAvatar(ctx, 5, []byte("x"))
	wantCode(t, err, chat.CodeNotFound)
}

// Nothing that leaves the store but Credentials knows a hash.
func TestNoSecretLeaves(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	ctx := t.Context()
	self, _, err := w.SignUp(ctx, account("ann"))
	if err != nil {
		t.Fatal(err)
	}
	found, _, _ := w.Find(ctx, "ann", 5)
	hash := sha256.Sum256([]byte("ann"))
	for what, v := range map[string]any{
		"self": self, "self again": sure(w.Self(ctx, self.ID)), "profiles": sure(w.Profiles(ctx, []chat.UserID{self.ID})),
		"find": found, "logins": sure(w.Logins(ctx, self.ID)), "identity": sure(w.Authenticate(ctx, self.ID, hash)),
	} {
		out := string(sure(json.Marshal(v))) + fmt.Sprintf("%v %x", v, v)
		if strings.Contains(out, "argon2") || strings.Contains(out, fmt.Sprintf("%x", hash[:8])) {
			t.Errorf("%s gives away a secret: %s", what, out)
		}
	}
}

func TestAuditOnlyGrows(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	ctx := t.Context()
	u := w.person("ann")
	for _, e := range []chat.AuditEvent{
		{At: w.now(), Actor: u, Action: "login.ok", Subject: "ann", Address: "::1"},
		{At: w.now(), Action: "login.failed", Subject: "nobody", Address: "::1"},
	} {
		if err := w.Audit(ctx, e); err != nil {
			t.Fatal(err)
		}
	}
	var n int
	if err := w.shards()[0].pool().QueryRow(ctx, `SELECT count(*) FROM data.audit`).Scan(&n); err != nil || n != 2 {
		t.Fatalf("%d lines, %v", n, err)
	}
	for _, sql := range []string{`UPDATE data.audit SET action = 'x' WHERE partition = $1`, `DELETE FROM data.audit WHERE partition = $1`} {
		err := w.write(ctx, shard.Of(u), func(ctx context.Context, tx pgx.Tx) error {
			_, err := tx.Exec(ctx, sql, shard.Of(u))
			return err
		})
		if err == nil || !strings.Contains(err.Error(), "append-only") {
			t.Errorf("%s: %v", sql, err)
		}
	}
}
