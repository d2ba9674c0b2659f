package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// witnessFolder of the data folder holds the witnesses of this host.
const witnessFolder = "ring"

// witnessIn finds the files of witnesses in a folder.
func witnessIn(dir string) func(name string) (string, error) {
	return func(name string) (string, error) {
		if dir == "" {
			return "", fmt.Errorf("no folder for the witness %s is configured (witness_dir)", name)
		}
		return filepath.Join(dir, name+witnessEnding), nil
	}
}

const witnessEnding = ".witness"

// witnessesIn lists the witnesses that there are in a folder.
func witnessesIn(dir string) func() []string {
	return func() []string {
		if dir == "" {
			return nil
		}
		paths, _ := filepath.Glob(filepath.Join(dir, "*"+witnessEnding))
		var names []string
		for _, path := range paths {
			names = append(names, strings.TrimSuffix(filepath.Base(path), witnessEnding))
		}
		return names
	}
}

// witnessDir is where the witnesses within reach are; empty: nowhere.
func (t *target) witnessDir() string {
	if t.config == "" {
		return filepath.Join(t.data, witnessFolder)
	}
	cfg, _, err := loadConfig(t.config, os.Environ())
	if err != nil {
		return ""
	}
	return cfg.WitnessDir
}

// witness finds the file of a witness of the ring.
func (t *target) witness(name string) (string, error) { return witnessIn(t.witnessDir())(name) }

// witnesses lists those that there are.
func (t *target) witnesses() []string { return witnessesIn(t.witnessDir())() }

// resolver makes DSNs of addresses in the ring, as they are now.
func (t *target) resolver() (func(addr string) (string, error), error) {
	if t.config != "" {
		cfg, _, err := loadConfig(t.config, os.Environ())
		return newAddresses(cfg).Resolve, err
	}
	r, err := findRunning(t.data)
	if err != nil {
		return nil, err
	}
	if r.Instances == nil {
		r.Instances = r.Shards
	}
	return func(addr string) (string, error) { return instanceDSN(r.Instances, addr) }, nil
}
