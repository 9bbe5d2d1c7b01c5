package audit

import (
	"archive/zip"
	"bytes"
	"fmt"
	"hash/maphash"
	"io"
	"os"
	"path"
	"runtime/debug"
	"sync"

	"github.com/klauspost/compress/flate"
)

// Most members of archives are small, and there are hundreds of thousands: what reads one is used again for
// the next.

// roomy is the size in bytes up to which a buffer is kept.
const roomy = 4 << 20

var buffers = sync.Pool{New: func() any { b := make([]byte, 64<<10); return &b }}

// borrow gives a buffer, and what gives it back. Nothing that is kept may be a part of it.
func borrow() (buffer *[]byte, back func()) {
	b := buffers.Get().(*[]byte)
	return b, func() {
		if cap(*b) <= roomy {
			buffers.Put(b)
		}
	}
}

// small is the size in bytes of a file up to which it costs less to read it than to map it.
const small = 256 << 10

// whole gives a file's bytes: of a small one a copy, and as much as is there.
func whole(f *os.File, size int64) (data []byte, done func(), err error) {
	if size > small {
		return mapped(f, size)
	}
	buffer, back := borrow()
	if int64(len(*buffer)) < size {
		*buffer = make([]byte, small)
	}
	n, err := f.ReadAt((*buffer)[:size], 0)
	if err != nil && err != io.EOF {
		back()
		return nil, nil, err
	}
	return (*buffer)[:n], back, nil
}

// readAll reads what is left of r behind the have bytes that are in a buffer, which it makes larger as
// needed, up to most bytes in all.
func readAll(r io.Reader, buffer *[]byte, have int, most int64) ([]byte, error) {
	for b := *buffer; ; {
		if int64(have) >= most {
			return b[:most], nil
		}
		if have == len(b) {
			b = append(b, make([]byte, len(b))...)
			b = b[:cap(b)]
			*buffer = b
		}
		n, err := r.Read(b[have:min(int64(len(b)), most)])
		have += n
		if err == io.EOF {
			return b[:have], nil
		}
		if err != nil {
			return b[:have], err
		}
	}
}

// guarded reads a mapped file for another goroutine, in which a fault would end the program: a file that was
// cut since is an error.
type guarded struct{ *bytes.Reader }

// Read implements io.Reader.
func (g guarded) Read(b []byte) (n int, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			n, err = 0, fmt.Errorf("reading it: %v", r)
		}
	}()
	return g.Reader.Read(b)
}

var inflaters = sync.Pool{New: func() any { return flate.NewReader(nil) }}

// inflater is a decoder of deflate (RFC 1951) that is used again when it was closed.
type inflater struct{ io.Reader }

// inflaterOf decodes what stands in an archive, without a copy.
func inflaterOf(data []byte) func(io.Reader) io.ReadCloser {
	return func(r io.Reader) io.ReadCloser {
		if s, ok := r.(*io.SectionReader); ok {
			if part := partOf(data, s); part != nil {
				r = bytes.NewReader(part)
			}
		}
		decoder := inflaters.Get().(io.Reader)
		if decoder.(flate.Resetter).Reset(r, nil) != nil {
			return io.NopCloser(flate.NewReader(r))
		}
		return &inflater{decoder}
	}
}

// partOf are the bytes of an archive that a section of it reads, nil where it ends before.
func partOf(data []byte, s *io.SectionReader) []byte {
	_, at, n := s.Outer()
	if at < 0 || n < 0 || at > int64(len(data)) || n > int64(len(data))-at {
		return nil
	}
	return data[at : at+n]
}

// Close implements io.Closer.
func (i *inflater) Close() error {
	if i.Reader != nil {
		inflaters.Put(i.Reader)
		i.Reader = nil
	}
	return nil
}

// twins are members that are in several archives, as libraries in Java programs are: what was seen of one is
// what would be seen of the others. They are known by what decides that: their packed bytes, what the archive
// says of them, and the ends of their names. The hash has a seed of this process's own, for which nobody can
// make two members that have the same.
type twins struct {
	mu   sync.Mutex
	seen map[uint64]shown
}

// shown is what a member has shown, where that is nothing but marks.
type shown struct {
	hits hits
	form form
}

// mostTwins bounds what is remembered.
const mostTwins = 1_000_000

var seed = maphash.MakeSeed()

func twinOf(f *zip.File, data []byte) uint64 {
	at, err := f.DataOffset()
	if err != nil || at < 0 || at > int64(len(data)) || f.CompressedSize64 > uint64(len(data))-uint64(at) {
		return 0
	}
	var h maphash.Hash
	h.SetSeed(seed)
	maphash.WriteComparable(&h, [4]uint64{uint64(f.CRC32), f.UncompressedSize64, uint64(f.Method),
		uint64(f.Flags)})
	h.WriteString(path.Ext(f.Name))
	h.WriteByte(0)
	h.Write(data[at : at+int64(f.CompressedSize64)])
	return h.Sum64()
}

func (t *twins) known(twin uint64) (s shown, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s, ok = t.seen[twin]
	return s, ok
}

func (t *twins) keep(twin uint64, s shown) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.seen == nil {
		t.seen = map[uint64]shown{}
	}
	if twin != 0 && len(t.seen) < mostTwins {
		t.seen[twin] = s
	}
}
