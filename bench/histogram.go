package bench

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// Buckets hold times in microseconds within 1/32 of their value, to over an hour.
const (
	subBits = 5
	buckets = (32 - subBits + 1) << subBits
)

// histogram counts times; safe for concurrent use.
type histogram struct {
	counts [buckets]atomic.Uint64
}

func bucketOf(us uint64) int {
	us = min(us, 1<<32-1)
	if us < 1<<subBits {
		return int(us)
	}
	shift := bits.Len64(us) - subBits - 1
	return shift<<subBits + int(us>>shift)
}

// valueOf is the middle of a bucket.
func valueOf(bucket int) float64 {
	if bucket < 1<<subBits {
		return float64(bucket)
	}
	shift := bucket>>subBits - 1
	low := uint64(bucket-shift<<subBits) << shift
	return float64(low) + float64(uint64(1)<<shift-1)/2
}

func (h *histogram) add(d time.Duration) {
	h.counts[bucketOf(uint64(max(0, d.Microseconds())))].Add(1)
}

// reset forgets all; what is added meanwhile may or may not be.
func (h *histogram) reset() {
	for i := range h.counts {
		h.counts[i].Store(0)
	}
}

// Quantiles of times in milliseconds.
type Quantiles struct {
	P50  float64 `json:"p50"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p999"`
}

func (h *histogram) quantiles() Quantiles {
	var total uint64
	for i := range h.counts {
		total += h.counts[i].Load()
	}
	at := func(q float64) float64 {
		want, seen := uint64(q*float64(total)), uint64(0)
		for i := range h.counts {
			if seen += h.counts[i].Load(); seen > want {
				return round(valueOf(i)/1000, 3)
			}
		}
		return 0
	}
	if total == 0 {
		return Quantiles{}
	}
	return Quantiles{P50: at(0.5), P99: at(0.99), P999: at(0.999)}
}
