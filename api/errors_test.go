package api

import (
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"gori/chat"
)

// The table in docs/PROTOCOL.md and the one in errors.go say the same, and the
// codes in openapi.yaml are those of package chat.
func TestStatusTableIsTheDocumentedOne(t *testing.T) {
	doc, err := os.ReadFile("../docs/PROTOCOL.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(doc), "| HTTP status | codes |")
	if !found {
		t.Fatal("docs/PROTOCOL.md has no table of statuses")
	}
	documented := map[chat.Code]int{}
	for _, row := range regexp.MustCompile(`(?m)^\| (\d{3}) \| (.+) \|$`).FindAllStringSubmatch(table, -1) {
		status, _ := strconv.Atoi(row[1])
		for code := range strings.SplitSeq(row[2], ", ") {
			documented[chat.Code(code)] = status
		}
	}
	for code, status := range statusOf {
		if documented[code] != status {
			t.Errorf("%s is %d here and %d in the documentation", code, status, documented[code])
		}
	}
	for code := range documented {
		if statusOf[code] == 0 {
			t.Errorf("%s is documented and has no status here", code)
		}
	}
	source, err := os.ReadFile("../chat/errors.go")
	if err != nil {
		t.Fatal(err)
	}
	declared := regexp.MustCompile(`Code\w+\s+Code\s+= "(\w+)"`).FindAllStringSubmatch(string(source), -1)
	if len(declared) == 0 {
		t.Fatal("no codes found in package chat")
	}
	for _, d := range declared {
		if statusOf[chat.Code(d[1])] == 0 {
			t.Errorf("the code %s of package chat has no status", d[1])
		}
	}
	if len(declared) != len(statusOf) {
		t.Errorf("%d codes are declared and %d have a status", len(declared), len(statusOf))
	}
	if statusOf[chat.CodeInternal] != http.StatusInternalServerError {
		t.Error("internal must be a fault of ours")
	}
}
