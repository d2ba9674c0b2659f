package backup

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"
)

// bufferBytes is what one reader or writer keeps of a file.
const bufferBytes = 256 << 10

// fileWriter writes one compressed file. It gets its name when it is whole.
type fileWriter struct {
	lines
	path string
	file *os.File
	hash hash.Hash
	size int64
	zip  *zstd.Encoder
}

func createFile(path string) (*fileWriter, error) {
	f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, full(err)
	}
	w := &fileWriter{path: path, file: f, hash: sha256.New()}
	w.zip, err = zstd.NewWriter(stored{w}, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return w, nil
}

// stored is the compressed side of a fileWriter.
type stored struct{ w *fileWriter }

func (s stored) Write(p []byte) (int, error) {
	_, _ = s.w.hash.Write(p)
	n, err := s.w.file.Write(p)
	s.w.size += int64(n)
	return n, full(err)
}

// Write takes rows.
func (w *fileWriter) Write(p []byte) (int, error) {
	_, _ = w.lines.Write(p)
	return w.zip.Write(p)
}

// finish makes the file durable and names it.
func (w *fileWriter) finish(into *ManifestFile) error {
	if err := errors.Join(w.zip.Close(), w.file.Sync(), w.file.Close()); err != nil {
		return full(err)
	}
	if len(w.rest) > 0 {
		return fmt.Errorf("%s: the last row has no end", w.path)
	}
	into.Name = filepath.Base(w.path)
	into.Sum, into.Bytes, into.Stored = w.Sum, w.bytes, w.size
	into.SHA256 = hex.EncodeToString(w.hash.Sum(nil))
	return os.Rename(w.path+".new", w.path)
}

// abort gives up.
func (w *fileWriter) abort() {
	_ = w.zip.Close()
	_ = w.file.Close()
}

// fileReader reads one file's rows and checks at its end that they are all of
// what was written.
type fileReader struct {
	of   ManifestFile
	file *os.File
	hash hash.Hash
	size int64
	zip  *zstd.Decoder
	rows *bufio.Reader
	lines
	long []byte // a row longer than the buffer
}

func openFile(dir string, of ManifestFile) (*fileReader, error) {
	f, err := os.Open(filepath.Join(dir, of.Name))
	if errors.Is(err, os.ErrNotExist) {
		return nil, &DamageError{of.Name, "is missing"}
	}
	if err != nil {
		return nil, err
	}
	r := &fileReader{of: of, file: f, hash: sha256.New()}
	r.zip, err = zstd.NewReader(raw{r}, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(64<<20), zstd.WithDecoderMaxWindow(8<<20))
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	r.rows = bufio.NewReaderSize(r.zip, bufferBytes)
	return r, nil
}

// raw is the compressed side of a fileReader.
type raw struct{ r *fileReader }

func (w raw) Read(p []byte) (int, error) {
	n, err := w.r.file.Read(p)
	_, _ = w.r.hash.Write(p[:n])
	w.r.size += int64(n)
	return n, err
}

// next returns the next row with its line end, valid until the next call, and
// io.EOF once all rows have come and the file is proved whole.
func (r *fileReader) next() ([]byte, error) {
	row, err := r.rows.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		r.long = append(r.long[:0], row...)
		for errors.Is(err, bufio.ErrBufferFull) {
			row, err = r.rows.ReadSlice('\n')
			r.long = append(r.long, row...)
		}
		row = r.long
	}
	switch {
	case err == nil:
		_, _ = r.lines.Write(row)
		return row, nil
	case errors.Is(err, io.EOF) && len(row) == 0:
		return nil, r.whole()
	case errors.Is(err, io.EOF):
		return nil, &DamageError{r.of.Name, "ends in the middle of a row"}
	}
	return nil, &DamageError{r.of.Name, "cannot be read: " + err.Error()}
}

func (r *fileReader) whole() error {
	if _, err := io.Copy(io.Discard, raw{r}); err != nil { // what may follow the last frame
		return err
	}
	switch sum := hex.EncodeToString(r.hash.Sum(nil)); {
	case r.size != r.of.Stored:
		return &DamageError{r.of.Name, fmt.Sprintf("has %d bytes instead of %d", r.size, r.of.Stored)}
	case sum != r.of.SHA256:
		return &DamageError{r.of.Name, "has other bytes than were written (SHA-256)"}
	case r.Sum != r.of.Sum:
		return &DamageError{r.of.Name, fmt.Sprintf("holds %d rows with digest %v instead of %d with %v", r.Rows, r.Digest, r.of.Rows, r.of.Digest)}
	}
	return io.EOF
}

func (r *fileReader) close() {
	r.zip.Close()
	_ = r.file.Close()
}

// Verify reads all of a backup and returns its manifest, or a *DamageError.
func Verify(dir string) (*Manifest, error) {
	m, err := Read(dir)
	if err != nil {
		return nil, err
	}
	for _, f := range m.Files {
		if err := verifyFile(dir, f); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func verifyFile(dir string, f ManifestFile) error {
	r, err := openFile(dir, f)
	if err != nil {
		return err
	}
	defer r.close()
	for {
		if _, err := r.next(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}
