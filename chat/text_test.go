package chat

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestNormalBody(t *testing.T) {
	hangul := strings.Repeat("가", MaxBodyChars)
	for name, c := range map[string]struct {
		in, out string
		code    Code
	}{
		"plain":               {"hello", "hello", ""},
		"decomposed Hangul":   {"\u1112\u1161\u11ab", "한", ""},
		"decomposed accents":  {"e\u0301", "é", ""},
		"at the limit":        {hangul, hangul, ""},
		"one over":            {hangul + "가", "", CodeTooLong},
		"emoji at the limit":  {strings.Repeat("😀", MaxBodyChars), strings.Repeat("😀", MaxBodyChars), ""},
		"decomposed to limit": {strings.Repeat("\u1100\u1161", MaxBodyChars), hangul, ""},
		"far too long":        {strings.Repeat("x", 4*MaxBodyBytes), "", CodeTooLong},
		"empty":               {"", "", CodeEmpty},
		"space":               {" \n\t\u3000", "", CodeEmpty},
		"zero width":          {"\u200b\u200d\u2060\ufeff", "", CodeEmpty},
		"bidi":                {"\u202e\u2066", "", CodeEmpty},
		"Hangul filler":       {"\u3164\u115f", "", CodeEmpty},
		"only marks":          {strings.Repeat("\u0301", 10), "", CodeEmpty},
		"NUL":                 {"a\x00b", "", CodeBadText},
		"not UTF-8":           {"a\xffb", "", CodeBadText},
		"surrogate":           {"\xed\xa0\x80", "", CodeBadText},
	} {
		got, err := NormalBody(c.in)
		if got != c.out || CodeOf(err) != c.code {
			t.Errorf("%s: %.20q, %v; want %.20q, %q", name, got, err, c.out, c.code)
		}
	}
}

func TestCut(t *testing.T) {
	for name, c := range map[string]struct {
		in   string
		max  int
		want string
	}{
		"short":            {"abc", 5, "abc"},
		"exact":            {"가나다", 3, "가나다"},
		"plain":            {"abcdef", 3, "abc"},
		"syllables":        {"가나다라", 2, "가나"},
		"jamo L V":         {"a\u1100\u1161", 2, "a"},
		"jamo L V T":       {"a\u1100\u1161\u11a8b", 3, "a"},
		"syllable and T":   {"가\u11a8b", 1, "가"}, // one cluster longer than the limit
		"a, syllable, T":   {"a가\u11a8b", 2, "a"},
		"combining":        {"ae\u0301b", 2, "a"},
		"skin tone":        {"a👍🏽b", 2, "a"},
		"family":           {"a👩‍👩‍👧b", 4, "a"},
		"flags":            {"🇰🇷🇺🇸", 3, "🇰🇷"},
		"flags whole":      {"🇰🇷🇺🇸", 2, "🇰🇷"},
		"variation":        {"a❤️b", 2, "a"},
		"keycap":           {"a1️⃣b", 3, "a"},
		"newline":          {"a\r\nb", 2, "a"},
		"zalgo is torn":    {"e" + strings.Repeat("\u0301", 50), 10, "e" + strings.Repeat("\u0301", 9)},
		"two syllables, T": {"각\u11a8나", 2, "각\u11a8"},
	} {
		if got := Cut(c.in, c.max); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestCutNeverExceeds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringOf(rapid.RuneFrom([]rune("aé가각\u1100\u1161\u11a8\u0301👍🏽👩‍🇰🇷❤\ufe0f\r\n "))).Draw(t, "s")
		max := rapid.IntRange(1, 20).Draw(t, "max")
		got := Cut(s, max)
		if !strings.HasPrefix(s, got) || utf8.RuneCountInString(got) > max || !utf8.ValidString(got) || s != "" && got == "" {
			t.Fatalf("Cut(%q, %d) = %q", s, max, got)
		}
		if Cut(got, max) != got {
			t.Fatalf("cutting %q again gives %q", got, Cut(got, max))
		}
	})
}

func TestCanonicalLoginName(t *testing.T) {
	for in, want := range map[string]string{
		"Min.Jun-1":     "min.jun-1",
		"김민준":           "김민준",
		"\u1100\u1175민": "기민",
		"a_b":           "a_b",
		"a":             "",
		"":              "",
		"-ab":           "",
		"ab.":           "",
		"a b":           "",
		" ab":           "",
		"аdmin":         "", // Cyrillic
		"ＡＢ":            "", // full width
		"a\u202eb":      "",
		"ㅋㅋㅋ":           "", // letters, no syllables
		"all":           "",
		"모두":            "",
		"a\x00b":        "",
		"admin":         "admin",
		"İstanbul":      "",
		"a\u200db":      "",
		"가나다라마바사아자차카타파하1234567890123456789": "",
	} {
		got, err := CanonicalLoginName(in)
		if got != want || (err == nil) != (want != "") || CodeOf(err) == CodeInternal {
			t.Errorf("%q: %q, %v; want %q", in, got, err, want)
		}
		if again, err := CanonicalLoginName(got); want != "" && (again != got || err != nil) {
			t.Errorf("%q is not its own canonical form: %q, %v", got, again, err)
		}
	}
	if _, err := CanonicalLoginName(strings.Repeat("x", 10_000)); CodeOf(err) != CodeTooLong {
		t.Errorf("10 KB: %v", err)
	}
}

func TestNormalLine(t *testing.T) {
	for in, code := range map[string]Code{
		"민준": "", " padded ": "", "a\nb": CodeBadText, "\x1b[31m": CodeBadText, "a\u202eb": CodeBadText, "": CodeEmpty,
		"\u200b": CodeEmpty, strings.Repeat("가", 41): CodeTooLong, strings.Repeat("x", 10_000): CodeTooLong, "\u2028x\u2028y": CodeBadText,
	} {
		if _, err := NormalLine("name", in, 1, 40); CodeOf(err) != code {
			t.Errorf("%.20q: %v, want %q", in, err, code)
		}
	}
	if s, err := NormalLine("status", "", 0, 40); s != "" || err != nil {
		t.Errorf("an empty one that is allowed: %q, %v", s, err)
	}
}
