package register_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"gori/shard"
	"gori/store"
	"gori/store/register"
	"gori/store/storetest"
)

// BenchmarkChange is one administrator's change of the ring over three shards
// whose commits are on the disk.
func BenchmarkChange(b *testing.B) {
	in := storetest.StartInstance(b)
	dsns := map[shard.ID]string{}
	m, err := shard.First([]shard.ID{"a", "b", "c"})
	if err != nil {
		b.Fatal(err)
	}
	for _, id := range m.Shards() {
		if err := in.CreateDatabase(b.Context(), "shard_"+string(id)); err != nil {
			b.Fatal(err)
		}
		dsns[id] = in.DSN("shard_" + string(id))
		if err := store.Migrate(b.Context(), dsns[id], id, m); err != nil {
			b.Fatal(err)
		}
	}
	r := register.Open(register.Config{Shards: func() map[shard.ID]string { return dsns }, Timeout: 10 * time.Second})
	defer r.Close()
	now, err := r.Read(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	var took []time.Duration
	for b.Loop() {
		to, err := now.Standby("a", fmt.Sprintf("host=standby port=%d", now.Version), false)
		if err != nil {
			b.Fatal(err)
		}
		began := time.Now()
		if err := r.Change(b.Context(), now, to); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(began))
		now = to
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms_p50")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "ms_p99")
}
