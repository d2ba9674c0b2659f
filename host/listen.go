package host

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"gori/config"
)

// Listen opens HOST:PORT and says clearly why it cannot.
func Listen(addr string) (net.Listener, error) {
	return ListenWith(net.ListenConfig{}, addr)
}

// Shared lets other processes of this user listen on the same port.
var Shared = net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
	var err error
	return errors.Join(raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	}), err)
}}

// ListenWith is Listen with options of the socket.
func ListenWith(options net.ListenConfig, addr string) (net.Listener, error) {
	l, err := options.Listen(context.Background(), "tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("port taken: another program listens on %s; stop it or choose another with --port", addr)
	case errors.Is(err, os.ErrPermission):
		return nil, fmt.Errorf("no permission to listen on %s: ports below 1024 need root", addr)
	case err != nil:
		return nil, fmt.Errorf("listen on %s: %w", addr, err)
	}
	return l, nil
}

// reserve keeps a port of 127.0.0.1 for nodes that listen on it by themselves
// (as shared), and for nobody else; 0 takes any. A socket that is bound but
// does not listen holds the port and gets no connections: while its node is
// dead they are refused at once, so the proxy goes to another node.
func reserve(port int) (file *os.File, addr string, err error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, "", err
	}
	f := os.NewFile(uintptr(fd), "reserved port")
	err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}})
	}
	var at unix.Sockaddr
	if err == nil {
		at, err = unix.Getsockname(fd)
	}
	if err != nil {
		_ = f.Close()
		return nil, "", fmt.Errorf("reserve port %d: %w", port, err)
	}
	return f, net.JoinHostPort("127.0.0.1", strconv.Itoa(at.(*unix.SockaddrInet4).Port)), nil
}

// free tells whether nobody listens on a port of 127.0.0.1.
func free(port int) bool {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return false
	}
	_ = l.Close()
	return true
}

// portOf is the port of HOST:PORT; 0 if there is none.
func portOf(addr string) int {
	_, text, _ := net.SplitHostPort(addr)
	port, _ := strconv.Atoi(text)
	return port
}

// URL is what a person types into a browser to reach a listener.
func URL(scheme string, l net.Listener) string {
	host, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return l.Addr().String()
	}
	if ip := net.ParseIP(host); ip == nil || ip.IsLoopback() || ip.IsUnspecified() {
		host = "localhost"
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return scheme + "://" + net.JoinHostPort(strings.Trim(host, "[]"), port)
}

// PublicURLs are the addresses under which browsers may reach the node: those
// of the configuration, else this host's on the port it listens on.
func PublicURLs(cfg config.Config, l net.Listener) []string {
	if len(cfg.PublicURLs) > 0 {
		return cfg.PublicURLs
	}
	addr, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return nil
	}
	var urls []string
	add := func(host string) { urls = append(urls, "http://"+net.JoinHostPort(host, strconv.Itoa(addr.Port))) }
	for _, here := range []string{"localhost", "127.0.0.1", "::1"} {
		add(here)
	}
	switch {
	case addr.IP.IsUnspecified():
		if name, err := os.Hostname(); err == nil {
			add(name)
		}
		addrs, _ := net.InterfaceAddrs()
		for _, a := range addrs {
			if ip, ok := a.(*net.IPNet); ok && !ip.IP.IsLoopback() && !ip.IP.IsLinkLocalUnicast() {
				add(ip.IP.String())
			}
		}
	case !addr.IP.IsLoopback():
		add(addr.IP.String())
	}
	return urls
}
