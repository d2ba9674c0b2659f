package command

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"gori/client"
	"gori/config"
	"gori/demo"
	"gori/irc"
)

// demoFile keeps the passwords of the demo people in the data folder.
const demoFile = "demo.json"

// demoPeople are the demo's people; their names say that they are no one.
var demoPeople = []client.NewUser{
	{LoginName: "demo-hana", DisplayName: "데모 하나", Lang: "ko"},
	{LoginName: "demo-two", DisplayName: "Demo Two", Lang: "en"},
	{LoginName: "demo-set", DisplayName: "데모 셋", Lang: "ko"},
}

type demoCommand struct {
	admin adminLogin
	save  string
	with  string
}

func newDemo() *cobra.Command {
	var d demoCommand
	c := &cobra.Command{
		Use:   "demo",
		Short: "Fill a system with people and talk to look at",
		Long: `Makes three demo people and has them talk: direct messages in Korean, a group with
a thread, reactions, replies and an edit, and two excerpts of #ubuntu logs. It
prints their passwords and keeps them in the data folder; repeating it changes
nothing. demo/ATTRIBUTION.md says where the texts come from.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return d.run(c) },
	}
	d.admin.flags(c)
	c.Flags().StringVar(&d.save, "save", "", "file that keeps the passwords of the demo people (default demo.json in the data folder)")
	c.Flags().StringVar(&d.with, "with", "", "login name of your own account, to be a friend and a member too")
	return c
}

func (d *demoCommand) run(c *cobra.Command) error {
	ctx, errOut := c.Context(), c.ErrOrStderr()
	address, err := d.admin.address()
	if err != nil {
		return err
	}
	say := func(s string) { fmt.Fprintln(errOut, s) }
	if err := d.admin.ensureAdmin(ctx, address, say); err != nil {
		return err
	}
	file := d.file()
	cast, logins, err := demoCast(ctx, address, file)
	if err != nil {
		return err
	}
	show := &demoShow{people: cast}
	if err := show.play(ctx, d.with); err != nil {
		return err
	}
	if err := d.importLogs(ctx, errOut, show); err != nil {
		return err
	}
	return printDemo(c.OutOrStdout(), address, file, logins)
}

func (d *demoCommand) file() string {
	if d.save != "" {
		return d.save
	}
	if dir, ok := d.admin.folder(); ok {
		return filepath.Join(dir, demoFile)
	}
	return "gori-" + demoFile
}

// demoCast logs the demo people in, or makes them. Their passwords are kept
// before they are used, so that a broken demo can be repeated.
func demoCast(ctx context.Context, address, file string) ([]*client.Client, []savedLogin, error) {
	var logins []savedLogin
	text, err := os.ReadFile(file)
	switch {
	case err == nil:
		if err := json.Unmarshal(text, &logins); err != nil || len(logins) != len(demoPeople) {
			return nil, nil, fmt.Errorf("%s is damaged", file)
		}
	case errors.Is(err, os.ErrNotExist):
		for _, p := range demoPeople {
			logins = append(logins, savedLogin{p.LoginName, rand.Text()[:12]})
		}
		text, err := json.MarshalIndent(logins, "", "  ")
		if err != nil {
			return nil, nil, err
		}
		if err := os.WriteFile(file, append(text, '\n'), 0o600); err != nil {
			return nil, nil, err
		}
	default:
		return nil, nil, err
	}
	var cast []*client.Client
	for i, p := range demoPeople {
		c, err := client.New(address, client.Options{UserAgent: "gori demo"})
		if err != nil {
			return nil, nil, config.Usage(err)
		}
		p.Password = logins[i].Password
		err = c.SignUp(ctx, p)
		if client.CodeOf(err) == "name_taken" {
			err = c.LogIn(ctx, p.LoginName, p.Password)
			if client.CodeOf(err) == "bad_credentials" {
				err = fmt.Errorf("%s is there already, with another password than %s says: give the file of that demo by --save", p.LoginName, file)
			}
		}
		if err != nil {
			return nil, nil, err
		}
		cast = append(cast, c)
	}
	return cast, logins, nil
}

// importLogs imports the excerpts, with the demo people as members. Only an
// admin may; without one the demo goes without.
func (d *demoCommand) importLogs(ctx context.Context, errOut io.Writer, show *demoShow) error {
	bar := newProgress(errOut, "lines", 2, "logs")
	defer bar.close()
	admin, err := d.admin.client(ctx, bar.Say)
	var misuse config.UsageError
	if errors.As(err, &misuse) {
		bar.Say("The log excerpts are left out, for only an admin may import: " + err.Error())
		return nil
	}
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "gori-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var logs []*irc.Log
	for _, name := range []string{"2005-06-20.ubuntu", "2005-07-25.ubuntu"} {
		for _, ext := range []string{".raw.txt", ".annotation.txt"} {
			text, err := demo.Texts.ReadFile(name + ext)
			if err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(dir, name+ext), text, 0o600); err != nil {
				return err
			}
		}
		l, err := irc.Read(filepath.Join(dir, name+".raw.txt"))
		if err != nil {
			return err
		}
		logs = append(logs, l)
	}
	im := irc.NewImporter(admin, "demo", bar)
	im.Also = show.ids()
	return im.Each(ctx, logs, 1, im.Send)
}

func printDemo(out io.Writer, address, file string, logins []savedLogin) error {
	fmt.Fprintf(out, "Log in at %s as one of these, in two browsers or windows:\n\n", address)
	t := tabwriter.NewWriter(out, 0, 0, 3, ' ', 0)
	fmt.Fprintln(t, "  name\tlogin\tpassword")
	for i, l := range logins {
		fmt.Fprintf(t, "  %s\t%s\t%s\n", demoPeople[i].DisplayName, l.LoginName, l.Password)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(out, "\nThe passwords are kept in %s. What is shown and whose texts it uses: demo/ATTRIBUTION.md\n", file)
	return nil
}
