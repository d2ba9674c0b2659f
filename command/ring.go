package command

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"golang.org/x/term"

	"gori/config"
	"gori/reach"
	"gori/shard"
	"gori/store/survey"
)

// ringView is the ring as its shards tell it: the plan (the document) and the
// authority (the rows about each partition).
type ringView struct {
	Version int64       `json:"version"`
	Map     *shard.Map  `json:"map"`
	Shards  []shardView `json:"shards"`
	Plan    *shard.Plan `json:"plan,omitempty"`
	// Acceptors keep the document; so many of them must agree to a change.
	Acceptors []string `json:"acceptors"`
	Majority  int      `json:"majority"`

	owners []map[shard.Partition]survey.Owner // by index of Shards
}

// shardView is a shard's seat, and a count of what it says about partitions.
type shardView struct {
	shard.Seat
	Active   int `json:"active"`
	Fenced   int `json:"fenced"`
	Incoming int `json:"incoming"`
	Gone     int `json:"gone"`
}

// readRing reads the agreed document, and what the shards in it say.
func (t *target) readRing(ctx context.Context) (*ringView, []config.Shard, error) {
	ctx, cancel := context.WithTimeout(ctx, adminPatience)
	defer cancel()
	doc, shards, err := t.document(ctx)
	if err != nil {
		return nil, nil, err
	}
	r := &ringView{Version: doc.Version, Map: doc.Map, Plan: doc.Plan, Acceptors: doc.Acceptors, Majority: len(doc.Acceptors)/2 + 1,
		Shards: make([]shardView, len(shards)), owners: make([]map[shard.Partition]survey.Owner, len(shards))}
	err = reach.EachShard(ctx, shards, func(ctx context.Context, i int, s config.Shard) error {
		list, err := survey.Owners(ctx, s.DSN)
		r.Shards[i], r.owners[i] = countStates(doc.Seats[i], list), survey.ByPartition(list)
		return err
	})
	return r, shards, err
}

func countStates(seat shard.Seat, list []survey.Owner) shardView {
	v := shardView{Seat: seat}
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

// active returns the index of the shard that serves p, and how many do. Right
// after the commit point of a move the source is still fenced: then it is the
// target alone.
func (r *ringView) active(p shard.Partition) (index, n int) {
	for _, state := range []string{"active", "fenced"} {
		for i := range r.owners {
			if r.owners[i][p].State == state {
				index = i
				n++
			}
		}
		if n > 0 {
			return index, n
		}
	}
	return -1, 0
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
	fmt.Fprintln(t, "shard\tpartitions\tshare\tfenced\tincoming\tgone\tterm\taddress\t standby\t")
	for _, s := range r.Shards {
		fmt.Fprintf(t, "%s\t%d\t%.1f %%\t%d\t%d\t%d\t%d\t%s\t%s\t\n", s.ID, s.Active, 100*float64(s.Active)/shard.Partitions, s.Fenced, s.Incoming, s.Gone,
			s.Term, s.Addr, s.standby())
	}
	_ = t.Flush()
	fmt.Fprintf(w, "\nversion %d, epoch %d, largest share / average %.3f, map %s\n", r.Version, r.Map.Epoch(), r.Map.Spread(), r.Map.Hash()[:12])
	fmt.Fprintf(w, "changed by %d of %d: %s\n", r.Majority, len(r.Acceptors), strings.Join(r.Acceptors, " "))
	if p := r.Plan; p != nil {
		fmt.Fprintf(w, "under way: %s %s (%s); gori reshard status\n", p.Kind, p.Shard, p.ID)
	}
	fmt.Fprintln(w)
	for _, line := range r.picture(colour) {
		fmt.Fprintln(w, line)
	}
}

// standby says where a shard's standby is, and what it is worth.
func (v shardView) standby() string {
	switch {
	case v.Leaving:
		return "LEAVING"
	case v.Standby == "":
		return "-"
	case v.Sync:
		return v.Standby
	}
	return v.Standby + " (may lack acknowledged messages)"
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
