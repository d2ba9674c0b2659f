package backup

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

// Digest is of a set of rows in any order, so those of parts add up to that of
// the whole: each row is a line of COPY's text form, and the first halves of
// their SHA-256 are added.
type Digest struct{ high, low uint64 }

func (d *Digest) add(line []byte) {
	sum := sha256.Sum256(line)
	d.high += binary.BigEndian.Uint64(sum[:8])
	d.low += binary.BigEndian.Uint64(sum[8:16])
}

// Plus is the digest of both sets.
func (d Digest) Plus(e Digest) Digest { return Digest{d.high + e.high, d.low + e.low} }

func (d Digest) String() string {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], d.high)
	binary.BigEndian.PutUint64(b[8:], d.low)
	return hex.EncodeToString(b[:])
}

// MarshalText writes 32 hexadecimal digits.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads them.
func (d *Digest) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	if err != nil || len(b) != 16 {
		return fmt.Errorf("not a digest: %q", text)
	}
	d.high, d.low = binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
	return nil
}

// Sum counts and digests rows.
type Sum struct {
	Rows   int64  `json:"rows"`
	Digest Digest `json:"digest"`
}

// Plus is the sum of both.
func (s Sum) Plus(t Sum) Sum { return Sum{s.Rows + t.Rows, s.Digest.Plus(t.Digest)} }

// lines counts and digests the lines written to it, however they are cut.
type lines struct {
	Sum
	bytes int64
	rest  []byte // of a line that has not ended
}

func (l *lines) Write(p []byte) (int, error) {
	l.bytes += int64(len(p))
	for rest := p; ; {
		i := bytes.IndexByte(rest, '\n')
		if i < 0 {
			l.rest = append(l.rest, rest...)
			return len(p), nil
		}
		line := rest[:i]
		if len(l.rest) > 0 {
			l.rest = append(l.rest, line...)
			line = l.rest
		}
		l.Rows++
		l.Digest.add(line)
		l.rest = l.rest[:0]
		rest = rest[i+1:]
	}
}
