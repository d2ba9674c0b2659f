package reshard

import "errors"

// TakenError says that somebody else has taken the plan over: a command that
// stood still, or was replaced while it ran, ends with it.
type TakenError struct {
	By       string // user@host; empty: not known
	Finished bool   // that one has finished it
}

func (e *TakenError) Error() string {
	if e.Finished {
		return "somebody else has taken this reshard over and finished it: this command had no part in its end and changes nothing any more"
	}
	who := e.By
	if who == "" {
		who = "somebody else"
	}
	return who + " has taken this reshard over: this command has stopped and changes nothing any more"
}

// outcome is the error that Run returns for the one that ended it. A plan that
// was finished before this run came to that was finished by somebody else.
func (c *carrier) outcome(err error) error {
	if !errors.Is(err, errFinished) {
		return err
	}
	if c.finishing {
		return nil
	}
	return &TakenError{Finished: true}
}
