package proof

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gori/shard"
	"gori/shard/reshard"
	"gori/store"
	"gori/store/move"
)

// envMover has the test program be a mover: it carries out the order in it, and
// at the step named there it says so and waits for a word.
const envMover = "GORI_PROOF_MOVER"

func TestMain(m *testing.M) {
	if text := os.Getenv(envMover); text != "" {
		os.Exit(beMover(text))
	}
	os.Exit(m.Run())
}

// moveOrder is what a mover is to do.
type moveOrder struct {
	DSNs       map[shard.ID]string
	From, To   shard.ID
	Partitions []shard.Partition
	Reshard    string
	Step       string // where to stop and ask
	Budget     time.Duration
	Clean      bool
}

func (o moveOrder) engine(at reshard.At) *move.Engine {
	return move.New(move.Config{At: at, Budget: o.Budget,
		DSN:    func(id shard.ID) (string, error) { return o.DSNs[id] + " user=" + store.MoverRole, nil },
		Shards: func() (ids []shard.ID) { return keys(o.DSNs) }})
}

func keys[K comparable, V any](m map[K]V) (list []K) {
	for k := range m {
		list = append(list, k)
	}
	return list
}

// beMover is the mover's process.
func beMover(text string) int {
	var o moveOrder
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		fmt.Println(err)
		return 2
	}
	words := bufio.NewReader(os.Stdin)
	var once sync.Once
	at := func(step string) {
		if step == o.Step {
			once.Do(func() {
				fmt.Println("at " + step)
				word, _ := words.ReadString('\n')
				switch word {
				case "die\n":
					_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
				case "freeze\n":
					_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
				}
			})
		}
	}
	if err := o.carryOut(context.Background(), at); err != nil {
		fmt.Println("failed:", err)
		return 1
	}
	return 0
}

// everything takes without waiting.
type atOnce struct{}

func (atOnce) Take(ctx context.Context, _ int) error { return ctx.Err() }

// carryOut moves what of the order is not at its place yet.
func (o moveOrder) carryOut(ctx context.Context, at reshard.At) error {
	e := o.engine(at)
	pic, err := e.Look(ctx)
	if err != nil {
		return err
	}
	g := reshard.Group{Reshard: o.Reshard, From: o.From, To: o.To}
	var gone []shard.Partition
	for _, p := range o.Partitions {
		for _, own := range pic.Owners[p] {
			switch {
			case own.Shard == o.From && (own.State == reshard.Active || own.State == reshard.Fencing):
				g.Partitions = append(g.Partitions, p)
			case own.Shard == o.From && own.State == reshard.Gone && !own.Cleaned:
				gone = append(gone, p)
			}
		}
	}
	if len(g.Partitions) > 0 {
		if err := moveGroup(ctx, e, g); err != nil {
			return err
		}
		gone = append(gone, g.Partitions...)
	}
	if !o.Clean || len(gone) == 0 {
		return nil
	}
	return e.Clean(ctx, o.From, gone, atOnce{})
}

func moveGroup(ctx context.Context, e *move.Engine, g reshard.Group) error {
	work, err := e.Begin(ctx, g)
	if err != nil {
		return err
	}
	defer work.Close()
	for {
		if err := work.Fill(ctx, atOnce{}); err != nil {
			return err
		}
		_, err := work.Cut(ctx)
		var over *reshard.BudgetError
		if !errors.As(err, &over) {
			return err
		}
		rest(ctx, 20*time.Millisecond)
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// order makes one for the places of a town.
func (w *town) order(from, to shard.ID, ps []shard.Partition, id string) moveOrder {
	o := moveOrder{DSNs: map[shard.ID]string{}, From: from, To: to, Partitions: ps, Reshard: id, Budget: time.Second}
	for _, p := range w.posts {
		o.DSNs[p.id] = p.dsn
	}
	return o
}

// mover is another process.
type mover struct {
	t     testing.TB
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines chan string // what it says; closed at its end
	said  []string
}

func (w *town) launch(o moveOrder) *mover {
	w.t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		w.t.Fatal(err)
	}
	m := &mover{t: w.t, cmd: exec.Command(os.Args[0]), lines: make(chan string, 100)}
	m.cmd.Env = append(os.Environ(), envMover+"="+string(text))
	if m.in, err = m.cmd.StdinPipe(); err != nil {
		w.t.Fatal(err)
	}
	out, err := m.cmd.StdoutPipe()
	if err == nil {
		err = m.cmd.Start()
	}
	if err != nil {
		w.t.Fatal(err)
	}
	go func() {
		defer close(m.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			m.lines <- s.Text()
		}
	}()
	w.t.Cleanup(func() { _ = m.cmd.Process.Kill() })
	return m
}

// reach waits until the mover is at its step, or has ended without coming there.
func (m *mover) reach() bool {
	m.t.Helper()
	for {
		select {
		case line, ok := <-m.lines:
			if !ok {
				return false
			}
			if strings.HasPrefix(line, "at ") {
				return true
			}
			m.said = append(m.said, line)
		case <-time.After(2 * time.Minute):
			m.t.Fatal("the mover does not come to its step")
		}
	}
}

func (m *mover) tell(word string) { _, _ = io.WriteString(m.in, word+"\n") } // it may be dead

// end waits for the process.
func (m *mover) end() {
	for line := range m.lines {
		m.said = append(m.said, line)
	}
	_ = m.cmd.Wait() // how it ended does not matter
}
