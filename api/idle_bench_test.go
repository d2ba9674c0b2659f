package api

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"gori/chat"
)

// envIdleServer makes the test binary the server of the benchmark below, so
// that its memory is counted apart from that of the clients.
const envIdleServer = "GORI_TEST_IDLE_SERVER"

func TestMain(m *testing.M) {
	if n, err := strconv.Atoi(os.Getenv(envIdleServer)); err == nil {
		os.Exit(idleServer(n))
	}
	os.Exit(m.Run())
}

// exiting lets newSystem run outside of a test.
type exiting struct{ testing.TB }

func (exiting) Helper()        {}
func (exiting) Cleanup(func()) {}
func (exiting) Fatal(args ...any) {
	fmt.Fprintln(os.Stderr, args...)
	os.Exit(1)
}

// idleServer signs up n users, says where it listens and who they are, and
// serves until its standard input ends.
func idleServer(n int) int {
	sys := newSystem(exiting{}, nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 1
	}
	tokens := make([]string, n)
	for i := range tokens {
		// Straight into the store: sign-up has limits and costs a password hash.
		secret := sha256.Sum256([]byte(strconv.Itoa(i)))
		name := fmt.Sprintf("user%d", i)
		self, _, err := sys.mem.SignUp(context.Background(), chat.NewAccount{LoginName: name, DisplayName: name, TokenHash: sha256.Sum256(secret[:])})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		tokens[i] = self.ID.String() + "." + base64.RawURLEncoding.EncodeToString(secret[:])
	}
	mux := http.NewServeMux()
	mux.Handle("/", sys.api.Public())
	mux.HandleFunc("/free", func(http.ResponseWriter, *http.Request) { debug.FreeOSMemory() })
	go func() { _ = sys.api.httpServer(mux).Serve(l) }()
	_ = json.NewEncoder(os.Stdout).Encode(struct {
		Addr   string
		Tokens []string
	}{l.Addr().String(), tokens})
	_, _ = os.Stdin.Read(make([]byte, 1)) // until the parent has finished
	return 0
}

func residentBytes(t testing.TB, pid int) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), "VmRSS:")
	kb, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return kb << 10
}

// BenchmarkIdleConnection measures the resident memory of the server for each
// session that has resumed and is silent: "B/conn" as it is after the connects,
// "B/conn-freed" after garbage is given back. One round, whatever b.N is:
//
//	go test ./api -run xxx -bench IdleConnection -benchtime 1x
func BenchmarkIdleConnection(b *testing.B) {
	const conns = 5000
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), envIdleServer+"="+strconv.Itoa(conns))
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	}()
	var server struct {
		Addr   string
		Tokens []string
	}
	if err := json.NewDecoder(stdout).Decode(&server); err != nil {
		b.Fatal(err)
	}
	free := func() {
		resp, err := http.Get("http://" + server.Addr + "/free")
		if err != nil {
			b.Fatal(err)
		}
		_ = resp.Body.Close()
	}
	free()
	before := residentBytes(b, cmd.Process.Pid)
	start := time.Now()
	for i := range conns {
		conn, br := rawDial(b, server.Addr, "/n/n1/ws", "Authorization: Bearer "+server.Tokens[i])
		if _, err := conn.Write(text(`{"op":"resume","v":1,"pos":0}`).bytes()); err != nil {
			b.Fatal(err)
		}
		if op, _, err := readRaw(br); err != nil || op != opText {
			b.Fatalf("op %d, %v", op, err)
		}
		if _, err := conn.Write(text(`{"op":"ping","active":true}`).bytes()); err != nil {
			b.Fatal(err)
		}
		if _, _, err := readRaw(br); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(conns)/time.Since(start).Seconds(), "conns/s")
	b.ReportMetric(float64(residentBytes(b, cmd.Process.Pid)-before)/conns, "B/conn")
	for range 4 { // each collection halves the stacks that need less
		free()
	}
	b.ReportMetric(float64(residentBytes(b, cmd.Process.Pid)-before)/conns, "B/conn-freed")
	b.ReportMetric(0, "ns/op")
}
