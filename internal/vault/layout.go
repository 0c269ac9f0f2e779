package vault

import (
	"encoding/binary"
	"time"

	"accord/internal/declare"
	"accord/internal/event"
	"accord/internal/identity"
)

// The rows of the key store (numbers are big-endian, so that rows sort):
//
//	m "format"                      → format version, 4 bytes
//	m "key"                         → the key-store key, sealed by the KEK
//	m "log"                         → sequence of a choice that is in the log 8, its identity
//	l <lookup 16>                   → token 16
//	k <token 16> <class 4>          → key id 4, data key sealed by the key-store key
//	                                  (bound to the row and to the controller)
//	e <token 16>                    → nothing: the person was erased, and gets no key any more
//	g <lookup 16>                   → when whoever had the lookup was erased, Unix milliseconds, 8 bytes
//	s <name>                        → named secret sealed by the key-store key
//
// The rows of the state:
//
//	m "format"                      → format version, 4 bytes
//	m "clock"                       → high-water clock, Unix milliseconds, 8 bytes
//	m "log"                         → identity of the log that is folded
//	a <stream 1>                    → applied sequence 8, day of its message ids 2
//	p <token 16> <class 4> <bucket 2> → key id 4, sealed profile.Part
//	f <token 16> <stream 1> <seq 8> → month of acceptance 2
//	d <stream 1> <day 2> <id 16> <class 4> → nothing
//	r <id 16>                       → stream 1, sequence 8, month of acceptance 2
//
// A bucket is the month (since January 1970, UTC) in which the server accepted
// the records, or the day (since 1 January 1970, UTC) for classes that are kept
// less than three months: see bucketOf. A day of message ids is the latest day
// of acceptance that the stream had reached, so that a replay finds the same
// duplicates as the first reading did.
const (
	rowMeta    = 'm'
	rowLookup  = 'l'
	rowKey     = 'k'
	rowSecret  = 's'
	rowErased  = 'e'
	rowGone    = 'g'
	rowApplied = 'a'
	rowPart    = 'p'
	rowFrame   = 'f'
	rowSeen    = 'd'
	rowReceipt = 'r'
)

var (
	metaFormat = []byte("mformat")
	metaKey    = []byte("mkey")
	metaClock  = []byte("mclock")
	metaLog    = []byte("mlog")
)

const (
	keysFormat  = 2
	stateFormat = 1
)

// MaxStreams is how many streams the state can follow.
const MaxStreams = 64

const (
	partKeySize  = 1 + 16 + 4 + 2
	frameKeySize = 1 + 16 + 1 + 8
	seenKeySize  = 1 + 1 + 2 + 16 + 4
)

func appendLookupKey(b []byte, l identity.Lookup) []byte {
	return append(append(b, rowLookup), l[:]...)
}

// keyRef names a data key: a person and a class.
type keyRef struct {
	token identity.Token
	class declare.ClassID
}

func (r keyRef) append(b []byte) []byte {
	b = append(b, r.token[:]...)
	return binary.BigEndian.AppendUint32(b, uint32(r.class))
}

func appendDataKey(b []byte, r keyRef) []byte { return r.append(append(b, rowKey)) }

func appendErasedKey(b []byte, t identity.Token) []byte { return append(append(b, rowErased), t[:]...) }

func appendGoneKey(b []byte, l identity.Lookup) []byte { return append(append(b, rowGone), l[:]...) }

func appendSecretKey(b []byte, name string) []byte { return append(append(b, rowSecret), name...) }

func appendAppliedKey(b []byte, stream int) []byte { return append(b, rowApplied, byte(stream)) }

func appendPartKey(b []byte, r keyRef, bucket uint16) []byte {
	return binary.BigEndian.AppendUint16(r.append(append(b, rowPart)), bucket)
}

// partRef names a part.
type partRef struct {
	keyRef
	bucket uint16
}

func (r partRef) hash() uint64 {
	return binary.LittleEndian.Uint64(r.token[:]) ^ uint64(r.class)*0x9e3779b97f4a7c15 ^ uint64(r.bucket)*0xff51afd7ed558ccd
}

// readPartKey is the inverse of appendPartKey; ok is false for any other row.
func readPartKey(b []byte) (r keyRef, bucket uint16, ok bool) {
	if len(b) != partKeySize || b[0] != rowPart {
		return keyRef{}, 0, false
	}
	r.token = identity.Token(b[1:17])
	r.class = declare.ClassID(binary.BigEndian.Uint32(b[17:]))
	return r, binary.BigEndian.Uint16(b[21:]), true
}

func appendFrameKey(b []byte, t identity.Token, p Place) []byte {
	b = append(append(b, rowFrame), t[:]...)
	return binary.BigEndian.AppendUint64(append(b, byte(p.Stream)), p.Sequence)
}

func appendSeenKey(b []byte, stream int, day uint16, id event.ID, class declare.ClassID) []byte {
	b = appendSeenDay(b, stream, day)
	b = append(b, id[:]...)
	return binary.BigEndian.AppendUint32(b, uint32(class))
}

func appendSeenDay(b []byte, stream int, day uint16) []byte {
	return binary.BigEndian.AppendUint16(append(b, rowSeen, byte(stream)), day)
}

func appendReceiptKey(b []byte, id event.ID) []byte { return append(append(b, rowReceipt), id[:]...) }

// after returns the first key that does not begin with prefix: an upper bound.
// The prefix must hold a byte that is not 0xff, which every row letter is.
func after(prefix []byte) []byte {
	end := append([]byte(nil), prefix...)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
	return nil
}

const dayMillis = 24 * 60 * 60 * 1000

// dayOf returns the UTC day since 1970 of Unix milliseconds, within a uint16
// (to the year 2149).
func dayOf(ms int64) uint16 { return uint16(min(max(ms, 0)/dayMillis, 1<<16-1)) }

// monthOf returns the UTC month since January 1970 of Unix milliseconds.
func monthOf(ms int64) uint16 {
	y, m, _ := time.UnixMilli(max(ms, 0)).UTC().Date()
	return uint16(min((y-1970)*12+int(m)-1, 1<<16-1))
}

// daily reports whether a class is kept so short a time that its parts are by
// day: a month would be too coarse for it.
func daily(c *declare.Class) bool {
	return c.Retention.Months < 3 && c.Retention.Months*30+c.Retention.Days < 90
}

// bucketOf returns the bucket of a record of class c that was accepted at ms.
func bucketOf(c *declare.Class, ms int64) uint16 {
	if daily(c) {
		return dayOf(ms)
	}
	return monthOf(ms)
}

// bucketStart returns the first instant of a bucket.
func bucketStart(c *declare.Class, bucket uint16) time.Time {
	if daily(c) {
		return time.UnixMilli(int64(bucket) * dayMillis).UTC()
	}
	return time.Date(1970, time.Month(int(bucket)+1), 1, 0, 0, 0, 0, time.UTC)
}

// outlived reports whether a bucket's retention is over at now. It counts from
// the bucket's first instant: nothing is ever kept longer than the declaration
// says, and what was accepted late in a month leaves up to a month (in daily
// classes up to a day) earlier.
func outlived(c *declare.Class, bucket uint16, now time.Time) bool {
	return !c.Retention.IsZero() && !c.Retention.After(bucketStart(c, bucket)).After(now)
}

// oldestBucket returns the first bucket of class c that is not outlived at now.
func oldestBucket(c *declare.Class, now time.Time) uint16 {
	newest := int(bucketOf(c, now.UnixMilli()))
	// Retention.After is monotone, so a binary search finds the border.
	low, high := 0, newest+1
	for low < high {
		mid := (low + high) / 2
		if outlived(c, uint16(mid), now) {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return uint16(min(low, 1<<16-1))
}
