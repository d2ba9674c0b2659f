package host

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A process that has died rests while others do its work, and not longer.
func TestADeadProcessRestsWhileItCanBeSpared(t *testing.T) {
	for name, c := range map[string]struct {
		rests  bool
		during func(c *child, spared *atomic.Bool, stop func())
		least  time.Duration
		most   time.Duration
		asked  bool
		ended  bool
	}{
		"the others serve":    {rests: true, least: restFor, most: restFor},
		"they die too":        {rests: true, during: func(_ *child, spared *atomic.Bool, _ func()) { spared.Store(false) }, least: 3 * time.Second, most: 3*time.Second + restLook},
		"it kept dying":       {during: func(_ *child, spared *atomic.Bool, _ func()) { spared.Store(false) }, least: restFor, most: restFor},
		"it is to be another": {rests: true, during: func(c *child, _ *atomic.Bool, _ func()) { c.change <- make(chan error) }, least: 3 * time.Second, most: 3 * time.Second, asked: true},
		"everything ends":     {rests: true, during: func(_ *child, _ *atomic.Bool, stop func()) { stop() }, least: 3 * time.Second, most: 3 * time.Second, ended: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, stop := context.WithCancel(context.Background())
				defer stop()
				var spared atomic.Bool
				spared.Store(true)
				dead := &child{spared: spared.Load, change: make(chan chan error)}
				if c.during != nil {
					go func() {
						time.Sleep(3 * time.Second)
						c.during(dead, &spared, stop)
					}()
				}
				begun := time.Now()
				asked, ok := dead.pause(ctx, restFor, c.rests)
				if took := time.Since(begun); took < c.least || took > c.most || (asked != nil) != c.asked || ok == c.ended {
					t.Errorf("after %v, asked %v, goes on %v", took, asked != nil, ok)
				}
			})
		})
	}
}
