package faults

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"gori/config"
	"gori/shard/reshard"
)

// Steps are the steps of a reshard, in order.
var Steps = []string{"ring-prepared", "ring-accepted", "claimed", "captured", "copying", "copied", "followed", "verified",
	"fenced", "delta", "activated", "forwarded", "receipt", "cleaning", "cleaned", "ring-finished"}

// stepFault is one signal at one step.
type stepFault struct {
	signal syscall.Signal
	step   string
	left   int // passings until then
}

// stepFaults returns what is to happen at the steps, nil if nothing is.
func stepFaults(get func(string) string, hit func(syscall.Signal)) (reshard.At, error) {
	if get(config.EnvFaults) != "1" {
		return nil, nil
	}
	var faults []*stepFault
	for _, v := range []struct {
		name   string
		signal syscall.Signal
	}{{config.EnvCrash, syscall.SIGKILL}, {config.EnvStop, syscall.SIGSTOP}} {
		text := get(v.name)
		if text == "" {
			continue
		}
		step, count, found := strings.Cut(text, ":")
		n := 1
		if found {
			n, _ = strconv.Atoi(count)
		}
		if n < 1 || !slices.Contains(Steps, step) {
			return nil, config.Usage(&stepError{v.name, text})
		}
		faults = append(faults, &stepFault{v.signal, step, n})
	}
	if faults == nil {
		return nil, nil
	}
	var mu sync.Mutex
	return func(step string) {
		mu.Lock()
		defer mu.Unlock()
		for _, f := range faults {
			if f.step != step {
				continue
			}
			if f.left--; f.left == 0 {
				hit(f.signal)
			}
		}
	}, nil
}

// AtSteps is what this process's environment says that is to happen to it.
func AtSteps() (reshard.At, error) { return stepFaults(os.Getenv, hitSelf) }

// hitSelf sends this process a signal that it cannot refuse.
func hitSelf(s syscall.Signal) { _ = syscall.Kill(os.Getpid(), s) }

type stepError struct{ variable, text string }

func (e *stepError) Error() string {
	return e.variable + "=" + e.text + " is not STEP or STEP:N, a step being one of " + strings.Join(Steps, " ")
}
