package command

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"gori/config"
	"gori/reach"
	"gori/shard"
	"gori/store"
	"gori/store/backup"
	"gori/store/local"
)

func newBackup() *cobra.Command {
	var t target
	var o backup.Options
	c := &cobra.Command{
		Use:   "backup --to FOLDER",
		Short: "Back all shards up as they are at one instant, while people chat",
		Long: `Backs all shards up into a folder, as they are at one instant: writes wait for
some milliseconds, everything else goes on. The folder holds everything but the
configuration and the nodes' secret: password hashes and messages too, so keep
it as safe as the system. A backup without manifest.json is not finished.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if o.To == "" {
				return config.Usage(fmt.Errorf("backup needs a folder: --to FOLDER"))
			}
			shards, _, err := t.seats(c.Context())
			if err != nil {
				return err
			}
			o.Shards, o.Version = storeShards(shards), versionText()
			if !t.json {
				o.Frozen = func(pause time.Duration, tries int) {
					fmt.Fprintf(c.OutOrStdout(), "Writes waited %.1f ms (try %d). Reading what there was then …\n", float64(pause.Microseconds())/1000, tries)
				}
			}
			m, err := backup.Take(c.Context(), o)
			if err != nil {
				return fmt.Errorf("no backup: %w", err)
			}
			return showBackup(c.OutOrStdout(), o.To, m, t.json)
		},
	}
	t.flags(c)
	c.Flags().StringVar(&o.To, "to", "", "the folder of the backup; made if missing, else it must be empty")
	c.Flags().DurationVar(&o.Budget, "pause", 150*time.Millisecond, "how long writes may wait at most; a try that takes longer is taken back")
	c.Flags().Float64Var(&o.MBps, "mbps", 0, "MB of rows read a second of each shard; 0: as fast as it goes")
	c.AddCommand(newBackupVerify())
	return c
}

func newBackupVerify() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "verify FOLDER",
		Short: "Read a backup and prove that it is as it was written",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return config.Usage(fmt.Errorf("backup verify needs one folder"))
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error {
			m, err := backup.Verify(args[0])
			if err != nil {
				return err
			}
			return showBackup(c.OutOrStdout(), args[0], m, asJSON)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// backupView is what the commands print as JSON: the manifest without the list
// of partitions and files.
type backupView struct {
	Folder   string                `json:"folder"`
	Gori     string                `json:"gori"`
	Schema   int32                 `json:"schema"`
	At       time.Time             `json:"at"`
	TookS    float64               `json:"took_s"`
	PauseUS  int64                 `json:"pause_us"`
	WorstUS  int64                 `json:"worst_pause_us"`
	Tries    int                   `json:"tries"`
	Ring     int64                 `json:"ring_version"`
	MapEpoch shard.Epoch           `json:"map_epoch"`
	Rows     int64                 `json:"rows"`
	Bytes    int64                 `json:"bytes"`
	Stored   int64                 `json:"stored"`
	Shards   map[shard.ID]int      `json:"shards"` // partitions of each
	Tables   map[string]backup.Sum `json:"tables"`
}

func showBackup(w io.Writer, dir string, m *backup.Manifest, asJSON bool) error {
	v := backupView{Folder: dir, Gori: m.Gori, Schema: m.Schema, At: m.At, TookS: m.Took, PauseUS: m.PauseUS, WorstUS: m.WorstUS, Tries: m.Tries,
		Shards: map[shard.ID]int{}, Tables: m.Tables()}
	v.Rows, v.Bytes, v.Stored = m.Totals()
	for _, s := range m.Shards {
		v.Shards[s.ID] = len(s.Partitions)
	}
	if m.Ring != nil {
		v.Ring, v.MapEpoch = m.Ring.Version, m.Ring.Map.Epoch()
	}
	if asJSON {
		return printJSON(w, v)
	}
	printSums(w, v.Tables)
	fmt.Fprintf(w, "\n%s: %d shards at %s, ring %d, map %d, schema %d: %d rows, %.1f MB in %.1f MB, in %.1f s; writes waited %.1f ms\n",
		dir, len(v.Shards), m.At.Format(time.RFC3339), v.Ring, v.MapEpoch, m.Schema, v.Rows, float64(v.Bytes)/1e6, float64(v.Stored)/1e6, m.Took, float64(m.PauseUS)/1000)
	return nil
}

func printSums(w io.Writer, sums map[string]backup.Sum) {
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(t, "table\trows\tdigest")
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		fmt.Fprintf(t, "%s\t%d\t%v\n", name, sums[name].Rows, sums[name].Digest)
	}
	_ = t.Flush()
}

func storeShards(shards []config.Shard) []store.ShardConfig {
	var list []store.ShardConfig
	for _, s := range shards {
		list = append(list, store.ShardConfig{ID: shard.ID(s.ID), DSN: s.DSN})
	}
	return list
}

// restoreFlags are what gori restore is told.
type restoreFlags struct {
	data, config string
	shards       int
	json         bool
	backup.RestoreOptions
}

func newRestore() *cobra.Command {
	var o restoreFlags
	c := &cobra.Command{
		Use:   "restore --from FOLDER",
		Short: "Make a system of a backup: in a new data folder, or on empty databases",
		Long: `Makes a system of a backup, with as many shards as wished. The backup is verified
first; what was loaded is read back and compared; only then is it served.

With --data the folder must be new: its instances are made, loaded and stopped
again, to be started by gori up. With --config the databases that the file names
must be empty.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if o.From == "" || (o.data == "") == (o.config == "") {
				return config.Usage(fmt.Errorf("restore needs a backup and a place: --from FOLDER, and --data DIR or --config FILE"))
			}
			if !o.json {
				o.Loaded = func(f backup.ManifestFile) {
					if f.Rows > 0 {
						fmt.Fprintf(c.OutOrStdout(), "%s: %d rows\n", f.Name, f.Rows)
					}
				}
			}
			return restore(c, o)
		},
	}
	f := c.Flags()
	f.StringVar(&o.From, "from", "", "the folder of the backup")
	f.StringVar(&o.data, "data", "", "a new data folder")
	f.IntVar(&o.shards, "shards", 0, "with --data: PostgreSQL instances; 0: as many as the backup has")
	f.StringVar(&o.config, "config", "", "a configuration file that names the shards, empty databases")
	f.BoolVar(&o.EndLogins, "end-logins", false, "end all logins: everybody logs in again")
	f.BoolVar(&o.json, "json", false, "print JSON")
	return c
}

func restore(c *cobra.Command, o restoreFlags) error {
	m, err := backup.Read(o.From)
	if err != nil {
		return err
	}
	var r *backup.Restored
	if o.config != "" {
		cfg, _, err := config.Load(o.config, os.Environ())
		if err != nil {
			return err
		}
		if len(cfg.Shards) == 0 {
			return config.Usage(fmt.Errorf("%s names no shards", o.config))
		}
		o.Shards = storeShards(cfg.Shards)
		if r, err = backup.Restore(c.Context(), o.RestoreOptions); err != nil {
			return fmt.Errorf("nothing is restored: %w", err)
		}
	} else {
		o.shards = cmp.Or(o.shards, len(m.Shards))
		if r, err = restoreLocal(c.Context(), o); err != nil {
			return fmt.Errorf("nothing is restored: %w", err)
		}
	}
	w := c.OutOrStdout()
	if o.json {
		return printJSON(w, r)
	}
	fmt.Fprintln(w)
	printSums(w, r.Tables)
	fmt.Fprintf(w, "\nRestored what there was at %s: %d rows on %d shards, every digest equal, in %.1f s.\n", m.At.Format(time.RFC3339), r.Rows, len(r.Shards), r.Took)
	if o.data != "" {
		fmt.Fprintf(w, "Start it: gori up --data %s\n", o.data)
	}
	return nil
}

// restoringFile is in a data folder until what is restored into it is whole.
const restoringFile = "RESTORING"

// refuseRestoring refuses a data folder that a restore has not finished.
func refuseRestoring(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, restoringFile)); err == nil {
		return fmt.Errorf("a restore into %s did not come to its end: remove the folder and restore again", dir)
	}
	return nil
}

// restoreLocal restores into a new data folder.
func restoreLocal(ctx context.Context, o restoreFlags) (_ *backup.Restored, err error) {
	if err := refuseRestoring(o.data); err != nil {
		return nil, err
	}
	if list, err := os.ReadDir(o.data); err == nil && len(list) > 0 {
		return nil, fmt.Errorf("the folder %s is not empty: a restore needs a new one", o.data)
	}
	if err := os.MkdirAll(o.data, 0o755); err != nil {
		return nil, err
	}
	marker := filepath.Join(o.data, restoringFile)
	if err := os.WriteFile(marker, []byte("A restore writes here, or did and did not come to its end.\n"), 0o644); err != nil {
		return nil, err
	}
	hangUp := make(chan os.Signal, 1)
	signal.Notify(hangUp, syscall.SIGHUP) // the terminal may close
	defer signal.Stop(hangUp)
	cluster, err := local.Open(local.ClusterConfig{Dir: o.data, Shards: o.shards, Version: versionText()})
	if err != nil {
		return nil, err
	}
	defer func() {
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		cluster.Stop(stop)
	}()
	if err := cluster.Start(ctx); err != nil {
		return nil, err
	}
	o.Shards = storeShards(reach.AsConfig(cluster.Shards()))
	r, err := backup.Restore(ctx, o.RestoreOptions)
	if err != nil {
		return nil, err
	}
	return r, os.Remove(marker)
}
