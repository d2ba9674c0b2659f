package command

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// certificate writes a self-signed one for some names and returns its serial
// number.
func certificate(t *testing.T, dir string, serial int64, names ...string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), DNSNames: names, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: der}, "key.pem": {Type: "PRIVATE KEY", Bytes: pkcs}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// With a certificate Nginx serves TLS, browsers of its names may connect, and a
// renewed one is taken at the next reload.
func TestUpServesTLS(t *testing.T) {
	dir := t.TempDir()
	certificate(t, dir, 1, "localhost", "chat.example.com")
	file := filepath.Join(dir, "gori.yaml")
	text := "proxy:\n  cert: " + dir + "/cert.pem\n  key: " + dir + "/key.pem\n"
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	s := startUp(t, dataDir(t), "--shards", "1", "--config", file)
	if !strings.HasPrefix(s.url, "https://localhost:") {
		t.Fatalf("it serves at %s", s.url)
	}
	port := s.url[strings.LastIndex(s.url, ":"):]
	serial := int64(0)
	client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{
		InsecureSkipVerify: true,
		VerifyConnection: func(c tls.ConnectionState) error {
			serial = c.PeerCertificates[0].SerialNumber.Int64()
			return nil
		},
	}}}
	get := func() *http.Response {
		t.Helper()
		res, err := client.Get(s.url + "/api/v1/config")
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res
	}
	if res := get(); res.StatusCode != 200 || serial != 1 || res.Header.Get("Strict-Transport-Security") == "" {
		t.Errorf("%d with certificate %d, %v", res.StatusCode, serial, res.Header)
	}
	// An origin of the certificate's names is asked to log in; another is not
	// even that.
	for origin, want := range map[string]int{"https://chat.example.com" + port: 401, "https://evil.example.com": 403} {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		_, res, err := websocket.Dial(ctx, strings.Replace(s.url, "https", "wss", 1)+"/n/n1/ws", &websocket.DialOptions{
			HTTPClient: client, HTTPHeader: http.Header{"Origin": {origin}}})
		cancel()
		if err == nil || res == nil || res.StatusCode != want {
			t.Errorf("origin %s: %v, want %d", origin, err, want)
		}
	}
	certificate(t, dir, 2, "localhost")
	if code, out, e := gori(t, "restart", "--data", s.dir); code != exitOK {
		t.Fatalf("gori restart: exit %d: %s%s", code, out, e)
	}
	eventually(t, "the renewed certificate", func() bool { get(); return serial == 2 })
	if code, out, _ := gori(t, "nginx", "--data", s.dir); code != exitOK || !strings.Contains(out, "ssl_certificate ") {
		t.Errorf("gori nginx --data: exit %d: %s", code, out)
	}
	if err := os.WriteFile(filepath.Join(dir, "key.pem"), []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, e := gori(t, "restart", "--data", s.dir); code != exitFailure || !strings.Contains(e, "proxy.key") {
		t.Errorf("with a broken key: exit %d: %s", code, e)
	}
	get()
}
