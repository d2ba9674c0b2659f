package nginx

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// Error lines hold the path of the request; paths that are secrets are in none.
func TestSecretPathsAreInNoLog(t *testing.T) {
	gone := node(t, "n1")
	where := addr(gone)
	gone.Close()
	var log bytes.Buffer
	p, c := startLogging(t, &log, Node{Name: "n1", Addr: where})
	for _, path := range []string{"/api/v1/hooks/1.SECRET", "/api/v1/invites/SECRET", "/api/v1/plain"} {
		get(t, "http://"+c.Listen+path)
	}
	p.Stop(time.Second)
	if s := log.String(); strings.Contains(s, "SECRET") || !strings.Contains(s, "/api/v1/plain") {
		t.Errorf("Nginx wrote: %s", s)
	}
}
