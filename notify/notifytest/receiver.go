package notifytest

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var b64 = base64.RawURLEncoding

// Receiver is the browser's side of a subscription.
type Receiver struct {
	key  *ecdh.PrivateKey
	auth []byte
}

// NewReceiver draws a key pair and a secret.
func NewReceiver(t testing.TB) *Receiver {
	t.Helper()
	key, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	r := &Receiver{key: key, auth: make([]byte, 16)}
	rand.Read(r.auth)
	return r
}

// P256dh returns the public key as a browser gives it.
func (r *Receiver) P256dh() string { return b64.EncodeToString(r.key.PublicKey().Bytes()) }

// Auth returns the secret as a browser gives it.
func (r *Receiver) Auth() string { return b64.EncodeToString(r.auth) }

// Decrypt undoes the encryption of RFC 8291 over RFC 8188, written from the
// RFCs and apart from what encrypts.
func (r *Receiver) Decrypt(h http.Header, body []byte) ([]byte, error) {
	if enc := h.Get("Content-Encoding"); enc != "aes128gcm" {
		return nil, fmt.Errorf("Content-Encoding %q", enc)
	}
	if len(body) > 4096 {
		return nil, fmt.Errorf("%d bytes; a push service need not take more than 4096", len(body))
	}
	if len(body) < 21 || len(body) < 21+int(body[20]) {
		return nil, errors.New("the header is cut")
	}
	salt, size, id := body[:16], binary.BigEndian.Uint32(body[16:20]), body[21:21+int(body[20])]
	sealed := body[21+len(id):]
	if uint32(len(sealed)) > size {
		return nil, fmt.Errorf("more than one record of %d bytes", size)
	}
	sender, err := ecdh.P256().NewPublicKey(id)
	if err != nil {
		return nil, err
	}
	shared, err := r.key.ECDH(sender)
	if err != nil {
		return nil, err
	}
	info := slices.Concat([]byte("WebPush: info\x00"), r.key.PublicKey().Bytes(), id)
	ikm, err1 := hkdf.Key(sha256.New, shared, r.auth, string(info), 32)
	cek, err2 := hkdf.Key(sha256.New, ikm, salt, "Content-Encoding: aes128gcm\x00", 16)
	nonce, err3 := hkdf.Key(sha256.New, ikm, salt, "Content-Encoding: nonce\x00", 12)
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(cek)
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	plain, err := gcm.Open(nil, nonce, sealed, nil)
	if err != nil {
		return nil, err
	}
	end := len(plain)
	for end > 0 && plain[end-1] == 0 {
		end--
	}
	if end == 0 || plain[end-1] != 2 {
		return nil, errors.New("the padding has no delimiter of a last record")
	}
	return plain[:end-1], nil
}

// checkVAPID checks the Authorization of RFC 8292.
func checkVAPID(header, origin, key string, now time.Time) error {
	fields := map[string]string{}
	for _, f := range strings.Split(strings.TrimPrefix(header, "vapid "), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(f), "=")
		fields[name] = value
	}
	if key != "" && fields["k"] != key {
		return fmt.Errorf("VAPID key %q, subscribed with %q", fields["k"], key)
	}
	raw, err := b64.DecodeString(fields["k"])
	if err != nil {
		return err
	}
	public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), raw)
	if err != nil {
		return err
	}
	parts := strings.Split(fields["t"], ".")
	if len(parts) != 3 {
		return fmt.Errorf("no JWT: %q", header)
	}
	sig, err := b64.DecodeString(parts[2])
	if err != nil || len(sig) != 64 {
		return fmt.Errorf("a signature of %d bytes: %v", len(sig), err)
	}
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if !ecdsa.Verify(public, sum[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])) {
		return errors.New("the signature does not hold")
	}
	var claims struct {
		Aud string `json:"aud"`
		Exp int64  `json:"exp"`
		Sub string `json:"sub"`
	}
	text, err := b64.DecodeString(parts[1])
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, &claims); err != nil {
		return err
	}
	left := time.Unix(claims.Exp, 0).Sub(now)
	if claims.Aud != origin || left <= 0 || left > 24*time.Hour || strings.Count(claims.Sub, "mailto:") != 1 {
		return fmt.Errorf("claims %s", text)
	}
	return nil
}

// checkSignature checks a webhook's signature as docs/PROTOCOL.md tells it.
func checkSignature(header string, secret, body []byte, now time.Time) error {
	at, sum, ok := strings.Cut(strings.TrimPrefix(header, "t="), ",v1=")
	seconds, err := strconv.ParseInt(at, 10, 64)
	if !ok || err != nil {
		return fmt.Errorf("signature %q", header)
	}
	mac := hmac.New(sha256.New, secret)
	fmt.Fprintf(mac, "%d.%s", seconds, body)
	if want := hex.EncodeToString(mac.Sum(nil)); want != sum {
		return fmt.Errorf("signature %q does not hold", header)
	}
	if d := now.Sub(time.Unix(seconds, 0)); d < -time.Minute || d > time.Minute {
		return fmt.Errorf("signed %s ago", d)
	}
	return nil
}
