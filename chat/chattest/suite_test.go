package chattest

import "testing"

func TestMemory(t *testing.T) {
	Suite(t, func(*testing.T) System { return NewMemory().System() })
}
