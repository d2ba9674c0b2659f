package config

// UsageError is an error of whoever typed the command or wrote the
// configuration.
type UsageError struct{ Err error }

func (e UsageError) Error() string { return e.Err.Error() }

func (e UsageError) Unwrap() error { return e.Err }

// Usage makes a UsageError of an error.
func Usage(err error) error { return UsageError{err} }
