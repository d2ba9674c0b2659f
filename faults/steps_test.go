package faults

import (
	"slices"
	"syscall"
	"testing"

	"gori/config"
)

func TestFaultsAtSteps(t *testing.T) {
	env := map[string]string{config.EnvFaults: "1", config.EnvCrash: "fenced:2", config.EnvStop: "copied"}
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
		env[config.EnvCrash] = wrong
		if _, err := stepFaults(func(name string) string { return env[name] }, hit); err == nil {
			t.Errorf("%q is taken", wrong)
		}
	}
	env[config.EnvFaults] = ""
	if at, err := stepFaults(func(name string) string { return env[name] }, hit); at != nil || err != nil {
		t.Errorf("without %s: %v", config.EnvFaults, err)
	}
}
