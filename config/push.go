package config

import (
	"fmt"
	"net/netip"
	"strings"
)

// Push says how pushes are sent.
type Push struct {
	Subject       string   `mapstructure:"subject"`
	AllowNetworks []string `mapstructure:"allow_networks"`
}

// SubjectFor is how push services reach the owner. Some of them refuse what can
// be no address, so the public URL is better than nothing.
func (c Push) SubjectFor(publicURLs []string) string {
	if c.Subject != "" {
		return c.Subject
	}
	for _, u := range publicURLs {
		if strings.HasPrefix(u, "https://") {
			return u
		}
	}
	return "owner@localhost"
}

// Networks reads push.allow_networks.
func (c Push) Networks() ([]netip.Prefix, error) {
	var list []netip.Prefix
	for _, text := range c.AllowNetworks {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("push.allow_networks holds networks such as 10.1.0.0/16, not %q", text)
		}
		list = append(list, p)
	}
	return list, nil
}

func (c Push) check() error {
	if s := c.Subject; s != "" && !strings.HasPrefix(s, "https://") && (!strings.Contains(s, "@") || strings.Contains(s, ":")) {
		return fmt.Errorf("push.subject is a mail address or an https URL, not %q", s)
	}
	_, err := c.Networks()
	return err
}
