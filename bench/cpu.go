package bench

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Processes are the process ids of a system on this host: of its nodes, and of
// its PostgreSQL instances and its proxy without their children.
type Processes struct {
	Server   []int
	Postgres []int
	Proxy    []int
}

// FindProcesses looks for running nodes, PostgreSQL instances and Nginx by name.
func FindProcesses() Processes {
	var p Processes
	dirs, _ := filepath.Glob("/proc/[0-9]*") // the pattern is well-formed
	for _, dir := range dirs {
		pid, _ := strconv.Atoi(filepath.Base(dir))
		cmd, err := os.ReadFile(dir + "/cmdline")
		if err != nil {
			continue
		}
		argv := strings.Split(string(cmd), "\x00")
		switch name := filepath.Base(argv[0]); {
		case strings.HasPrefix(name, "gori") && len(argv) > 1 && argv[1] == "serve":
			p.Server = append(p.Server, pid)
		case name == "postgres" && len(argv) > 1 && argv[1] == "-D":
			p.Postgres = append(p.Postgres, pid)
		case strings.HasPrefix(argv[0], "nginx: master"):
			p.Proxy = append(p.Proxy, pid)
		}
	}
	return p
}

// usage is CPU time and resident memory at one moment.
type usage struct {
	at        time.Time
	server    map[int]time.Duration // by process
	postgres  map[int]time.Duration // by instance, with all its children
	proxy     map[int]time.Duration // likewise
	generator time.Duration
	serverRSS int64
}

// spent is what processes used between two moments. One that is new at the
// second has used all it has; what a killed one used is not known.
func spent(from, to map[int]time.Duration) time.Duration {
	var d time.Duration
	for pid, t := range to {
		d += t - from[pid]
	}
	return d
}

// tick is the unit of /proc/PID/stat; 100 a second on every Linux.
const tick = 10 * time.Millisecond

type procStat struct {
	ppid          int
	own, children time.Duration
}

var errNotStat = errors.New("bench: not a line of /proc/PID/stat")

func parseStat(line []byte) (procStat, error) {
	end := bytes.LastIndexByte(line, ')') // the name before may hold anything
	if end < 0 {
		return procStat{}, errNotStat
	}
	f := strings.Fields(string(line[end+1:]))
	if len(f) < 15 {
		return procStat{}, errNotStat
	}
	num := func(i int) time.Duration {
		n, _ := strconv.ParseInt(f[i], 10, 64) // the kernel writes numbers
		return time.Duration(n) * tick
	}
	ppid, _ := strconv.Atoi(f[1])
	return procStat{ppid: ppid, own: num(11) + num(12), children: num(13) + num(14)}, nil
}

func stat(pid int) (procStat, bool) {
	line, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return procStat{}, false
	}
	s, err := parseStat(line)
	return s, err == nil
}

// measure reads the usage. Children of PostgreSQL that have ended are in their
// parent's account; those that live are added.
func measure(p Processes) usage {
	u := usage{at: time.Now(), server: map[int]time.Duration{}, postgres: parents(p.Postgres), proxy: parents(p.Proxy)}
	for _, pid := range p.Server {
		if s, ok := stat(pid); ok {
			u.server[pid] = s.own
		}
		u.serverRSS += rss(pid)
	}
	if len(u.postgres)+len(u.proxy) > 0 {
		dirs, _ := filepath.Glob("/proc/[0-9]*") // the pattern is well-formed
		for _, dir := range dirs {
			pid, _ := strconv.Atoi(filepath.Base(dir))
			if s, ok := stat(pid); ok {
				for _, of := range []map[int]time.Duration{u.postgres, u.proxy} {
					if t, child := of[s.ppid]; child {
						of[s.ppid] = t + s.own
					}
				}
			}
		}
	}
	if s, ok := stat(os.Getpid()); ok {
		u.generator = s.own
	}
	return u
}

// parents begins the account of processes whose children count with them.
func parents(pids []int) map[int]time.Duration {
	m := map[int]time.Duration{}
	for _, pid := range pids {
		if s, ok := stat(pid); ok {
			m[pid] = s.own + s.children
		}
	}
	return m
}

func rss(pid int) int64 {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/statm")
	if err != nil {
		return 0
	}
	f := strings.Fields(string(b))
	if len(f) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(f[1], 10, 64)
	return pages * int64(os.Getpagesize())
}

// fill writes what was used between two moments into a result, for each of n
// messages.
func (r *Result) fill(from, to usage, n, deliveries int64) {
	secs := to.at.Sub(from.at).Seconds()
	server, postgres, proxy := spent(from.server, to.server), spent(from.postgres, to.postgres), spent(from.proxy, to.proxy)
	generator := to.generator - from.generator
	per := func(d time.Duration) float64 { return round(d.Seconds()*1000/float64(n), 4) }
	share := func(d time.Duration) float64 { return round(d.Seconds()/secs, 3) }
	r.Seconds = round(secs, 2)
	r.CPUMSPerMsg = CPUPerMsg{per(server), per(postgres), per(proxy), per(generator)}
	r.CPUShare = CPUShare{share(server), share(postgres), share(proxy), share(generator)}
	r.Nodes = len(to.server)
	if deliveries > 0 {
		r.USPerDelivery = round(server.Seconds()*1e6/float64(deliveries), 2)
	}
}
