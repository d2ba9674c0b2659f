package store

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"gori/chat"
	"gori/store/storetest"
)

// sendOp is a send as porcupine sees it; an out of 0 is unknown: the connection
// broke, so it may or may not have taken effect, at any time from its call on.
type sendOp struct {
	id  int
	out chat.Seq
}

// One channel is a list that grows: a new id gets the next place, a known one
// the place it has.
var sendModel = porcupine.Model{
	Init: func() any { return "" },
	Step: func(state, input, _ any) (bool, any) {
		list, op := state.(string), input.(sendOp)
		at := 0
		for i := 0; i < len(list); i += 4 {
			if int(binary.BigEndian.Uint32([]byte(list[i:i+4]))) == op.id {
				at = i/4 + 1
			}
		}
		if at == 0 {
			at = len(list)/4 + 1
			list += string(binary.BigEndian.AppendUint32(nil, uint32(op.id)))
		}
		return op.out == chat.Seq(at), list
	},
}

func TestConcurrentSendsAreLinearizable(t *testing.T) {
	dsns := storetest.DSNs(t, 1)
	nodes := []*harness{{t, openOn(t, dsns)}, {t, openOn(t, dsns)}}
	a, b := nodes[0].user(), nodes[0].user()
	ch := nodes[0].channel(a, b)
	var (
		mu    sync.Mutex
		ops   []porcupine.Operation
		wg    sync.WaitGroup
		epoch = time.Now()
	)
	for w := range 6 {
		rng := rand.New(rand.NewPCG(7, uint64(w)))
		wg.Go(func() {
			for range 40 {
				// Few ids, so that clients, also of different nodes, repeat each other.
				id := rng.IntN(120)
				call := time.Since(epoch).Nanoseconds()
				rs, err := nodes[w%2].Append(context.Background(), chat.Draft{Channel: ch, Sender: a, ClientMsgID: cid(id), Body: fmt.Sprint(id)})
				ret := time.Since(epoch).Nanoseconds()
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				ops = append(ops, porcupine.Operation{ClientId: w, Input: sendOp{id, rs[0].Seq}, Call: call, Return: ret})
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if res := porcupine.CheckOperationsTimeout(sendModel, ops, patience); res != porcupine.Ok {
		t.Errorf("%d sends are not linearizable: %v", len(ops), res)
	}
}
