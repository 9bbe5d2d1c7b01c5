package archive

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"os"
	"runtime"
	"slices"
	"sync"

	"github.com/ulikunitz/xz/lzma"
	"golang.org/x/sync/semaphore"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// An xz file of several streams of one block each is decoded by all processors when it is a file: where its
// streams begin stands at their ends (the .xz file format, sections 2.1.2 and 4). Pack writes such files.
// What cannot be read that way, for whatever reason, is decoded from its beginning as any other, and that
// says what is wrong.

// span is one stream of an xz file. What it says of itself was not held against its bytes; decoding it does.
type span struct{ from, packed, unpacked, dictionary int64 }

const (
	xzEnds      = 12        // bytes of a stream's header, and of its footer
	streamLimit = 64 << 20  // unpacked bytes of a stream that is held in memory
	aheadLimit  = 8         // streams that are held in memory, on however many processors
	aheadMemory = 256 << 20 // bytes that these take together, with the dictionaries of those that are being decoded
	spansLimit  = 1 << 16   // streams; Pack makes one for each 8 MiB
	readAhead   = 256 << 10 // packed bytes that are read at once
)

var xzMagic = []byte{0xfd, '7', 'z', 'X', 'Z', 0}

// xzSpans finds the streams of the file, which follow each other without a gap; nil when they are not to be
// found.
func xzSpans(r io.ReaderAt, size int64) (all []span) {
	for end := size; end > 0; {
		s, ok := xzSpan(r, end)
		if !ok || s.unpacked > streamLimit || len(all) == spansLimit {
			return nil
		}
		all = append(all, s)
		end = s.from
	}
	slices.Reverse(all)
	return all
}

// xzSpan reads the stream that ends at end backwards: footer, index, header.
func xzSpan(r io.ReaderAt, end int64) (s span, ok bool) {
	const indexLimit = 64 // bytes; one record takes 24 at most
	var ends [xzEnds]byte
	if end < 2*xzEnds {
		return s, false
	}
	if _, err := r.ReadAt(ends[:], end-xzEnds); err != nil || string(ends[10:]) != "YZ" {
		return s, false
	}
	size := (int64(binary.LittleEndian.Uint32(ends[4:8])) + 1) * 4
	start := end - xzEnds - size
	if size > indexLimit || start < xzEnds {
		return s, false
	}
	index := make([]byte, size)
	if _, err := r.ReadAt(index, start); err != nil || index[0] != 0 {
		return s, false
	}
	in := bytes.NewReader(index[1:])
	records, err := binary.ReadUvarint(in)
	if err != nil || records > 1 {
		return s, false
	}
	var block int64
	if records == 1 {
		packed, err := binary.ReadUvarint(in)
		unpacked, err2 := binary.ReadUvarint(in)
		if err != nil || err2 != nil || packed > uint64(start) || unpacked > streamLimit {
			return s, false
		}
		block, s.unpacked = int64(packed+3)&^3, int64(unpacked)
	}
	s.from = start - block - xzEnds
	s.packed = end - s.from
	if s.from < 0 {
		return s, false
	}
	return s, s.opens(r, block)
}

// opens reports whether a stream begins there, and reads what its block asks for.
func (s *span) opens(r io.ReaderAt, block int64) (ok bool) {
	head := make([]byte, min(xzEnds+block, xzEnds+1024))
	if _, err := r.ReadAt(head, s.from); err != nil || !bytes.HasPrefix(head, xzMagic) {
		return false
	}
	if block == 0 {
		return true
	}
	s.dictionary, ok = dictionary(head[xzEnds:])
	return ok && s.dictionary <= maxDictionary
}

// memory is what decoding it takes, in bytes.
func (s *span) memory() int64 { return s.dictionary + s.unpacked + readAhead }

// parallelXZ returns a reader of what the file holds, nil when it is not an xz file of several streams that
// has not been read from yet.
func parallelXZ(ctx context.Context, r io.Reader, packed *counter) io.ReadCloser {
	f, ok := r.(*os.File)
	if !ok {
		return nil
	}
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return nil
	}
	if at, err := f.Seek(0, io.SeekCurrent); err != nil || at != 0 {
		return nil
	}
	spans := xzSpans(f, info.Size())
	if len(spans) < 2 {
		return nil
	}
	o := &ordered{results: make(chan chan decoded, min(runtime.NumCPU(), aheadLimit)), room: semaphore.NewWeighted(aheadMemory)}
	o.ctx, o.cancel = context.WithCancel(ctx)
	o.over.Go(func() { o.decode(f, spans, packed) })
	return o
}

// ordered gives the streams in their order. As many are decoded ahead as there are processors, and as fit
// into aheadMemory. Who waits for room holds none, and those before it need no more: the first of them can
// always be read.
type ordered struct {
	ctx     context.Context
	results chan chan decoded
	room    *semaphore.Weighted
	held    int64 // room of the stream that is being read
	now     []byte
	err     error
	cancel  context.CancelFunc
	over    sync.WaitGroup
}

type decoded struct {
	data []byte
	held int64
	err  error
}

func (o *ordered) decode(f io.ReaderAt, spans []span, packed *counter) {
	defer close(o.results)
	for _, s := range spans {
		if o.room.Acquire(o.ctx, s.memory()) != nil {
			return
		}
		result := make(chan decoded, 1)
		select {
		case o.results <- result:
		case <-o.ctx.Done():
			return
		}
		o.over.Go(func() {
			data, err := s.decode(f)
			packed.n.Add(s.packed)
			o.room.Release(s.memory() - s.unpacked)
			result <- decoded{data, s.unpacked, err}
		})
	}
}

func (s span) decode(f io.ReaderAt) ([]byte, error) {
	d, err := decodeXZ(bufio.NewReaderSize(io.NewSectionReader(f, s.from, s.packed), readAhead), max(s.dictionary, lzma.MinDictCap))
	if err != nil {
		return nil, err
	}
	b := bytes.NewBuffer(make([]byte, 0, s.unpacked+bytes.MinRead))
	_, err = io.Copy(b, io.LimitReader(d, s.unpacked+1))
	if err == nil && int64(b.Len()) != s.unpacked {
		err = fault.New(fault.Failed, hostile, "an xz stream unpacks to another size than its index says")
	}
	return b.Bytes(), err
}

// Read implements io.Reader.
func (o *ordered) Read(p []byte) (int, error) {
	for len(o.now) == 0 {
		if o.err != nil {
			return 0, o.err
		}
		o.now = nil
		o.room.Release(o.held)
		o.held = 0
		result, ok := <-o.results
		if !ok {
			if o.err = o.ctx.Err(); o.err == nil {
				o.err = io.EOF
			}
			continue
		}
		d := <-result
		o.now, o.held, o.err = d.data, d.held, d.err
	}
	n := copy(p, o.now)
	o.now = o.now[n:]
	return n, nil
}

// Close ends the goroutines and waits for them.
func (o *ordered) Close() error {
	o.cancel()
	o.over.Wait()
	return nil
}
