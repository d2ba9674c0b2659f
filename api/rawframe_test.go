package api

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"gori/chat"
)

// rawFrame is one WebSocket frame written by hand, so that every rule of
// RFC 6455 can be broken.
type rawFrame struct {
	first    byte // FIN, RSV and opcode
	payload  []byte
	unmasked bool
	length   func(b []byte) []byte // replaces the length field; nil: the right one
}

const (
	fin      = 0x80
	opCont   = 0x0
	opText   = 0x1
	opBinary = 0x2
	opClose  = 0x8
	opPing   = 0x9
	opPong   = 0xA
)

func (f rawFrame) bytes() []byte {
	mask := byte(0x80)
	if f.unmasked {
		mask = 0
	}
	b := []byte{f.first}
	switch n := len(f.payload); {
	case f.length != nil:
		b = f.length(b)
	case n <= 125:
		b = append(b, mask|byte(n))
	case n <= 0xFFFF:
		b = binary.BigEndian.AppendUint16(append(b, mask|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, mask|127), uint64(n))
	}
	if f.unmasked {
		return append(b, f.payload...)
	}
	key := [4]byte{0x12, 0x34, 0x56, 0x78}
	b = append(b, key[:]...)
	for i, c := range f.payload {
		b = append(b, c^key[i%4])
	}
	return b
}

func longLength(n uint64) func([]byte) []byte {
	return func(b []byte) []byte { return binary.BigEndian.AppendUint64(append(b, 0x80|127), n) }
}

func closePayload(code uint16, reason string) []byte {
	return append(binary.BigEndian.AppendUint16(nil, code), reason...)
}

// echoServer accepts sockets and sends every frame back.
func echoServer(t testing.TB) *httptest.Server {
	t.Helper()
	m, ss := NewMetrics(), newSockets()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sock, err := accept(w, r, m)
		if err != nil {
			return
		}
		if !ss.start(sock, func(ctx context.Context) { echo(ctx, sock) }) {
			sock.finish()
		}
	}))
	t.Cleanup(func() {
		srv.Close()
		ss.close(context.Background())
	})
	return srv
}

func echo(ctx context.Context, sock *socket) {
	for {
		b, err := sock.ReadFrame(ctx)
		if err != nil {
			return
		}
		if _, err := sock.WriteFrames(ctx, [][]byte{b}, always); err != nil {
			return
		}
	}
}

// rawDial does the handshake by hand.
func rawDial(t testing.TB, addr, path string, headers ...string) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	req := "GET " + path + " HTTP/1.1\r\nHost: " + addr + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" + strings.Join(append(headers, ""), "\r\n") + "\r\n"
	if _, err := io.WriteString(conn, req); err != nil {
		t.Fatal(err)
	}
	br := bufio.NewReader(conn)
	resp, err := http.ReadResponse(br, nil)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("handshake answered %d", resp.StatusCode)
	}
	return conn, br
}

// readRaw reads one frame of the server.
func readRaw(br *bufio.Reader) (op byte, payload []byte, err error) {
	var head [2]byte
	if _, err := io.ReadFull(br, head[:]); err != nil {
		return 0, nil, err
	}
	n := uint64(head[1] & 0x7F)
	switch n {
	case 126:
		var b [2]byte
		if _, err := io.ReadFull(br, b[:]); err != nil {
			return 0, nil, err
		}
		n = uint64(binary.BigEndian.Uint16(b[:]))
	case 127:
		var b [8]byte
		if _, err := io.ReadFull(br, b[:]); err != nil {
			return 0, nil, err
		}
		n = binary.BigEndian.Uint64(b[:])
	}
	if head[1]&0x80 != 0 || head[0]&0x70 != 0 || n > 2<<20 {
		return 0, nil, errors.New("the server sent a frame that is masked, extended or too long")
	}
	payload = make([]byte, n)
	_, err = io.ReadFull(br, payload)
	return head[0] & 0xF, payload, err
}

// closeCodeOf reads until the close frame and returns its code; 0 if the
// connection ended without one.
func closeCodeOf(br *bufio.Reader) uint16 {
	for {
		op, payload, err := readRaw(br)
		if err != nil {
			return 0
		}
		if op == opClose {
			if len(payload) < 2 {
				return 1005
			}
			return binary.BigEndian.Uint16(payload)
		}
	}
}

func text(s string) rawFrame { return rawFrame{first: fin | opText, payload: []byte(s)} }

func TestBrokenFramesGetTheirCloseCode(t *testing.T) {
	srv := echoServer(t)
	long := strings.Repeat("x", 126)
	cases := []struct {
		name   string
		frames []rawFrame
		want   uint16
	}{
		{"unmasked", []rawFrame{{first: fin | opText, payload: []byte("hi"), unmasked: true}}, 1002},
		{"rsv1", []rawFrame{{first: fin | 0x40 | opText, payload: []byte("hi")}}, 1002},
		{"rsv2", []rawFrame{{first: fin | 0x20 | opText, payload: []byte("hi")}}, 1002},
		{"rsv3", []rawFrame{{first: fin | 0x10 | opText, payload: []byte("hi")}}, 1002},
		{"rsv on ping", []rawFrame{{first: fin | 0x40 | opPing}}, 1002},
		{"opcode 3", []rawFrame{{first: fin | 0x3, payload: []byte("hi")}}, 1002},
		{"opcode 7", []rawFrame{{first: fin | 0x7}}, 1002},
		{"opcode B", []rawFrame{{first: fin | 0xB}}, 1002},
		{"opcode F", []rawFrame{{first: fin | 0xF, payload: []byte("hi")}}, 1002},
		{"long ping", []rawFrame{{first: fin | opPing, payload: []byte(long)}}, 1002},
		{"long pong", []rawFrame{{first: fin | opPong, payload: []byte(long)}}, 1002},
		{"long close", []rawFrame{{first: fin | opClose, payload: closePayload(1000, long)}}, 1002},
		{"fragmented ping", []rawFrame{{first: opPing, payload: []byte("a")}, {first: fin | opCont, payload: []byte("b")}}, 1002},
		{"fragmented close", []rawFrame{{first: opClose, payload: closePayload(1000, "")}}, 1002},
		{"continuation without start", []rawFrame{{first: fin | opCont, payload: []byte("hi")}}, 1002},
		{"unfinished continuation without start", []rawFrame{{first: opCont, payload: []byte("hi")}, {first: fin | opCont}}, 1002},
		{"start inside a message", []rawFrame{{first: opText, payload: []byte("a")}, {first: fin | opText, payload: []byte("b")}}, 1002},
		{"close of one byte", []rawFrame{{first: fin | opClose, payload: []byte{3}}}, 1002},
		{"close 999", []rawFrame{{first: fin | opClose, payload: closePayload(999, "")}}, 1002},
		{"close 1004", []rawFrame{{first: fin | opClose, payload: closePayload(1004, "")}}, 1002},
		{"close 1005", []rawFrame{{first: fin | opClose, payload: closePayload(1005, "")}}, 1002},
		{"close 1006", []rawFrame{{first: fin | opClose, payload: closePayload(1006, "")}}, 1002},
		{"close 1015", []rawFrame{{first: fin | opClose, payload: closePayload(1015, "")}}, 1002},
		{"close 1016", []rawFrame{{first: fin | opClose, payload: closePayload(1016, "")}}, 1002},
		{"close 2999", []rawFrame{{first: fin | opClose, payload: closePayload(2999, "")}}, 1002},
		{"close 5000", []rawFrame{{first: fin | opClose, payload: closePayload(5000, "")}}, 1002},
		{"close 65535", []rawFrame{{first: fin | opClose, payload: closePayload(65535, "")}}, 1002},
		{"close with bad reason", []rawFrame{{first: fin | opClose, payload: closePayload(1000, "\xff\xfe")}}, 1007},
		{"close 1000", []rawFrame{{first: fin | opClose, payload: closePayload(1000, "bye")}}, 1000},
		{"close 3000", []rawFrame{{first: fin | opClose, payload: closePayload(3000, "")}}, 3000},
		{"close 4999", []rawFrame{{first: fin | opClose, payload: closePayload(4999, "")}}, 4999},
		{"close without code", []rawFrame{{first: fin | opClose}}, 1005},
		{"length 2^63", []rawFrame{{first: fin | opText, length: longLength(1 << 63)}}, 1002},
		{"length 2^64-1", []rawFrame{{first: fin | opText, length: longLength(1<<64 - 1)}}, 1002},
		{"binary", []rawFrame{{first: fin | opBinary, payload: []byte("hi")}}, 1003},
		{"empty binary", []rawFrame{{first: fin | opBinary}}, 1003},
		{"not UTF-8", []rawFrame{text("a\xffb")}, 1007},
		{"overlong UTF-8", []rawFrame{text("\xc0\xaf")}, 1007},
		{"surrogate in UTF-8", []rawFrame{text("\xed\xa0\x80")}, 1007},
		{"over U+10FFFF", []rawFrame{text("\xf4\x90\x80\x80")}, 1007},
		{"cut inside a character", []rawFrame{text("\xea\xb0")}, 1007},
		{"cut across fragments and never finished", []rawFrame{{first: opText, payload: []byte("\xea\xb0")}, {first: fin | opCont, payload: []byte("x")}}, 1007},
		{"over the frame limit", []rawFrame{text(strings.Repeat("x", chat.MaxFrameBytes+1))}, 1009},
		{"over the limit in fragments", []rawFrame{
			{first: opText, payload: []byte(strings.Repeat("x", chat.MaxFrameBytes/2))},
			{first: opCont, payload: []byte(strings.Repeat("x", chat.MaxFrameBytes/2))},
			{first: fin | opCont, payload: []byte("xx")}}, 1009},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			conn, br := rawDial(t, srv.Listener.Addr().String(), "/")
			var all []byte
			for _, f := range c.frames {
				all = append(all, f.bytes()...)
			}
			go func() { _, _ = conn.Write(all) }() // the server may stop reading half-way
			if got := closeCodeOf(br); got != c.want {
				t.Errorf("close code %d, want %d", got, c.want)
			}
		})
	}
}

func TestGoodFramesAreEchoed(t *testing.T) {
	srv := echoServer(t)
	var scattered []rawFrame
	scattered = append(scattered, rawFrame{first: opText, payload: []byte("한")[:1]}, rawFrame{first: fin | opPing, payload: []byte("p")})
	scattered = append(scattered, rawFrame{first: opCont, payload: []byte("한")[1:]}, rawFrame{first: opCont}, rawFrame{first: fin | opCont})
	many := make([]rawFrame, 0, 100_001)
	for i := range 100_000 {
		first := byte(opCont)
		if i == 0 {
			first = opText
		}
		many = append(many, rawFrame{first: first, payload: []byte("x")})
	}
	many = append(many, rawFrame{first: fin | opCont})
	big := strings.Repeat("가", chat.MaxFrameBytes/3)
	cases := []struct {
		name   string
		frames []rawFrame
		want   string
	}{
		{"text", []rawFrame{text("hi")}, "hi"},
		{"empty", []rawFrame{text("")}, ""},
		{"126 bytes", []rawFrame{text(strings.Repeat("x", 126))}, strings.Repeat("x", 126)},
		{"65536 bytes", []rawFrame{text(strings.Repeat("x", 65536))}, strings.Repeat("x", 65536)},
		{"a character over fragments with a ping inside", scattered, "한"},
		{"a short length in the long form costs nothing", []rawFrame{{first: fin | opText, payload: []byte("hi"), length: longLength(2)}}, "hi"},
		{"unsolicited pong before", []rawFrame{{first: fin | opPong, payload: []byte("x")}, text("hi")}, "hi"},
		{"the greatest frame", []rawFrame{text(big)}, big},
		{"100,000 fragments of one byte", many, strings.Repeat("x", 100_000)},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			conn, br := rawDial(t, srv.Listener.Addr().String(), "/")
			var all []byte
			for _, f := range c.frames {
				all = append(all, f.bytes()...)
			}
			go func() { _, _ = conn.Write(all) }()
			for {
				op, payload, err := readRaw(br)
				if err != nil {
					t.Fatal(err)
				}
				if op != opText {
					continue
				}
				if string(payload) != c.want {
					t.Errorf("echoed %d bytes, want %d", len(payload), len(c.want))
				}
				return
			}
		})
	}
}

func TestHugeLengthAllocatesNothing(t *testing.T) {
	srv := echoServer(t)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 50 {
		conn, _ := rawDial(t, srv.Listener.Addr().String(), "/")
		f := rawFrame{first: fin | opText, payload: []byte("little"), length: longLength(1<<63 - 1)}
		if _, err := conn.Write(f.bytes()); err != nil {
			t.Fatal(err)
		}
		_ = conn.Close()
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 32<<20 {
		t.Errorf("50 frames that claim 2^63-1 bytes allocated %d MB", grown>>20)
	}
}

func TestPingFloodIsEnded(t *testing.T) {
	srv := echoServer(t)
	conn, br := rawDial(t, srv.Listener.Addr().String(), "/")
	ping := rawFrame{first: fin | opPing, payload: []byte("x")}.bytes()
	go func() {
		for range 10_000 {
			if _, err := conn.Write(ping); err != nil {
				return
			}
		}
	}()
	pongs, begun := 0, time.Now()
	for {
		op, payload, err := readRaw(br)
		if err != nil {
			t.Fatalf("after %d pongs: %v", pongs, err)
		}
		if op == opPong {
			pongs++
			continue
		}
		if code := binary.BigEndian.Uint16(payload); op != opClose || code != uint16(chat.ClosePolicy) {
			t.Errorf("op %d, code %d", op, code)
		}
		break
	}
	if windows := 1 + int(time.Since(begun)/pingWindow); pongs > maxPings*windows {
		t.Errorf("%d pings were answered in %d windows", pongs, windows)
	}
}

func TestAFrameSentWithTheHandshakeIsNotLost(t *testing.T) {
	srv := echoServer(t)
	addr := srv.Listener.Addr().String()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	body := strings.Repeat("early", 200) // more than the read buffer
	req := "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
	if _, err := conn.Write(append([]byte(req), text(body).bytes()...)); err != nil {
		t.Fatal(err)
	}
	br := bufio.NewReader(conn)
	if _, err := http.ReadResponse(br, nil); err != nil {
		t.Fatal(err)
	}
	if op, payload, err := readRaw(br); err != nil || op != opText || string(payload) != body {
		t.Errorf("op %d, %d bytes, %v", op, len(payload), err)
	}
}

func newRecorder() *httptest.ResponseRecorder { return httptest.NewRecorder() }

func readResponse(t testing.TB, what string, conn net.Conn) *http.Response {
	t.Helper()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	return resp
}
