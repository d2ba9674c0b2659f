package reach

import (
	"fmt"
	"path/filepath"
	"strings"
)

// WitnessFolder of the data folder holds the witnesses of this host.
const WitnessFolder = "ring"

// WitnessIn finds the files of witnesses in a folder.
func WitnessIn(dir string) func(name string) (string, error) {
	return func(name string) (string, error) {
		if dir == "" {
			return "", fmt.Errorf("no folder for the witness %s is configured (witness_dir)", name)
		}
		return filepath.Join(dir, name+witnessEnding), nil
	}
}

const witnessEnding = ".witness"

// WitnessesIn lists the witnesses that there are in a folder.
func WitnessesIn(dir string) func() []string {
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
