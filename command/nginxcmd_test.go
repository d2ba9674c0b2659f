package command

import (
	"errors"
	"strings"
	"testing"

	"gori/config"
)

func TestNginxCommand(t *testing.T) {
	c := newNginx()
	var out strings.Builder
	c.SetOut(&out)
	c.SetArgs([]string{"--node", "n1=127.0.0.1:8081", "--node", "n2=127.0.0.1:8082", "--listen", "127.0.0.1:80"})
	if err := c.Execute(); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"listen 127.0.0.1:80;", "location = /n/n1/ws", "location = /n/n2/ws", "server 127.0.0.1:8082"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the configuration lacks %q:\n%s", want, out.String())
		}
	}
	for _, bad := range [][]string{nil, {"--node", "n1"}, {"--node", "n 1=127.0.0.1:8081"}} {
		c := newNginx()
		c.SilenceUsage, c.SilenceErrors = true, true
		c.SetArgs(append([]string{}, bad...))
		var misuse config.UsageError
		if err := c.Execute(); !errors.As(err, &misuse) {
			t.Errorf("%q gave %v", bad, err)
		}
	}
}
