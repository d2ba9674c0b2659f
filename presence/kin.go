package presence

import (
	"slices"

	"gori/chat"
)

// kin answers whose friend a user is, of the people who are here. A friend's id
// picks a bucket, which lists the slots of those with any friend in it; their
// own sorted lists then say. So a friendship costs four bytes more than the list
// itself, and a question looks at about kinLoad lists.
type kin struct {
	buckets [][]uint32
	slots   []*person
	free    []uint32
	pairs   int
}

const (
	kinLoad = 32
	kinMin  = 256
)

func (k *kin) bucket(friend chat.UserID) *[]uint32 {
	return &k.buckets[mix(uint64(friend))&uint64(len(k.buckets)-1)]
}

// set replaces a person's friends, which become the index's own.
func (k *kin) set(p *person, friends []chat.UserID) {
	k.clear(p)
	if len(friends) == 0 {
		return
	}
	slices.Sort(friends)
	p.friends = slices.Compact(friends)
	if n := len(k.free); n > 0 {
		p.slot, k.free = k.free[n-1], k.free[:n-1]
		k.slots[p.slot] = p
	} else {
		p.slot = uint32(len(k.slots))
		k.slots = append(k.slots, p)
	}
	k.pairs += len(p.friends)
	if k.pairs > kinLoad*len(k.buckets) {
		k.grow()
		return
	}
	for _, f := range p.friends {
		b := k.bucket(f)
		*b = append(*b, p.slot)
	}
}

// clear takes a person out.
func (k *kin) clear(p *person) {
	if len(p.friends) == 0 {
		return
	}
	for _, f := range p.friends {
		b := k.bucket(f)
		if i := slices.Index(*b, p.slot); i >= 0 {
			(*b)[i] = (*b)[len(*b)-1]
			*b = (*b)[:len(*b)-1]
			if len(*b) == 0 {
				*b = nil
			}
		}
	}
	k.pairs -= len(p.friends)
	k.slots[p.slot] = nil
	k.free = append(k.free, p.slot)
	p.friends = nil
}

// grow makes room for twice the pairs there are.
func (k *kin) grow() {
	n := max(kinMin, len(k.buckets))
	for kinLoad*n < 2*k.pairs {
		n *= 2
	}
	k.buckets = make([][]uint32, n)
	for slot, p := range k.slots {
		if p == nil {
			continue
		}
		for _, f := range p.friends {
			b := k.bucket(f)
			*b = append(*b, uint32(slot))
		}
	}
}

// of calls f once for each person whose friend the user is.
func (k *kin) of(user chat.UserID, f func(p *person)) {
	if k.pairs == 0 {
		return
	}
	b := *k.bucket(user)
	var last uint32
	for i, slot := range b {
		if i > 0 && slot == last {
			continue // a person with several friends in a bucket is listed as often
		}
		last = slot
		if p := k.slots[slot]; p != nil && p.friendOf(user) {
			f(p)
		}
	}
}
