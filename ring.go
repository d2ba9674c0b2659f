package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"golang.org/x/term"

	"gori/shard"
	"gori/store/survey"
)

// ringView is the ring as its shards tell it: the plan (Map) and the authority
// (the rows about each partition).
type ringView struct {
	Map    *shard.Map  `json:"map"`
	Shards []shardView `json:"shards"`

	owners []map[shard.Partition]survey.Owner // by index of Shards
}

// shardView counts what one shard says about partitions.
type shardView struct {
	ID       shard.ID `json:"id"`
	Active   int      `json:"active"`
	Fenced   int      `json:"fenced"`
	Incoming int      `json:"incoming"`
	Gone     int      `json:"gone"`
}

func readRing(ctx context.Context, shards []ShardConfig) (*ringView, error) {
	ctx, cancel := context.WithTimeout(ctx, adminPatience)
	defer cancel()
	r := &ringView{Shards: make([]shardView, len(shards)), owners: make([]map[shard.Partition]survey.Owner, len(shards))}
	found := make([]*shard.Map, len(shards))
	err := eachShard(ctx, shards, func(ctx context.Context, i int, s ShardConfig) error {
		m, err := survey.Ring(ctx, s.DSN)
		if err != nil {
			return err
		}
		if m == nil {
			return errors.New("holds no ring: it was never started by gori up or gori serve")
		}
		list, err := survey.Owners(ctx, s.DSN)
		found[i], r.Shards[i], r.owners[i] = m, countStates(shard.ID(s.ID), list), byPartition(list)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, m := range found {
		if r.Map == nil || m.Epoch() > r.Map.Epoch() {
			r.Map = m
		}
	}
	return r, nil
}

func byPartition(list []survey.Owner) map[shard.Partition]survey.Owner {
	m := make(map[shard.Partition]survey.Owner, len(list))
	for _, o := range list {
		m[o.Partition] = o
	}
	return m
}

func countStates(id shard.ID, list []survey.Owner) shardView {
	v := shardView{ID: id}
	for _, o := range list {
		switch o.State {
		case "active":
			v.Active++
		case "fenced":
			v.Fenced++
		case "incoming":
			v.Incoming++
		case "gone":
			v.Gone++
		}
	}
	return v
}

// active returns the index of the shard that serves p, and how many do.
func (r *ringView) active(p shard.Partition) (index, n int) {
	index = -1
	for i := range r.owners {
		if s := r.owners[i][p].State; s == "active" || s == "fenced" {
			index = i
			n++
		}
	}
	return index, n
}

// problem says what is wrong with a ring, nil if each partition has exactly one
// owner.
func (r *ringView) problem() error {
	var none, several []string
	for p := range shard.Partition(shard.Partitions) {
		switch _, n := r.active(p); {
		case n == 0:
			none = append(none, p.String())
		case n > 1:
			several = append(several, p.String())
		}
	}
	if none == nil && several == nil {
		return nil
	}
	return fmt.Errorf("%d partitions have no owner (%s) and %d have several (%s): is a shard missing from the configuration?",
		len(none), few(none), len(several), few(several))
}

func few(list []string) string {
	if len(list) > 8 {
		return strings.Join(list[:8], " ") + " …"
	}
	return strings.Join(list, " ")
}

func (r *ringView) print(w io.Writer, colour bool) {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "shard\tpartitions\tshare\tfenced\tincoming\tgone\t")
	for _, s := range r.Shards {
		fmt.Fprintf(t, "%s\t%d\t%.1f %%\t%d\t%d\t%d\t\n", s.ID, s.Active, 100*float64(s.Active)/shard.Partitions, s.Fenced, s.Incoming, s.Gone)
	}
	_ = t.Flush()
	fmt.Fprintf(w, "\nepoch %d, largest share / average %.3f, map %s\n\n", r.Map.Epoch(), r.Map.Spread(), r.Map.Hash()[:12])
	for _, line := range r.picture(colour) {
		fmt.Fprintln(w, line)
	}
}

// The picture's size in characters, which are about twice as high as wide.
const (
	pictureWidth  = 61
	pictureHeight = 27
	pictureHole   = 0.7 // of the radius
)

type cell struct {
	x, y  int
	angle float64
}

// picture draws the partitions as a ring, clockwise from the top; a mark is the
// first letter of the shard's name and stands for one or two partitions.
func (r *ringView) picture(colour bool) []string {
	var cells []cell
	for y := range pictureHeight {
		for x := range pictureWidth {
			dx := (float64(x) - float64(pictureWidth-1)/2) / (float64(pictureWidth) / 2)
			dy := (float64(y) - float64(pictureHeight-1)/2) / (float64(pictureHeight) / 2)
			if d := math.Hypot(dx, dy); d <= 1 && d >= pictureHole {
				angle := math.Atan2(dx, -dy)
				if angle < 0 {
					angle += 2 * math.Pi
				}
				cells = append(cells, cell{x, y, angle})
			}
		}
	}
	slices.SortStableFunc(cells, func(a, b cell) int { return cmp.Compare(a.angle, b.angle) })
	grid := make([][]string, pictureHeight)
	for y := range grid {
		grid[y] = slices.Repeat([]string{" "}, pictureWidth)
	}
	for i, c := range cells {
		grid[c.y][c.x] = r.mark(shard.Partition(i*shard.Partitions/len(cells)), colour)
	}
	lines := []string{fmt.Sprintf("%d partitions", shard.Partitions), fmt.Sprintf("%d shards", len(r.Shards))}
	for i, line := range lines {
		for j, ch := range line {
			grid[pictureHeight/2-len(lines)/2+i][(pictureWidth-len(line))/2+j] = string(ch)
		}
	}
	var out []string
	for _, row := range grid {
		out = append(out, strings.TrimRight(strings.Join(row, ""), " "))
	}
	return out
}

// mark is how a partition looks: its owner's letter, ? for none, ! for several.
func (r *ringView) mark(p shard.Partition, colour bool) string {
	i, n := r.active(p)
	switch {
	case n == 0:
		return "?"
	case n > 1:
		return "!"
	}
	id := string(r.Shards[i].ID)
	letter := id[:1]
	// s1, s2 … have no telling first letter; their digit has.
	if last := id[len(id)-1]; len(id) > 1 && last >= '0' && last <= '9' {
		letter = string(last)
	}
	if !colour {
		return letter
	}
	palette := []int{39, 208, 76, 170, 220, 44, 203, 141}
	return fmt.Sprintf("\x1b[38;5;%dm%s\x1b[0m", palette[i%len(palette)], letter)
}

// colours says whether w is a terminal that wants colours.
func colours(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && os.Getenv("NO_COLOR") == ""
}

// sortedKeys returns the pairs of a plan in order.
func sortedKeys[V any](m map[[2]string]V) [][2]string {
	return slices.SortedFunc(maps.Keys(m), func(a, b [2]string) int {
		return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1]))
	})
}
