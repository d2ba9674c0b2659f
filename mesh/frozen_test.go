package mesh

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"gori/chat"
)

// envNode makes the test program a node of the mesh instead: name, address and
// routes, separated by spaces. It ends with its standard input and tells on its
// output whenever it misses something.
const envNode = "MESH_TEST_NODE"

func TestMain(m *testing.M) {
	if text := os.Getenv(envNode); text != "" {
		if err := beNode(strings.Fields(text)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

type teller struct{}

func (teller) Heard([]chat.UserID, chat.Tiding) {}
func (teller) Missed()                          { fmt.Println("missed") }

func beNode(words []string) error {
	m, err := Open(Config{Node: words[0], Listen: words[1], Routes: words[2:], Secret: testSecret})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		_, _ = bufio.NewReader(os.Stdin).ReadString(0) // to its end
		cancel()
	})
	err = m.Run(ctx, Deps{Listener: teller{}, State: func() chat.NodeState { return chat.NodeState{} }})
	wg.Wait()
	return err
}

// A frozen process slows nobody, however much is sent to it; it is gone within
// time, and when it thaws it is a peer again and looks for what it missed.
func TestAFrozenProcess(t *testing.T) {
	t.Parallel()
	addrs := ports(3)
	a, b := embeddedNode(t, "a", addrs, 0), embeddedNode(t, "b", addrs, 1)
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), envNode+"="+strings.Join(append([]string{"z", addrs[2]}, addrs...), " "))
	child.Stderr = t.Output()
	stdin, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = child.Process.Signal(syscall.SIGCONT) // it may not be stopped
		stdin.Close()
		_ = child.Wait() // it was closed in the middle of its work
	})
	joined := func(n int) func() bool {
		return func() bool { return strings.Count(strings.Join(a.ear.gossip, " ")+" ", "+z ") == n }
	}
	a.ear.until(t, "a meets z", joined(1))
	a.ear.until(t, "a meets b", func() bool { return strings.Contains(strings.Join(a.ear.gossip, " "), "+b") })
	b.ear.until(t, "b meets a", func() bool { return len(b.ear.gossip) > 0 && strings.Contains(strings.Join(b.ear.gossip, " "), "+a") })
	if err := child.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	body := make([]byte, 1<<20)
	for i := range 60 { // more than the system's buffers and the route's together
		a.ToAll(chat.Tiding{Kind: chat.TidingFrames, Body: body})
		b.ear.until(t, "b hears what z does not", func() bool { return len(b.ear.tidings) == i+1 })
	}
	a.ear.until(t, "z is gone", func() bool { return strings.Contains(strings.Join(a.ear.gossip, " "), "-z") })
	if strings.Contains(strings.Join(a.ear.heardGossip(), " "), "-b") {
		t.Error("b was taken for dead")
	}
	if err := child.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	a.ear.until(t, "z is back", joined(2))
	lines := bufio.NewScanner(stdout)
	for missed := 0; missed < 3; missed++ { // twice for its two peers when it began
		if !lines.Scan() {
			t.Fatalf("z has missed nothing: %v", lines.Err())
		}
	}
}
