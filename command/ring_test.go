package command

import (
	"bytes"
	"strings"
	"testing"

	"gori/shard"
	"gori/store/survey"
)

// viewOf is the ring as healthy shards tell it.
func viewOf(t *testing.T, ids ...shard.ID) *ringView {
	t.Helper()
	m, err := shard.First(ids)
	if err != nil {
		t.Fatal(err)
	}
	r := &ringView{Map: m}
	for _, id := range m.Shards() {
		var list []survey.Owner
		for _, p := range m.Owned(id) {
			list = append(list, survey.Owner{Partition: p, State: "active", Epoch: 1})
		}
		r.Shards = append(r.Shards, countStates(shard.Seat{ID: id, Addr: "@" + string(id), Term: 1}, list))
		r.owners = append(r.owners, survey.ByPartition(list))
	}
	return r
}

func TestThePictureShowsEveryShard(t *testing.T) {
	r := viewOf(t, "a", "b", "c", "d")
	if err := r.problem(); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	r.print(&out, false)
	for _, want := range []string{"256", "25.", "1021 partitions", "4 shards", "a", "b", "c", "d"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
	marks := map[string]int{}
	for _, line := range r.picture(false) {
		if len(line) > pictureWidth {
			t.Errorf("a line of %d characters", len(line))
		}
		for _, m := range strings.Fields(strings.Join(strings.Split(line, ""), " ")) {
			marks[m]++
		}
	}
	for _, id := range []string{"a", "b", "c", "d"} {
		if marks[id] < 100 {
			t.Errorf("shard %s has %d marks", id, marks[id])
		}
	}
	if strings.Contains(out.String(), "\x1b") || !strings.Contains(strings.Join(r.picture(true), ""), "\x1b[38;5;") {
		t.Error("colours where none are wanted, or none where they are")
	}
}

func TestARingInDisorderIsSeen(t *testing.T) {
	r := viewOf(t, "a", "b")
	p := r.Map.Owned("a")[0]
	delete(r.owners[0], p)
	if err := r.problem(); err == nil || !strings.Contains(err.Error(), "1 partitions have no owner ("+p.String()+")") {
		t.Errorf("one without owner: %v", err)
	}
	if r.mark(p, false) != "?" {
		t.Errorf("its mark is %s", r.mark(p, false))
	}
	r = viewOf(t, "a", "b")
	r.owners[1][p] = survey.Owner{Partition: p, State: "active"}
	if err := r.problem(); err == nil || !strings.Contains(err.Error(), "1 have several") {
		t.Errorf("one with two owners: %v", err)
	}
}
