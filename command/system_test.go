package command

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gori/host"
)

// program is this program, built once for all tests of the whole.
var program struct {
	once sync.Once
	dir  string
	err  error
}

// The tests run in the root of the repository, whose program and documents they use.
func TestMain(m *testing.M) {
	if err := os.Chdir(".."); err != nil {
		panic(err)
	}
	code := m.Run()
	if program.dir != "" {
		_ = os.RemoveAll(program.dir)
	}
	os.Exit(code)
}

func binary(t *testing.T) string {
	t.Helper()
	program.once.Do(func() {
		if program.dir, program.err = os.MkdirTemp("", "gori-bin-"); program.err != nil {
			return
		}
		out, err := exec.Command("go", "build", "-o", filepath.Join(program.dir, "gori"), ".").CombinedOutput()
		if err != nil {
			program.err = fmt.Errorf("%w: %s", err, out)
		}
	})
	if program.err != nil {
		t.Fatal(program.err)
	}
	return filepath.Join(program.dir, "gori")
}

// patience ends what hangs. It is no promise: a busy host may take its time.
const patience = 2 * time.Minute

// promised holds what was measured against the time that is promised. A host
// that does other things at the same time cannot keep it, so only make soak
// takes it for a failure.
func promised(t *testing.T, what string, took, most time.Duration) {
	t.Helper()
	t.Logf("%s: %v; promised are %v", what, took.Round(time.Millisecond), most)
	if took > most && os.Getenv(envLong) != "" {
		t.Errorf("%s took %v, more than %v", what, took, most)
	}
}

// gori runs a command to its end.
func gori(t *testing.T, args ...string) (code int, out, errOut string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary(t), args...)
	var o, e bytes.Buffer
	cmd.Stdout, cmd.Stderr = &o, &e
	_ = cmd.Run()
	if ctx.Err() != nil {
		t.Errorf("gori %s does not end: %s%s", strings.Join(args, " "), &o, &e)
	}
	return cmd.ProcessState.ExitCode(), o.String(), e.String()
}

// system is a gori up under test.
type system struct {
	t    *testing.T
	dir  string
	url  string
	cmd  *exec.Cmd
	log  *os.File
	done chan struct{} // closed when it has ended
}

// startUp runs gori up on a data folder, with one node unless args say
// otherwise, until it says that it is ready.
func startUp(t *testing.T, dir string, args ...string) *system {
	t.Helper()
	return startUpOf(t, binary(t), dir, args...)
}

// startUpOf is startUp of a program of one's own.
func startUpOf(t *testing.T, program, dir string, args ...string) *system {
	t.Helper()
	s, said := beginUpOf(t, program, dir, args...)
	for {
		select {
		case line := <-said:
			if _, rest, ok := strings.Cut(line, "ready at "); ok {
				s.url, _, _ = strings.Cut(rest, " ")
				return s
			}
		case <-s.done:
			t.Fatalf("gori up ended at its start: %s", s.said())
		case <-time.After(patience):
			t.Fatalf("gori up is not ready after %v: %s", patience, s.said())
		}
	}
}

// beginUp starts gori up and yields the lines it prints.
func beginUp(t *testing.T, dir string, args ...string) (*system, <-chan string) {
	t.Helper()
	return beginUpOf(t, binary(t), dir, args...)
}

func beginUpOf(t *testing.T, program, dir string, args ...string) (*system, <-chan string) {
	t.Helper()
	log, err := os.CreateTemp("", "gori-log-")
	if err != nil {
		t.Fatal(err)
	}
	s := &system{t: t, dir: dir, log: log, done: make(chan struct{})}
	s.cmd = exec.Command(program, append([]string{"up", "--data", dir, "--port", "0", "--nodes", "1"}, args...)...)
	s.cmd.Stderr = log
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.end)
	said := make(chan string, 100)
	go func() {
		defer close(s.done)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			select {
			case said <- lines.Text():
			default: // nobody reads any more; gori up must not wait for that
			}
		}
		_ = s.cmd.Wait()
	}()
	return s, said
}

func (s *system) said() string {
	text, _ := os.ReadFile(s.log.Name())
	return string(text)
}

// end stops the system at the test's end; its log is shown if the test failed.
func (s *system) end() {
	s.signal(syscall.SIGTERM)
	select {
	case <-s.done:
	case <-time.After(patience):
		s.t.Errorf("gori up does not end")
		s.signal(syscall.SIGKILL)
		<-s.done
	}
	if s.t.Failed() {
		s.t.Logf("gori up said:\n%s", s.said())
	}
	_ = s.log.Close()
	_ = os.Remove(s.log.Name())
}

func (s *system) signal(sig syscall.Signal) {
	select {
	case <-s.done:
	default:
		_ = s.cmd.Process.Signal(sig)
	}
}

func (s *system) state() host.Running {
	s.t.Helper()
	r, err := host.FindRunning(s.dir)
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

// processes returns what works inside the data folder, and the nodes.
func (s *system) processes(nodes ...int) []int {
	var left []int
	entries, _ := filepath.Glob("/proc/[0-9]*")
	for _, e := range entries {
		cwd, err := os.Readlink(e + "/cwd")
		if pid, _ := strconv.Atoi(filepath.Base(e)); err == nil && strings.HasPrefix(cwd, s.dir) {
			left = append(left, pid)
		}
	}
	for _, pid := range nodes {
		if syscall.Kill(pid, 0) == nil {
			left = append(left, pid)
		}
	}
	return left
}

// eventually polls what other processes bring about.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	late := time.After(patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// person talks to the system by HTTP.
type person struct {
	t     *testing.T
	url   string
	token string
	id    string
}

func (p *person) call(method, path string, body any, into any) (status int, err error) {
	return p.callWith(method, path, nil, body, into)
}

func (p *person) callWith(method, path string, header map[string]string, body any, into any) (status int, err error) {
	var text io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return 0, err
		}
		text = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(p.t.Context(), method, p.url+"/api/v1"+path, text)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	if p.token != "" {
		req.Header.Set("Authorization", "Bearer "+p.token)
	}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode < 300 && into != nil {
		err = json.Unmarshal(answer, into)
	}
	if res.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: %d %s", method, path, res.StatusCode, answer)
	}
	return res.StatusCode, err
}

func signUp(t *testing.T, url, name string) *person {
	t.Helper()
	p := &person{t: t, url: url}
	var answer struct {
		Token string `json:"token"`
		Me    struct {
			ID string `json:"id"`
		} `json:"me"`
	}
	_, err := p.call("POST", "/signup", map[string]any{"login_name": name, "password": "correct horse battery", "display_name": name, "want_token": true}, &answer)
	if err != nil {
		t.Fatal(err)
	}
	p.token, p.id = answer.Token, answer.Me.ID
	return p
}
