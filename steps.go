package main

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"gori/shard/reshard"
)

// With GORI_FAULTS=1 a process that moves partitions kills itself, or stops
// itself as SIGSTOP does, when it passes a step for the N-th time: NAME or
// NAME:N.
const (
	envCrash = "GORI_CRASH"
	envStop  = "GORI_STOP"
)

// moveSteps are the steps of a reshard, in order.
var moveSteps = []string{"ring-prepared", "ring-accepted", "claimed", "captured", "copying", "copied", "followed", "verified",
	"fenced", "delta", "activated", "forwarded", "receipt", "cleaning", "cleaned", "ring-finished"}

// stepFault is one signal at one step.
type stepFault struct {
	signal syscall.Signal
	step   string
	left   int // passings until then
}

// stepFaults returns what is to happen at the steps, nil if nothing is.
func stepFaults(get func(string) string, hit func(syscall.Signal)) (reshard.At, error) {
	if get(envFaults) != "1" {
		return nil, nil
	}
	var faults []*stepFault
	for _, v := range []struct {
		name   string
		signal syscall.Signal
	}{{envCrash, syscall.SIGKILL}, {envStop, syscall.SIGSTOP}} {
		text := get(v.name)
		if text == "" {
			continue
		}
		step, count, found := strings.Cut(text, ":")
		n := 1
		if found {
			n, _ = strconv.Atoi(count)
		}
		if n < 1 || !slices.Contains(moveSteps, step) {
			return nil, usageError{&faultError{v.name, text}}
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

// hitSelf sends this process a signal that it cannot refuse.
func hitSelf(s syscall.Signal) { _ = syscall.Kill(os.Getpid(), s) }

type faultError struct{ variable, text string }

func (e *faultError) Error() string {
	return e.variable + "=" + e.text + " is not STEP or STEP:N, a step being one of " + strings.Join(moveSteps, " ")
}
