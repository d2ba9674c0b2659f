package command

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"gori/notify"
)

// protocolLines are the shell blocks of docs/PROTOCOL.md, in order.
func protocolLines(t *testing.T) []string {
	t.Helper()
	doc, err := os.ReadFile("docs/PROTOCOL.md")
	if err != nil {
		t.Fatal(err)
	}
	var blocks []string
	for _, rest := range strings.Split(string(doc), "```sh\n")[1:] {
		block, _, ended := strings.Cut(rest, "```")
		if !ended {
			t.Fatalf("a block does not end: %.80s", rest)
		}
		blocks = append(blocks, block)
	}
	return blocks
}

// shell runs lines as bash does when it is asked to stop at the first failure.
func shell(t *testing.T, lines string, env ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute) // lines that never end
	defer cancel()
	c := exec.CommandContext(ctx, "bash", "-euo", "pipefail")
	c.Stdin = strings.NewReader(lines)
	c.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "LC_ALL=C.UTF-8"}, env...)
	var errs bytes.Buffer
	c.Stderr = &errs
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, errs.String())
	}
	return string(out)
}

// What docs/PROTOCOL.md shows programs does what it says.
func TestTheProtocolsLinesForPrograms(t *testing.T) {
	e := startEdge(t)
	blocks := protocolLines(t)
	verify := blocks[len(blocks)-1]
	if len(blocks) < 7 || !strings.Contains(verify, "openssl") {
		t.Fatalf("%d blocks; the last one: %s", len(blocks), verify)
	}
	tell := "\nfor v in TOKEN CHANNEL BOT_ID HOOK SECRET; do echo \"$v is ${!v}\"; done\n"
	out := shell(t, strings.Join(blocks[:len(blocks)-1], "\n")+tell, "GORI="+e.url)
	value := func(name string) string {
		_, rest, _ := strings.Cut(out, "\n"+name+" is ")
		v, _, _ := strings.Cut(rest, "\n")
		if v == "" {
			t.Fatalf("%s was not set:\n%s", name, out)
		}
		return v
	}
	page := e.must(value("TOKEN"), "GET", "/channels/"+value("CHANNEL")+"/messages?after=0&limit=50", "", "")
	var said []string
	for _, m := range page["messages"].([]any) {
		if m := m.(map[string]any); m["kind"] == nil {
			said = append(said, m["body"].(string))
		}
	}
	if got := strings.Join(said, " | "); got != "It builds. | And again. | All tests pass. | Version 7 is live." {
		t.Errorf("what was said: %s", got)
	}
	if !strings.HasPrefix(value("HOOK"), "http://") {
		t.Errorf("the hook is %s", value("HOOK"))
	}
	body := `{"v":1,"kind":"message","body":"안녕 \"bot\""}`
	header := notify.Sign([]byte(value("SECRET")), time.Now(), []byte(body))
	for _, c := range []struct{ header, body, want string }{
		{header, body, "genuine"}, {header, body + " ", "forged"},
		{notify.Sign([]byte("another secret"), time.Now(), []byte(body)), body, "forged"},
		{notify.Sign([]byte(value("SECRET")), time.Now().Add(-time.Hour), []byte(body)), body, "forged"},
	} {
		env := []string{"SECRET=" + value("SECRET"), "HEADER=" + c.header, "BODY=" + c.body}
		if got := strings.TrimSpace(shell(t, verify, env...)); got != c.want {
			t.Errorf("%s over %s is %s, not %s", c.header, c.body, got, c.want)
		}
	}
	if status, _ := e.do(value("TOKEN"), "DELETE", fmt.Sprintf("/bots/%s/webhook", value("BOT_ID")), "", ""); status != 204 {
		t.Errorf("ending the webhook: %d", status)
	}
}
