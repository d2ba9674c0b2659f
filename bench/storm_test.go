package bench

import (
	"testing"

	"gori/client/clienttest"
)

// TestStorm: the sessions of a killed node come back, and others talk on.
func TestStorm(t *testing.T) {
	s := clienttest.New(t)
	o := options(t, s.URL)
	o.Kill = func(string) error { s.CutAll(); return nil }
	r, err := Run(t.Context(), "storm", o)
	if err != nil {
		t.Fatal(err)
	}
	if st := r.Storm; !r.Clean() || st == nil || st.Sessions != o.Conns || st.BackS <= 0 || st.AckBefore.P50 == 0 || r.Reconnected < int64(o.Conns) {
		t.Errorf("%+v %+v", r, r.Storm)
	}
	o.Kill = nil
	if _, err := Run(t.Context(), "storm", o); err == nil {
		t.Error("it began a storm without anything to kill")
	}
}
