package audit

import (
	"bytes"
	"encoding/binary"
	"io"
	"strconv"
	"strings"
)

// isTar tells a tar of any age by the sum of its first header (POSIX ustar: the checksum's own field counts
// as spaces; old programs added signed bytes).
func isTar(head []byte) bool {
	const block, from, to = 512, 148, 156
	if len(head) < block {
		return false
	}
	said, err := strconv.ParseInt(strings.Trim(string(head[from:to]), " \x00"), 8, 64)
	if err != nil {
		return false
	}
	var plus, signed int64
	for i, c := range head[:block] {
		if i >= from && i < to {
			c = ' '
		}
		plus, signed = plus+int64(c), signed+int64(int8(c))
	}
	return said == plus || said == signed
}

// isExt tells an image of ext2, 3 or 4 by its superblock (Linux, Documentation/filesystems/ext4): the magic
// number alone is short.
func isExt(head []byte) bool {
	const at = 1024
	if len(head) < at+80 || string(head[at+56:at+58]) != "\x53\xef" {
		return false
	}
	number := func(i int) uint32 { return binary.LittleEndian.Uint32(head[at+i:]) }
	short := func(i int) uint16 { return binary.LittleEndian.Uint16(head[at+i:]) }
	return number(0) > 0 && number(4) > 0 && number(24) <= 6 && short(60) <= 3 && number(76) <= 1
}

// Signatures of a zip's parts (APPNOTE, 4.3).
const (
	zipEntry = "PK\x01\x02"
	zipLast  = "PK\x05\x06"
	zipTail  = 1<<16 + 22 // the longest end record, with its comment, in bytes
)

// end is what a zip's end record says.
type end struct {
	before uint64 // bytes that stand before the archive
	raw    uint64 // where the list of members is, as it is written
}

// zipEnd reads the last end record; false where no list of members ends at it.
func zipEnd(data []byte) (e end, ok bool) {
	i := bytes.LastIndex(data[max(0, len(data)-zipTail):], []byte(zipLast))
	if i < 0 {
		return e, false
	}
	i += max(0, len(data)-zipTail)
	if len(data)-i < 22 {
		return e, false
	}
	size := uint64(binary.LittleEndian.Uint32(data[i+12:]))
	raw := uint64(binary.LittleEndian.Uint32(data[i+16:]))
	stop := uint64(i)
	// Of more than 4 GiB another record before it has the numbers: 56 bytes, and 20 that say where it is.
	const large, locator = 56, 20
	if at := i - large - locator; at >= 0 && string(data[at:at+4]) == "PK\x06\x06" &&
		string(data[i-locator:i-locator+4]) == "PK\x06\x07" {
		size, raw = binary.LittleEndian.Uint64(data[at+40:]), binary.LittleEndian.Uint64(data[at+48:])
		stop = uint64(at)
	}
	if size > stop || raw > stop-size || !bytes.HasPrefix(data[stop-size:], []byte(zipEntry)) {
		return e, false
	}
	return end{stop - size - raw, raw}, true
}

// kindOfRest tells what a file is whose beginning says nothing: a zip, which Python imports from whatever
// stands before it, or an image of a CD (ECMA-119, 8.4.1).
func kindOfRest(f io.ReaderAt, size int64) (kind, string) {
	const volume, mark = 16 * 2048, "CD001"
	b := make([]byte, len(mark))
	if n, _ := f.ReadAt(b, volume+1); string(b[:n]) == mark {
		return container, "an image of a CD (ISO 9660)"
	}
	const entry = 46 // bytes of a member in the list, at the least
	if size < entry+22 {
		return plain, ""
	}
	tail := make([]byte, min(size, zipTail))
	n, _ := f.ReadAt(tail, size-int64(len(tail)))
	i := bytes.LastIndex(tail[:n], []byte(zipLast))
	if i < 0 || n-i < 22 {
		return plain, ""
	}
	// The list may be longer than what was read: that something is at its beginning is enough.
	length := int64(binary.LittleEndian.Uint32(tail[i+12:]))
	at := size - int64(n) + int64(i) - length
	b = b[:4]
	if _, err := f.ReadAt(b, max(0, at)); err != nil || at < 0 || string(b) != zipEntry {
		return plain, ""
	}
	return zipFile, ""
}
