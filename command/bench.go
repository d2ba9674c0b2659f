package command

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"gori/bench"
	"gori/config"
	"gori/host"
)

// benchUsers is the file in the data folder that keeps the bench's people.
const benchUsers = "bench-users.json"

// benchFlags are what all workloads share.
type benchFlags struct {
	site    site
	opt     bench.Options
	seconds float64
	warmup  float64
	every   float64
	json    bool
}

func newBench() *cobra.Command {
	c := &cobra.Command{
		Use:   "bench",
		Short: "Measure a running system with good clients",
		Long: `Measures a running system from outside, with clients that go on through lost
connections. It makes its own people and channels and leaves them there: measure
a system made for it. CPU is told apart for the nodes, PostgreSQL and this
program, when they are on this host. It fails if anything was lost, doubled or
reordered.`,
		Args: knownCommand,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(
		newWork("pairs", "Direct channels in which both people send", func(c *cobra.Command, f *benchFlags) {
			c.Flags().IntVar(&f.opt.Pairs, "pairs", 200, "direct channels")
			talkFlags(c, f)
		}),
		newWork("group", "One group in which members send to all", func(c *cobra.Command, f *benchFlags) {
			c.Flags().IntVar(&f.opt.Members, "members", 100, "members of the group")
			c.Flags().IntVar(&f.opt.Senders, "senders", 0, "members who send (default all)")
			talkFlags(c, f)
		}),
		newWork("idle", "Connections that only beat: memory and CPU of the server", func(c *cobra.Command, f *benchFlags) {
			c.Flags().IntVar(&f.opt.Conns, "conns", 1_000, "connections")
		}),
		newWork("connect", "Devices that connect, resume and leave, again and again", func(c *cobra.Command, f *benchFlags) {
			c.Flags().IntVar(&f.opt.Conns, "conns", 32, "devices that do so at the same time")
		}),
		newWork("storm", "A node with many sessions is killed: how soon all are back, and what others notice", func(c *cobra.Command, f *benchFlags) {
			c.Flags().IntVar(&f.opt.Conns, "conns", 5_000, "sessions on the node that will be killed")
		}),
		newBenchAll(),
		newCrowd(),
	)
	return c
}

// newBenchAll runs every workload with its usual size. The idle one comes
// first: what the others leave behind is not a connection's memory.
func newBenchAll() *cobra.Command {
	f := &benchFlags{}
	c := &cobra.Command{Use: "all", Short: "All of them, one after the other, with their usual sizes", Args: noArgs, RunE: func(c *cobra.Command, _ []string) error {
		f.opt = bench.Options{UsersFile: f.opt.UsersFile, Pairs: 200, Members: 100, Window: 1, Size: 100}
		for _, w := range []struct {
			work  string
			conns int
		}{{"idle", 1_000}, {"connect", 32}, {"pairs", 0}, {"group", 0}} {
			f.opt.Conns = w.conns
			if err := f.run(c, w.work); err != nil {
				return err
			}
		}
		return nil
	}}
	f.common(c)
	return c
}

// newCrowd is what storm runs beside itself.
func newCrowd() *cobra.Command {
	var o bench.Options
	var node string
	c := &cobra.Command{Use: "crowd", Hidden: true, Args: noArgs, RunE: func(c *cobra.Command, _ []string) error {
		return bench.Crowd(c.Context(), o, node, c.InOrStdin(), c.OutOrStdout())
	}}
	c.Flags().StringVar(&o.URL, "url", "", "address of the system")
	c.Flags().StringVar(&o.UsersFile, "users-file", "", "the people")
	c.Flags().IntVar(&o.Conns, "conns", 0, "sessions")
	c.Flags().StringVar(&node, "on", "", "path of the first node's socket")
	return c
}

// crowdOf starts this program as the crowd of a storm.
func crowdOf(o bench.Options) func(ctx context.Context, conns int, node string) *exec.Cmd {
	return func(ctx context.Context, conns int, node string) *exec.Cmd {
		self, err := os.Executable()
		if err != nil {
			self = os.Args[0]
		}
		cmd := exec.CommandContext(ctx, self, "bench", "crowd", "--url", o.URL, "--users-file", o.UsersFile,
			"--conns", strconv.Itoa(conns), "--on", node)
		cmd.Stderr = os.Stderr
		return cmd
	}
}

// knownCommand refuses what is none of a command's own commands.
func knownCommand(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return config.Usage(fmt.Errorf("there is no command %q; see gori %s --help", args[0], c.Name()))
	}
	return nil
}

func talkFlags(c *cobra.Command, f *benchFlags) {
	c.Flags().IntVar(&f.opt.Window, "window", 1, "messages one sender has under way")
	c.Flags().Float64Var(&f.opt.Rate, "rate", 0, "messages a second of all together (default as many as are acknowledged)")
	c.Flags().IntVar(&f.opt.Size, "size", 100, "characters of a message")
	c.Flags().Float64Var(&f.every, "every", 0, "print the rates on the way, every so many seconds")
}

func newWork(work, short string, flags func(*cobra.Command, *benchFlags)) *cobra.Command {
	f := &benchFlags{}
	c := &cobra.Command{Use: work, Short: short, Args: noArgs, RunE: func(c *cobra.Command, _ []string) error {
		return f.run(c, work)
	}}
	f.common(c)
	flags(c, f)
	return c
}

// common defines the flags of every workload.
func (f *benchFlags) common(c *cobra.Command) {
	f.site.flags(c)
	c.Flags().Float64Var(&f.seconds, "seconds", 20, "how long to measure")
	c.Flags().Float64Var(&f.warmup, "warmup", 2, "seconds before that")
	c.Flags().BoolVar(&f.json, "json", false, "print JSON")
	c.Flags().StringVar(&f.opt.UsersFile, "users-file", "", "keep the people here for the next run (default in the data folder)")
}

func (f *benchFlags) run(c *cobra.Command, work string) error {
	o := f.opt
	var err error
	if o.URL, err = f.site.address(); err != nil {
		return err
	}
	o.For = time.Duration(f.seconds * float64(time.Second))
	o.Warmup = time.Duration(f.warmup * float64(time.Second))
	o.Every = time.Duration(f.every * float64(time.Second))
	o.Say = func(s string) { fmt.Fprintln(c.ErrOrStderr(), s) }
	if err := o.Check(); err != nil {
		return config.Usage(err)
	}
	if dir, ok := f.site.folder(); ok {
		if o.UsersFile == "" {
			o.UsersFile = filepath.Join(dir, benchUsers)
		}
		o.Processes = func() bench.Processes { return processesOf(dir) }
		o.Kill = func(node string) error { return killNode(dir, node) }
		o.Crowd = crowdOf(o)
	}
	// The bench must not become the admin of a system that has none yet.
	if err := f.site.ensureAdmin(c.Context(), o.URL, o.Say); err != nil {
		return err
	}
	r, err := bench.Run(c.Context(), work, o)
	if err != nil {
		return err
	}
	if f.json {
		err = r.WriteJSON(c.OutOrStdout())
	} else {
		err = r.WriteTable(c.OutOrStdout())
	}
	if err == nil && !r.Clean() {
		err = fmt.Errorf("the figures do not count: %d lost, %d doubled, %d reordered", r.Lost, r.Doubled, r.Reordered)
	}
	return err
}

// processesOf are the processes of a gori up as they are now: a node that died
// has another id.
func processesOf(dir string) bench.Processes {
	var p bench.Processes
	r, err := host.FindRunning(dir)
	if err != nil {
		return p
	}
	for _, n := range r.Nodes {
		p.Server = append(p.Server, n.PID)
	}
	for _, s := range r.Shards {
		p.Postgres = append(p.Postgres, s.PID)
	}
	if r.Proxy != nil {
		p.Proxy = append(p.Proxy, r.Proxy.PID)
	}
	return p
}

// killNode kills a node of a gori up, which starts it again.
func killNode(dir, name string) error {
	r, err := host.FindRunning(dir)
	if err != nil {
		return err
	}
	for _, n := range r.Nodes {
		if n.Name == name && n.PID != 0 {
			return syscall.Kill(n.PID, syscall.SIGKILL)
		}
	}
	return fmt.Errorf("node %s does not run", name)
}

// site is how a tool finds the system it talks to: by address, or by the data
// folder of a gori up on this host.
type site struct {
	url, data string
}

func (p *site) flags(c *cobra.Command) {
	c.Flags().StringVar(&p.url, "url", "", "address of the system (default that of the gori up on --data)")
	c.Flags().StringVar(&p.data, "data", "./data", "the data folder of a running gori up")
}

func (p *site) address() (string, error) {
	if p.url != "" {
		return p.url, nil
	}
	r, err := host.FindRunning(p.data)
	if err != nil {
		return "", config.Usage(fmt.Errorf("%w, or give --url", err))
	}
	return r.URL, nil
}

// folder is the data folder, if the system that runs there is the one meant.
func (p *site) folder() (string, bool) {
	r, err := host.FindRunning(p.data)
	if err != nil || p.url != "" && !sameHost(p.url, r.URL) {
		return "", false
	}
	_, err = os.Stat(p.data)
	return p.data, err == nil
}
