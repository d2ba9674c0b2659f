package shard

import (
	"encoding/binary"
	"fmt"
	"regexp"
	"strconv"

	"github.com/cespare/xxhash/v2"
)

// Partitions is the number of partitions. It is fixed for ever: another number
// would put every key elsewhere. A prime spreads keys evenly; 1021 suits up to
// about 64 shards.
const Partitions = 1021

// Partition is a hash bucket, 0 to Partitions-1. All data of one key lies in
// one partition, and a partition lies on one shard.
type Partition uint16

// Valid says whether p is one of the partitions.
func (p Partition) Valid() bool { return p < Partitions }

func (p Partition) String() string { return strconv.Itoa(int(p)) }

// Epoch is the version of the Map: 1, 2, 3 …
type Epoch int64

// ID names a shard for ever, whatever its address: lower-case letters, digits
// and hyphens, starting with a letter, at most 32 bytes.
type ID string

var idForm = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)

// Check says what is wrong with an id, nil if nothing.
func (id ID) Check() error {
	if !idForm.MatchString(string(id)) {
		return fmt.Errorf("a shard's name has 1 to 32 of a-z, 0-9 and -, and starts with a letter: %q", string(id))
	}
	return nil
}

// Of returns the partition of a user or channel id: xxhash64 of the id's eight
// bytes, big-endian, modulo Partitions. It is fixed for ever.
func Of[T ~int64 | ~uint64](id T) Partition {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(id))
	return OfBytes(b[:])
}

// OfName returns the partition of a name: xxhash64 of its UTF-8 bytes, which
// the caller has brought to their one canonical form, modulo Partitions. It is
// fixed for ever.
func OfName(name string) Partition {
	return Partition(xxhash.Sum64String(name) % Partitions)
}

// OfBytes returns the partition of raw bytes.
func OfBytes(b []byte) Partition {
	return Partition(xxhash.Sum64(b) % Partitions)
}
