package command

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"gori/client"
	"gori/config"
	"gori/host"
	"gori/store/survey"
)

// adminFile in the data folder keeps the login of an admin that a tool made on
// a system without accounts.
const adminFile = "admin.json"

type savedLogin struct {
	LoginName string `json:"login_name"`
	Password  string `json:"password"`
}

// adminLogin is how a tool that needs an admin logs in.
type adminLogin struct {
	site
	login, passwordFile, tokenFile string
}

func (a *adminLogin) flags(c *cobra.Command) {
	a.site.flags(c)
	c.Flags().StringVar(&a.login, "login", "", "login name of an admin (default the one kept in the data folder)")
	c.Flags().StringVar(&a.passwordFile, "password-file", "", "file with that admin's password")
	c.Flags().StringVar(&a.tokenFile, "token-file", "", "instead: file with a token of an admin")
}

// client logs in: by token, by password, or with what the data folder keeps.
func (a *adminLogin) client(ctx context.Context, say func(string)) (*client.Client, error) {
	address, err := a.address()
	if err != nil {
		return nil, err
	}
	if a.tokenFile != "" {
		token, err := readSecret(a.tokenFile)
		if err != nil {
			return nil, err
		}
		return asAdmin(ctx, address, client.Options{Token: token}, savedLogin{})
	}
	if a.login != "" {
		if a.passwordFile == "" {
			return nil, config.Usage(errors.New("--login needs --password-file"))
		}
		password, err := readSecret(a.passwordFile)
		if err != nil {
			return nil, err
		}
		return asAdmin(ctx, address, client.Options{}, savedLogin{a.login, password})
	}
	if err := a.ensureAdmin(ctx, address, say); err != nil {
		return nil, err
	}
	dir, ok := a.folder()
	if !ok {
		return nil, config.Usage(errors.New("give an admin by --login and --password-file, or --token-file, or --data of a system on this host"))
	}
	saved, err := readLogin(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, config.Usage(fmt.Errorf("this system has an admin whose password is not in %s: give --login and --password-file", filepath.Join(dir, adminFile)))
	}
	if err != nil {
		return nil, err
	}
	return asAdmin(ctx, address, client.Options{}, saved)
}

func asAdmin(ctx context.Context, address string, opt client.Options, l savedLogin) (*client.Client, error) {
	opt.UserAgent = "gori " + versionText()
	c, err := client.New(address, opt)
	if err != nil {
		return nil, config.Usage(err)
	}
	var me client.Self
	if opt.Token != "" {
		me, err = c.Self(ctx)
	} else if err = c.LogIn(ctx, l.LoginName, l.Password); err == nil {
		me = c.Me()
	}
	if err != nil {
		return nil, fmt.Errorf("logging in to %s: %w", address, err)
	}
	if !me.Admin {
		return nil, fmt.Errorf("%s is not an admin of %s", me.LoginName, address)
	}
	return c, nil
}

// ensureAdmin makes the account admin on a system of this host that has no
// account yet, for the first one is the admin, and keeps its password.
func (p *site) ensureAdmin(ctx context.Context, address string, say func(string)) error {
	dir, ok := p.folder()
	if !ok {
		return refuseUnfounded(ctx, address)
	}
	r, err := host.FindRunning(dir)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, adminPatience)
	defer cancel()
	for _, s := range r.Shards {
		if some, err := survey.HasAccounts(ctx, s.DSN); err != nil || some {
			return err
		}
	}
	saved, err := readLogin(dir)
	if errors.Is(err, os.ErrNotExist) {
		saved = savedLogin{"admin", rand.Text()}
		// It is kept before it is used: a crash between leaves no admin whose
		// password nobody knows.
		err = saved.write(dir)
	}
	if err != nil {
		return err
	}
	c, err := client.New(address, client.Options{})
	if err != nil {
		return err
	}
	if err := c.SignUp(ctx, client.NewUser{LoginName: saved.LoginName, Password: saved.Password, DisplayName: "Admin"}); err != nil {
		return fmt.Errorf("making the account %s: %w", saved.LoginName, err)
	}
	if err := c.LogOut(ctx); err != nil {
		return err
	}
	say(fmt.Sprintf("The first account of this system is its admin: %s, with the password in %s", saved.LoginName, filepath.Join(dir, adminFile)))
	return nil
}

// refuseUnfounded refuses a system without an account: a tool's first user
// would become its admin.
func refuseUnfounded(ctx context.Context, address string) error {
	c, err := client.New(address, client.Options{})
	if err != nil {
		return config.Usage(err)
	}
	service, err := c.Config(ctx)
	if err != nil {
		return err
	}
	if !service.Founded {
		return config.Usage(fmt.Errorf("%s has no account yet, or cannot tell, and the first one becomes its admin: sign up there first, or give --data of a system on this host", address))
	}
	return nil
}

func readLogin(dir string) (savedLogin, error) {
	var l savedLogin
	text, err := os.ReadFile(filepath.Join(dir, adminFile))
	if err != nil {
		return l, err
	}
	if err := json.Unmarshal(text, &l); err != nil {
		return l, fmt.Errorf("%s is damaged: %w", filepath.Join(dir, adminFile), err)
	}
	return l, nil
}

func (l savedLogin) write(dir string) error {
	text, err := json.MarshalIndent(l, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, adminFile), append(text, '\n'), 0o600)
}

func readSecret(file string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	secret := strings.TrimRight(string(text), "\r\n")
	if secret == "" {
		return "", config.Usage(fmt.Errorf("%s is empty", file))
	}
	return secret, nil
}

// sameHost tells whether two addresses mean one port of this host or are equal.
func sameHost(a, b string) bool {
	at := func(s string) string {
		u, err := url.Parse(s)
		if err != nil {
			return s
		}
		host := u.Hostname()
		if ip := net.ParseIP(host); ip != nil && ip.IsLoopback() {
			host = "localhost"
		}
		return host + ":" + u.Port()
	}
	return at(a) == at(b)
}
