package archive

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/zstd"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

const (
	chunk      = 512 << 10 // bytes decoded at once
	ratioGrace = 64 << 20  // unpacked bytes below which the ratio says nothing
)

// stream decodes in a goroutine of its own, a few chunks ahead of its reader: decoding xz takes most of the
// time, and writing files most of the rest.
type stream struct {
	ctx    context.Context
	cancel context.CancelFunc
	done   sync.WaitGroup
	full   chan []byte // decoded chunks, closed at the end
	free   chan []byte // chunks to decode into
	now    []byte      // what is left of the chunk being read
	whole  []byte      // that chunk
	deb    bool        // the archive is the data of a package
	err    error       // why full was closed; io.EOF at the end of the archive
}

func newStream(ctx context.Context, r io.Reader, l Limits) (*stream, error) {
	packed := &counter{r: r}
	var decoder io.Reader
	deb := false
	if p := parallelXZ(ctx, r, packed); p != nil {
		decoder = p
	} else {
		var err error
		if decoder, deb, err = decode(packed); err != nil {
			return nil, err
		}
	}
	s := &stream{deb: deb, full: make(chan []byte, 4), free: make(chan []byte, 6)}
	s.ctx, s.cancel = context.WithCancel(ctx)
	for range cap(s.free) {
		s.free <- make([]byte, chunk)
	}
	s.done.Go(func() {
		defer close(s.full)
		s.err = s.run(decoder, packed, l)
		if c, ok := decoder.(io.Closer); ok { // zstd's has goroutines of its own
			c.Close()
		}
	})
	return s, nil
}

// Decompressor decodes what Pack, or others in one of its formats, compressed, within the same limits as
// Unpack.
func Decompressor(ctx context.Context, r io.Reader, l Limits) (io.ReadCloser, error) {
	s, err := newStream(ctx, r, l.orDefaults())
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Close implements io.Closer.
func (s *stream) Close() error {
	s.stop()
	return nil
}

// decode picks the decoder by the first bytes of r, or by those of the data when r is a package.
func decode(r io.Reader) (decoder io.Reader, deb bool, err error) {
	b := bufio.NewReaderSize(r, 1<<20)
	head, err := b.Peek(len(arMagic))
	if err != nil && err != io.EOF {
		return nil, false, err
	}
	if string(head) == arMagic {
		data, err := debData(b)
		if err != nil {
			return nil, true, err
		}
		deb, b = true, bufio.NewReaderSize(data, 1<<20)
	}
	decoder, err = decodeTar(b)
	return decoder, deb, err
}

func decodeTar(b *bufio.Reader) (io.Reader, error) {
	head, err := b.Peek(512)
	if err != nil && err != io.EOF {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		d, err := gzip.NewReader(b)
		return d, at("gzip header", err)
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		d, err := zstd.NewReader(b, zstd.WithDecoderMaxWindow(maxDictionary), zstd.WithDecoderConcurrency(0))
		if err != nil {
			return nil, at("zstd header", err)
		}
		return d.IOReadCloser(), nil
	case bytes.HasPrefix(head, []byte("BZh")):
		return bzip2.NewReader(b), nil
	case bytes.HasPrefix(head, xzMagic):
		return decodeXZ(b, maxDictionary)
	case len(head) == 512 && bytes.HasPrefix(head[257:], []byte("ustar")):
		return b, nil
	}
	return nil, fault.New(fault.Failed, hostile, "neither a .tar nor a .tar.gz, .tar.xz, .tar.zst or .tar.bz2 nor a .deb file")
}

func (s *stream) run(decoder io.Reader, packed *counter, l Limits) error {
	var unpacked int64
	for {
		var b []byte
		select {
		case b = <-s.free:
		case <-s.ctx.Done():
			return s.ctx.Err()
		}
		n, err := fillChunk(decoder, b[:chunk])
		select { // before the limits, so that the entry that exceeds them is known
		case s.full <- b[:n]:
		case <-s.ctx.Done():
			return s.ctx.Err()
		}
		unpacked += int64(n)
		if bad := l.exceeded(unpacked, packed.n.Load()); bad != nil {
			return bad
		}
		if err != nil {
			return err
		}
	}
}

// fillChunk is io.ReadFull, but with the decoder's own error: io.EOF is the end, io.ErrUnexpectedEOF a
// truncated archive.
func fillChunk(decoder io.Reader, b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		var k int
		k, err = decoder.Read(b[n:])
		n += k
	}
	return n, err
}

func (l Limits) exceeded(unpacked, packed int64) error {
	const hint = "if the archive is to be trusted, it is too large for this program"
	if unpacked > l.Bytes {
		return fault.New(fault.Failed, hint, "unpacks to more than %d bytes", l.Bytes)
	}
	if unpacked > ratioGrace && unpacked/l.Ratio > packed {
		return fault.New(fault.Failed, hint, "%d bytes unpack to more than %d bytes, over %d times as many", packed, unpacked, l.Ratio)
	}
	return nil
}

// Read gives what was decoded.
func (s *stream) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	for len(s.now) == 0 {
		if s.whole != nil {
			s.free <- s.whole
			s.whole = nil
		}
		b, ok := <-s.full
		if !ok {
			return 0, s.err
		}
		s.now, s.whole = b, b
	}
	n := copy(p, s.now)
	s.now = s.now[n:]
	return n, nil
}

// stop ends the goroutine and waits for it.
func (s *stream) stop() {
	s.cancel()
	s.done.Wait()
}

// counter counts the packed bytes that were read. zstd's decoder reads ahead in a goroutine of its own.
type counter struct {
	r io.Reader
	n atomic.Int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	if err != nil && err != io.EOF {
		err = fmt.Errorf("reading the archive: %w", err)
	}
	return n, err
}
