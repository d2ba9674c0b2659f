package faults

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"gori/bench/torture"
	"gori/config"
	"gori/host"
)

// echoTap is a tap before a server that answers each line by itself.
func echoTap(t *testing.T) (*taps, string) {
	t.Helper()
	taps, err := openTaps()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "gori-echo-")
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(dir, tapSocket))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(taps.close(), l.Close(), os.RemoveAll(dir)); err != nil {
			t.Error(err)
		}
	})
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(c, c); _ = c.Close() }()
		}
	}()
	t.Setenv(config.EnvTaps, taps.dir)
	t.Setenv(config.EnvFaults, "1")
	list := host.Tapped([]config.Shard{{ID: "a", DSN: "host='" + dir + "' port=5432"}, {ID: "elsewhere", DSN: "postgres://other"}})
	if list[1].DSN != "postgres://other" || !strings.HasSuffix(list[0].DSN, "host='"+filepath.Join(taps.dir, "a")+"'") {
		t.Fatalf("%+v", list)
	}
	return taps, filepath.Join(taps.dir, "a", tapSocket)
}

type echoConn struct {
	net.Conn
	lines *bufio.Reader
}

func dialEcho(t *testing.T, at string) *echoConn {
	t.Helper()
	c, err := net.Dial("unix", at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return &echoConn{c, bufio.NewReader(c)}
}

// say sends a line and reads the answer.
func (c *echoConn) say(line string) error {
	if _, err := io.WriteString(c, line+"\n"); err != nil {
		return err
	}
	got, err := c.lines.ReadString('\n')
	if err == nil && got != line+"\n" {
		return errors.New("heard " + got)
	}
	return err
}

func TestTapsCutOff(t *testing.T) {
	taps, at := echoTap(t)
	for _, m := range []struct {
		how             string
		old, fresh      bool // an old connection lives on; a new one works meanwhile
		silentInBetween bool
	}{
		{how: torture.CutRefuse},
		{how: torture.CutBreak, fresh: true},
		{how: torture.CutHang, old: true, silentInBetween: true},
		{how: torture.CutMute, silentInBetween: true},
	} {
		t.Run(m.how, func(t *testing.T) {
			old := dialEcho(t, at)
			if err := old.say("before"); err != nil {
				t.Fatal(err)
			}
			over := make(chan error, 1)
			ctx, heal := context.WithCancel(t.Context())
			defer heal()
			go func() { over <- taps.cut(ctx, "a", m.how, time.Hour) }()
			waitFor(t, "the cut", func() bool { how, _ := taps.by["a"].state(); return how != "" })
			if !m.silentInBetween {
				if err := dialEcho(t, at).say("meanwhile"); (err == nil) != m.fresh {
					t.Errorf("a new connection meanwhile: %v", err)
				}
			}
			across := make(chan error, 1)
			go func() { across <- old.say("across") }()
			if m.silentInBetween {
				select {
				case err := <-across:
					t.Errorf("an answer in between: %v", err)
				case <-time.After(20 * time.Millisecond): // nothing passes
				}
			}
			heal()
			if err := <-over; err != nil {
				t.Error(err)
			}
			if err := <-across; (err == nil) != m.old {
				t.Errorf("an old connection: %v", err)
			}
			if err := dialEcho(t, at).say("after"); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
	if err := taps.cut(t.Context(), "elsewhere", torture.CutHang, 0); err == nil {
		t.Error("what is not there was cut off")
	}
}

func TestASmallDiskIsFullForAWhile(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("a disk of its own takes root")
	}
	dir := filepath.Join(t.TempDir(), "disk")
	d, err := mountSmallDisk(dir)
	if errors.Is(err, syscall.EPERM) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := d.unmount(); err != nil {
			t.Error(err)
		}
	}()
	write := func() error { return os.WriteFile(filepath.Join(dir, "file"), make([]byte, 1<<20), 0o600) }
	if err := write(); err != nil {
		t.Fatal(err)
	}
	over := make(chan error, 1)
	ctx, heal := context.WithCancel(t.Context())
	defer heal()
	go func() { over <- d.fill(ctx, nil, time.Hour) }()
	n := 0
	waitFor(t, "no space", func() bool {
		n++ // written again, a file has the space that it gives back itself
		err := os.WriteFile(filepath.Join(dir, fmt.Sprint("more", n)), make([]byte, 1<<20), 0o600)
		return errors.Is(err, syscall.ENOSPC)
	})
	heal()
	if err := <-over; err != nil {
		t.Error(err)
	}
	if err := write(); err != nil {
		t.Errorf("after it was made larger again: %v", err)
	}
}

const waitMost = 30 * time.Second

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(waitMost); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", waitMost, what)
		}
	}
}
