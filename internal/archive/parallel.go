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

	"github.com/ulikunitz/xz"

	"github.com/tlsfloor/tlsfloor/internal/fault"
)

// An xz file of several streams is decoded by all processors when it is a file: where its streams begin stands at their ends (the .xz
// file format, sections 2.1.2 and 4). Pack writes such files. What cannot be read that way, for whatever reason, is decoded from its
// beginning as any other, and that says what is wrong.

// span is one stream of an xz file.
type span struct{ from, packed, unpacked int64 }

const (
	xzEnds      = 12       // bytes of a stream's header, and of its footer
	streamLimit = 64 << 20 // unpacked bytes of a stream that is held in memory
	aheadLimit  = 8        // streams that are held in memory, on however many processors
)

// xzSpans finds the streams of the file, which follow each other without a gap; nil when they are not to be found.
func xzSpans(r io.ReaderAt, size int64) (all []span) {
	for end := size; end > 0; {
		s, ok := xzSpan(r, end)
		if !ok || s.unpacked > streamLimit {
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
	var ends [xzEnds]byte
	if end < 2*xzEnds {
		return s, false
	}
	if _, err := r.ReadAt(ends[:], end-xzEnds); err != nil || string(ends[10:]) != "YZ" {
		return s, false
	}
	size := (int64(binary.LittleEndian.Uint32(ends[4:8])) + 1) * 4
	start := end - xzEnds - size
	if size > 1<<20 || start < xzEnds {
		return s, false
	}
	index := make([]byte, size)
	if _, err := r.ReadAt(index, start); err != nil || index[0] != 0 {
		return s, false
	}
	in := bytes.NewReader(index[1:])
	records, err := binary.ReadUvarint(in)
	if err != nil || records > 1<<16 {
		return s, false
	}
	var blocks int64
	for range records {
		packed, err := binary.ReadUvarint(in)
		unpacked, err2 := binary.ReadUvarint(in)
		if err != nil || err2 != nil || packed > uint64(start) || unpacked > streamLimit {
			return s, false
		}
		blocks += int64(packed+3) &^ 3
		s.unpacked += int64(unpacked)
	}
	s.from = start - blocks - xzEnds
	s.packed = end - s.from
	if s.from < 0 {
		return s, false
	}
	_, err = r.ReadAt(ends[:], s.from)
	return s, err == nil && bytes.HasPrefix(ends[:], []byte{0xfd, '7', 'z', 'X', 'Z', 0})
}

// parallelXZ returns a reader of what the file holds, nil when it is not an xz file of several streams that has not been read from yet.
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
	o := &ordered{results: make(chan chan decoded, min(runtime.NumCPU(), aheadLimit))}
	ctx, o.cancel = context.WithCancel(ctx)
	o.over.Go(func() { o.decode(ctx, f, spans, packed) })
	return o
}

// ordered gives the streams in their order. As many are decoded ahead as there are processors.
type ordered struct {
	results chan chan decoded
	now     []byte
	err     error
	cancel  context.CancelFunc
	over    sync.WaitGroup
}

type decoded struct {
	data []byte
	err  error
}

func (o *ordered) decode(ctx context.Context, f io.ReaderAt, spans []span, packed *counter) {
	defer close(o.results)
	for _, s := range spans {
		result := make(chan decoded, 1)
		select {
		case o.results <- result:
		case <-ctx.Done():
			return
		}
		o.over.Go(func() {
			data, err := s.decode(f)
			packed.n.Add(s.packed)
			result <- decoded{data, err}
		})
	}
}

func (s span) decode(f io.ReaderAt) ([]byte, error) {
	d, err := xz.NewReader(bufio.NewReaderSize(io.NewSectionReader(f, s.from, s.packed), 256<<10)) // it reads byte by byte
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
		result, ok := <-o.results
		if !ok {
			o.err = io.EOF
			continue
		}
		d := <-result
		o.now, o.err = d.data, d.err
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
