package irc

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"

	"gori/client"
)

// Limits of a log.
const (
	maxLogBytes  = 512 << 20
	maxLogLine   = 64 << 10
	maxNickBytes = 200
	emptyBody    = "(empty)"
)

// said is one line of a log that becomes a message.
type said struct {
	line   int    // from 1
	nick   string // "" for what the log says
	body   string
	at     client.Millis
	answer int        // line answered, 0: none
	seq    client.Seq // once stored
}

// Log is one file that has been read, and then what became of it.
type Log struct {
	File    string
	Lines   int       // of the file
	Damaged []Damaged // lines that are left out
	Recoded []int     // lines that were not UTF-8, from 1

	Channel       client.ChannelID // once the Importer has made it; 0: the log says nothing
	Stored, Known int              // lines stored by this import, and before it

	name    string // of the channel
	logName string // of the account that says what the log says
	said    []said
}

// Damaged is a line that fits no form of a log.
type Damaged struct {
	Line int // from 1
	Why  string
}

var (
	formSaid     = regexp.MustCompile(`^\[(\d\d):(\d\d)\] <([^>]+)> ?(.*)$`)
	formDid      = regexp.MustCompile(`^(?:\[(\d\d):(\d\d)\])? +\* +(\S+) ?(.*)$`)
	formDidTight = regexp.MustCompile(`^\[(\d\d):(\d\d)\] \* (\S+) ?(.*)$`)
	formNoticed  = regexp.MustCompile(`^\[(\d\d):(\d\d)\] -([^:\s]+):[^-\s]+- ?(.*)$`)
	formRelayed  = regexp.MustCompile(`^\[(\d\d):(\d\d)\] \(([^/)\s]+)/#[^)\s]+\) ?(.*)$`)
	formSystem   = regexp.MustCompile(`^=== ?(.*)$`)
	formChannel  = regexp.MustCompile(`has (?:joined|left) (#[^\s,:]+)`)
	formDate     = regexp.MustCompile(`\d{4}-\d{2}-\d{2}`)
)

// Read reads and understands a log of at most 512 MiB, and its annotations if
// they are there. The date is that in the file's name, or of its last change.
func Read(file string) (*Log, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	day, err := dayOf(f)
	if err != nil {
		return nil, err
	}
	l := &Log{File: file, name: strings.TrimSuffix(strings.TrimSuffix(filepath.Base(file), ".txt"), ".raw"), logName: "#log"}
	if err := l.read(io.LimitReader(f, maxLogBytes+1), day); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if err := l.annotate(); err != nil {
		return nil, err
	}
	return l, nil
}

// dayOf is the date in the file's name, or else of its last change.
func dayOf(f *os.File) (time.Time, error) {
	if d := formDate.FindString(filepath.Base(f.Name())); d != "" {
		day, err := time.Parse(time.DateOnly, d)
		if err == nil {
			return day, nil
		}
	}
	info, err := f.Stat()
	if err != nil {
		return time.Time{}, err
	}
	if info.IsDir() {
		return time.Time{}, fmt.Errorf("%s is a folder; name the files in it", f.Name())
	}
	return info.ModTime().UTC().Truncate(24 * time.Hour), nil
}

func (l *Log) read(r io.Reader, day time.Time) error {
	clock := wallClock{day: day}
	in := bufio.NewReaderSize(r, maxLogLine)
	total := 0
	for {
		text, long, err := readLine(in)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if total += len(text) + 1; total > maxLogBytes {
			return fmt.Errorf("longer than %d bytes; split it", maxLogBytes)
		}
		l.Lines++
		if long {
			l.damage("longer than %d bytes", maxLogLine)
			continue
		}
		l.take(text, &clock)
	}
	clock.settle(l.said)
	for _, s := range l.said {
		if s.nick == "" {
			if m := formChannel.FindStringSubmatch(s.body); m != nil {
				l.logName = m[1]
				break
			}
		}
	}
	return nil
}

// readLine reads to the next newline; of a line that is too long the rest is
// passed over.
func readLine(in *bufio.Reader) (text []byte, long bool, err error) {
	text, err = in.ReadSlice('\n')
	for errors.Is(err, bufio.ErrBufferFull) {
		long = true
		_, err = in.ReadSlice('\n')
	}
	if errors.Is(err, io.EOF) && (len(text) > 0 || long) {
		err = nil
	}
	return bytes.TrimRight(text, "\r\n"), long, err
}

func (l *Log) damage(format string, args ...any) {
	l.Damaged = append(l.Damaged, Damaged{l.Lines, fmt.Sprintf(format, args...)})
}

// take understands one line.
func (l *Log) take(raw []byte, clock *wallClock) {
	if bytes.IndexByte(raw, 0) >= 0 {
		l.damage("holds NUL")
		return
	}
	text := string(raw)
	if !utf8.Valid(raw) {
		decoded, err := charmap.Windows1252.NewDecoder().Bytes(raw)
		if err != nil {
			l.damage("is neither UTF-8 nor Windows-1252")
			return
		}
		text = string(decoded)
		l.Recoded = append(l.Recoded, l.Lines)
	}
	s := said{line: l.Lines}
	var minute string
	if m := formSystem.FindStringSubmatch(text); m != nil {
		s.body = m[1]
	} else if m := firstMatch(text, formSaid, formNoticed, formRelayed); m != nil {
		minute, s.nick, s.body = m[1]+m[2], m[3], m[4]
	} else if m := firstMatch(text, formDidTight, formDid); m != nil {
		minute, s.nick, s.body = m[1]+m[2], m[3], "* "+m[3]+" "+m[4]
	} else {
		l.damage("has none of the forms of a log: %.60q", text)
		return
	}
	if len(s.nick) > maxNickBytes {
		l.damage("has a nick of more than %d bytes", maxNickBytes)
		return
	}
	if !clock.tick(minute) {
		l.damage("has no time of day: %.20q", text)
		return
	}
	if strings.TrimSpace(s.body) == "" {
		s.body = emptyBody
	}
	s.at = clock.now
	l.said = append(l.said, s)
}

func firstMatch(text string, forms ...*regexp.Regexp) []string {
	for _, re := range forms {
		if m := re.FindStringSubmatch(text); m != nil {
			return m
		}
	}
	return nil
}

// wallClock makes times of minutes: they never go back, and half a day back is
// the next day.
type wallClock struct {
	day    time.Time
	minute int
	seen   bool
	now    client.Millis
}

// tick takes "HHMM", or "" for a line without a time.
func (c *wallClock) tick(hhmm string) bool {
	if hhmm == "" {
		return true
	}
	n, err := strconv.Atoi(hhmm)
	h, m := n/100, n%100
	if err != nil || h > 23 || m > 59 {
		return false
	}
	minute := 60*h + m
	if c.seen && c.minute-minute > 12*60 {
		c.day = c.day.AddDate(0, 0, 1)
	}
	c.seen, c.minute = true, minute
	c.now = max(c.now, client.Millis(c.day.Add(time.Duration(minute)*time.Minute).UnixMilli()))
	return true
}

// settle gives the lines before the first time that time, or the day.
func (c *wallClock) settle(list []said) {
	first := client.Millis(c.day.UnixMilli())
	for i := range list {
		if list[i].at != 0 {
			first = list[i].at
			break
		}
	}
	for i := range list {
		if list[i].at != 0 {
			return
		}
		list[i].at = first
	}
}

// annotate reads which lines answer which.
func (l *Log) annotate() error {
	base, ok := strings.CutSuffix(l.File, ".raw.txt")
	if !ok {
		return nil
	}
	file := base + ".annotation.txt"
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	at := make(map[int]int, len(l.said)) // line → place in said
	for i, s := range l.said {
		at[s.line] = i
	}
	for n, row := range strings.Split(strings.TrimRight(string(text), "\n"), "\n") {
		f := strings.Fields(row)
		if len(f) == 0 {
			continue
		}
		if len(f) < 2 {
			return fmt.Errorf("%s:%d: not \"a b -\": %.40q", file, n+1, row)
		}
		a, errA := strconv.Atoi(f[0])
		b, errB := strconv.Atoi(f[1])
		if errA != nil || errB != nil {
			return fmt.Errorf("%s:%d: not \"a b -\": %.40q", file, n+1, row)
		}
		a, b = min(a, b)+1, max(a, b)+1
		i, there := at[b]
		if _, answered := at[a]; a != b && there && answered && a > l.said[i].answer {
			l.said[i].answer = a // of several, the nearest
		}
	}
	return nil
}
