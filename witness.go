package main

import (
	"fmt"
	"os"
	"path/filepath"
)

// witnessFolder of the data folder holds the witnesses of this host.
const witnessFolder = "ring"

// witnessIn finds the files of witnesses in a folder.
func witnessIn(dir string) func(name string) (string, error) {
	return func(name string) (string, error) {
		if dir == "" {
			return "", fmt.Errorf("no folder for the witness %s is configured (witness_dir)", name)
		}
		return filepath.Join(dir, name+".json"), nil
	}
}

// witness finds the file of a witness of the ring.
func (t *target) witness(name string) (string, error) {
	if t.config == "" {
		return witnessIn(filepath.Join(t.data, witnessFolder))(name)
	}
	cfg, _, err := loadConfig(t.config, os.Environ())
	if err != nil {
		return "", err
	}
	return witnessIn(cfg.WitnessDir)(name)
}

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
