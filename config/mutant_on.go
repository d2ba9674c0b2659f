//go:build mutant

package config

// A mutant (store/mutant_on.go) is told to the nodes by the environment.
func init() { envOwn = append(envOwn, "GORI_MUTANT") }
