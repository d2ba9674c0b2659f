package main

import (
	"slices"
	"syscall"
	"testing"
)

func TestFaultsAtSteps(t *testing.T) {
	env := map[string]string{envFaults: "1", envCrash: "fenced:2", envStop: "copied"}
	var hits []syscall.Signal
	hit := func(s syscall.Signal) { hits = append(hits, s) }
	at, err := stepFaults(func(name string) string { return env[name] }, hit)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []string{"claimed", "fenced", "copied", "copied", "fenced", "fenced"} {
		at.Pass(step)
	}
	if !slices.Equal(hits, []syscall.Signal{syscall.SIGSTOP, syscall.SIGKILL}) {
		t.Errorf("hit by %v", hits)
	}
	for _, wrong := range []string{"nowhere", "fenced:0", "fenced:x"} {
		env[envCrash] = wrong
		if _, err := stepFaults(func(name string) string { return env[name] }, hit); err == nil {
			t.Errorf("%q is taken", wrong)
		}
	}
	env[envFaults] = ""
	if at, err := stepFaults(func(name string) string { return env[name] }, hit); at != nil || err != nil {
		t.Errorf("without %s: %v", envFaults, err)
	}
}
