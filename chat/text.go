package chat

import (
	"encoding/json"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// NormalText checks a text that came from outside and returns it in NFC. NUL
// and invalid UTF-8 are CodeBadText: PostgreSQL would refuse them and Go's JSON
// decoder would hide them.
func NormalText(s string) (string, error) {
	if !utf8.ValidString(s) {
		return "", Errorf(CodeBadText, "the text is not valid UTF-8")
	}
	if strings.IndexByte(s, 0) >= 0 {
		return "", Errorf(CodeBadText, "the text contains NUL")
	}
	if norm.NFC.IsNormalString(s) {
		return s, nil
	}
	return norm.NFC.String(s), nil
}

// NormalBody checks the body of a message and returns it in NFC: CodeEmpty if
// it says nothing, CodeTooLong over MaxBodyChars characters or MaxBodyBytes.
func NormalBody(s string) (string, error) {
	if len(s) > 3*MaxBodyBytes { // NFC shortens; never normalise without a bound
		return "", tooLong("body", MaxBodyChars)
	}
	s, err := NormalText(s)
	if err != nil {
		return "", err
	}
	if len(s) > MaxBodyBytes || (len(s) > MaxBodyChars && utf8.RuneCountInString(s) > MaxBodyChars) {
		return "", tooLong("body", MaxBodyChars)
	}
	if Blank(s) {
		return "", Errorf(CodeEmpty, "the message says nothing")
	}
	return s, nil
}

// NormalLine checks a text of one line, such as a name, and returns it in NFC
// without space around it. Control characters and those that turn the writing
// direction of what follows are CodeBadText. An empty one is allowed if min is 0.
func NormalLine(what, s string, min, max int) (string, error) {
	if len(s) > 12*max+64 {
		return "", tooLong(what, max)
	}
	s, err := NormalText(s)
	if err != nil {
		return "", err
	}
	s = strings.TrimSpace(s)
	for _, r := range s {
		if unicode.IsControl(r) || turnsDirection(r) || r == '\u2028' || r == '\u2029' {
			return "", Errorf(CodeBadText, "the %s contains a control character", what)
		}
	}
	n := utf8.RuneCountInString(s)
	switch {
	case n > max:
		return "", tooLong(what, max)
	case n < min, min > 0 && Blank(s):
		return "", Errorf(CodeEmpty, "the %s must have at least %d visible characters", what, min)
	}
	return s, nil
}

func tooLong(what string, max int) error {
	return Errorf(CodeTooLong, "the %s is longer than %d characters", what, max)
}

// turnsDirection tells the embedding, override and isolate controls.
func turnsDirection(r rune) bool {
	return r >= 0x202A && r <= 0x202E || r >= 0x2066 && r <= 0x2069
}

// Blank tells whether nothing in s can be seen: only space, control and format
// characters, fillers and marks without anything to stand on.
func Blank(s string) bool {
	for _, r := range s {
		if r < 0x7F {
			if r > ' ' {
				return false
			}
			continue
		}
		switch {
		case unicode.IsSpace(r), unicode.IsControl(r), unicode.Is(unicode.Cf, r), unicode.Is(unicode.M, r):
		case r == '\u115F', r == '\u1160', r == '\u3164', r == '\uFFA0', r == '\u2800': // Hangul fillers, Braille blank
		default:
			return false
		}
	}
	return true
}

// Preview is the beginning of a body for an inbox entry: at most PreviewChars
// characters, cut where no Hangul syllable, combining sequence or joined emoji
// is torn.
func Preview(body string) string { return Cut(body, PreviewChars) }

// previewUsers is how many people the preview of a system message names.
const previewUsers = 3

// Preview is the content of a system message for an inbox entry: its JSON,
// with no more than three of its users. Whoever shows it puts it into words.
func (s System) Preview() string {
	s.Users = s.Users[:min(len(s.Users), previewUsers)]
	text, err := json.Marshal(s)
	if err != nil {
		panic("chat: a System always has a JSON form: " + err.Error())
	}
	return string(text)
}

// Cut shortens s to at most max characters without tearing what is shown as
// one. A single cluster longer than max is torn all the same.
func Cut(s string, max int) string {
	if len(s) <= max {
		return s
	}
	end, n := len(s), 0
	for i := range s {
		if n == max {
			end = i
			break
		}
		n++
	}
	if end == len(s) {
		return s
	}
	next, _ := utf8.DecodeRuneInString(s[end:])
	for at := end; at > 0; {
		prev, size := utf8.DecodeLastRuneInString(s[:at])
		if !joins(s[:at], prev, next) {
			return s[:at]
		}
		at, next = at-size, prev
	}
	return s[:end]
}

// joins tells whether prev, the end of before, and next are shown as one. It
// follows the rules GB6 to GB13 of Unicode's annex 29, on the safe side.
func joins(before string, prev, next rune) bool {
	switch {
	case prev == '\r' && next == '\n':
		return true
	case unicode.Is(unicode.M, next), next == 0x200D, next == 0x200C:
		return true // combining mark, variation selector, joiner
	case next >= 0x1F3FB && next <= 0x1F3FF, next >= 0xE0020 && next <= 0xE007F:
		return true // skin tone, tag
	case prev == 0x200D:
		return true
	case isRegional(prev) && isRegional(next):
		return trailingRegionals(before)%2 == 1
	}
	return joinsHangul(prev, next)
}

// joinsHangul follows GB6 to GB8: leading consonants, vowels and final
// consonants of one syllable block.
func joinsHangul(prev, next rune) bool {
	isL := func(r rune) bool { return r >= 0x1100 && r <= 0x115F || r >= 0xA960 && r <= 0xA97C }
	isV := func(r rune) bool { return r >= 0x1160 && r <= 0x11A7 || r >= 0xD7B0 && r <= 0xD7C6 }
	isT := func(r rune) bool { return r >= 0x11A8 && r <= 0x11FF || r >= 0xD7CB && r <= 0xD7FB }
	isSyllable := func(r rune) bool { return r >= 0xAC00 && r <= 0xD7A3 }
	isLV := isSyllable(prev) && (prev-0xAC00)%28 == 0
	switch {
	case isL(prev):
		return isL(next) || isV(next) || isSyllable(next)
	case isLV, isV(prev):
		return isV(next) || isT(next)
	case isSyllable(prev), isT(prev):
		return isT(next)
	}
	return false
}

func isRegional(r rune) bool { return r >= 0x1F1E6 && r <= 0x1F1FF }

func trailingRegionals(s string) int {
	n := 0
	for len(s) > 0 {
		r, size := utf8.DecodeLastRuneInString(s)
		if !isRegional(r) {
			break
		}
		n++
		s = s[:len(s)-size]
	}
	return n
}

// CanonicalLoginName returns the one form in which a login name is kept and
// compared: NFC, lower case. Allowed are a-z, 0-9, Hangul syllables and, not at
// either end, the characters . _ and -.
func CanonicalLoginName(s string) (string, error) {
	if len(s) > 12*MaxLoginName {
		return "", tooLong("login name", MaxLoginName)
	}
	s, err := NormalText(s)
	if err != nil {
		return "", err
	}
	// Only A-Z are lowered: other letters that lower to ASCII are not allowed.
	s = strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
	runes := []rune(s)
	if len(runes) < MinLoginName || len(runes) > MaxLoginName {
		return "", Errorf(CodeBadRequest, "a login name has %d to %d characters", MinLoginName, MaxLoginName)
	}
	for i, r := range runes {
		letter := r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r >= 0xAC00 && r <= 0xD7A3
		mark := (r == '.' || r == '_' || r == '-') && i > 0 && i < len(runes)-1
		if !letter && !mark {
			return "", Errorf(CodeBadRequest, "a login name is made of a-z, 0-9, Hangul and, inside, . _ -")
		}
	}
	if reservedNames[s] {
		return "", Errorf(CodeNameTaken, "this name is reserved")
	}
	return s, nil
}

// reservedNames would be mistaken for everybody, or for Gori itself.
var reservedNames = map[string]bool{
	"all": true, "everyone": true, "here": true, "channel": true, "system": true, "gori": true,
	"모두": true, "전체": true, "고리": true,
}
