package admin

import (
	"bytes"
	"encoding/json"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gori/chat"
	"gori/shard"
	"gori/shard/reshard"
	"gori/store/move"
)

// codesFile lists every code for which the admin page must have words; a test of
// the web client holds both its languages against it.
const codesFile = "../web/src/i18n/admin-codes.json"

var update = flag.Bool("update", false, "rewrite the list of codes")

func textsOf[T ~string](list []T) []string {
	var texts []string
	for _, one := range list {
		texts = append(texts, string(one))
	}
	slices.Sort(texts)
	return texts
}

func adminCodes() map[string][]string {
	actions := slices.Clone(chat.AuditActions)
	for _, a := range []string{"add", "remove", "abort", "reverse", "pause", "resume", "set"} {
		actions = append(actions, auditReshard+a)
	}
	return map[string][]string{
		"reason": textsOf(append(textsOf(shard.CauseCodes), reasons...)),
		"fault":  textsOf(move.FaultCodes),
		"audit":  textsOf(append(actions, auditVerify)),
		"owner":  textsOf([]reshard.OwnerState{reshard.Active, reshard.Fencing, reshard.Incoming, reshard.Gone}),
		"state": textsOf([]shard.MoveState{shard.Planned, shard.Claimed, shard.Copying, shard.Following, shard.Verified, shard.Fenced, shard.Switched,
			shard.Forwarded, shard.Cleaned, "released"}),
		"check": textsOf([]move.CheckState{move.Checking, move.Checked, move.CheckFailed, checkInterrupted}),
	}
}

func TestTheAdminPageHasWordsForAllCodes(t *testing.T) {
	want, err := json.MarshalIndent(adminCodes(), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, '\n')
	if *update {
		if err := os.WriteFile(codesFile, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(codesFile)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s is not what the server may say (run with -update, then find words for it): %v", codesFile, err)
	}
}

// Whatever is said by a code is in the list of its kind.
func TestCodesAreListed(t *testing.T) {
	notes := map[string]bool{}
	eachGoFile(t, "../chat", func(f *ast.File) {
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if sel, ok := call.Fun.(*ast.SelectorExpr); !ok || sel.Sel.Name != "note" || len(call.Args) < 4 {
				return true
			}
			if text, ok := literal(call.Args[2]); ok {
				notes[text] = true
			}
			return true
		})
	})
	// Two are chosen between before they are noted.
	notes["user.disabled"], notes["user.enabled"] = true, true
	for text := range notes {
		if !slices.Contains(chat.AuditActions, text) {
			t.Errorf("the audit log tells of %s, which is not in chat.AuditActions", text)
		}
	}
	if len(notes) != len(chat.AuditActions) {
		t.Errorf("%d actions are noted, %d listed", len(notes), len(chat.AuditActions))
	}
	for dir, kinds := range map[string]map[string][]string{
		"../shard":      {"CauseCode": textsOf(shard.CauseCodes)},
		"../store/move": {"FaultCode": textsOf(move.FaultCodes)},
	} {
		eachGoFile(t, dir, func(f *ast.File) {
			ast.Inspect(f, func(n ast.Node) bool {
				v, ok := n.(*ast.ValueSpec)
				if !ok || v.Type == nil || len(v.Values) != 1 {
					return true
				}
				if name, ok := v.Type.(*ast.Ident); ok && kinds[name.Name] != nil {
					if text, ok := literal(v.Values[0]); ok && !slices.Contains(kinds[name.Name], text) {
						t.Errorf("%s %q is not in the list", name.Name, text)
					}
				}
				return true
			})
		})
	}
}

func literal(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(lit.Value)
	return text, err == nil
}

func eachGoFile(t *testing.T, dir string, do func(*ast.File)) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		do(f)
	}
}

func TestRefusalsHaveReasons(t *testing.T) {
	plan := shard.Plan{ID: "v2-add-c", Kind: shard.PlanAdd, Shard: "c"}
	for want, err := range map[shard.CauseCode]error{
		shard.CauseRingChanged: &reshard.ConflictError{Now: testRing(t, "a")},
		shard.CauseUnderway:    &shard.UnderwayError{Plan: plan},
		shard.CauseNoMajority:  &reshard.NoMajorityError{},
		shard.CauseNoPlan:      shard.ErrNoPlan,
		shard.CauseNothingOld:  shard.ErrNothingOld,
		shard.CauseUnsettled:   shard.ErrUnsettled,
		shard.CauseAddrSecret:  shard.CheckAddr("postgres://u:p@h/d"),
		shard.CauseAddrForm:    shard.CheckAddr("x"),
	} {
		e := chat.ErrorOf(ringError(err))
		if e.Reason == nil || e.Reason.Code != string(want) || e.Message == "" || e.Code == chat.CodeInternal {
			t.Errorf("%v: %+v", err, e)
		}
	}
	ring := testRing(t, "a", "b")
	for want, change := range map[shard.CauseCode]func() (*shard.Ring, error){
		shard.CauseShardThere: func() (*shard.Ring, error) { return ring.Add("a", "@a", plan) },
		shard.CauseAddrTaken:  func() (*shard.Ring, error) { return ring.Add("c", "@a", plan) },
		shard.CauseShardNone:  func() (*shard.Ring, error) { return ring.Remove("x", plan) },
		shard.CauseShardLast:  func() (*shard.Ring, error) { return testRing(t, "a").Remove("a", plan) },
	} {
		_, err := change()
		if e := chat.ErrorOf(ringError(err)); e.Reason == nil || e.Reason.Code != string(want) || e.Code != chat.CodeConflict {
			t.Errorf("%v: %+v", err, e)
		}
	}
	args := reasonFor(&shard.UnderwayError{Plan: plan}).Args
	if !reflect.DeepEqual(args, map[string]string{"id": "v2-add-c", "kind": "add", "shard": "c"}) {
		t.Errorf("the parameters are %v", args)
	}
}
