package archive

import (
	"bytes"
	"context"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// Format is how an archive is compressed.
type Format string

// The formats. Both are made of independent parts, one for each block of the archive: what comes out is the
// same for any number of processors, and every decoder reads it.
const (
	XZ   Format = ".tar.xz"  // streams (the .xz file format, section 2)
	Zstd Format = ".tar.zst" // frames (RFC 8878 section 3)

	Plain Format = ".tar" // not compressed, and in one part
)

// blockSizes in bytes: larger ones pack tighter and are fewer to share among processors, and each is held in
// memory by its processor.
var blockSizes = map[Format]int{XZ: 8 << 20, Zstd: 16 << 20}

// packBlock compresses one block. It is a pure function of its bytes.
func packBlock(f Format, block []byte) ([]byte, error) {
	if f == Zstd {
		e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(blockSizes[Zstd]))
		if err != nil {
			return nil, err
		}
		defer e.Close()
		return e.EncodeAll(block, nil), nil
	}
	b := bytes.NewBuffer(make([]byte, 0, len(block)/2))
	w, err := xz.WriterConfig{DictCap: blockSizes[XZ]}.NewWriter(b)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(block); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// blocks is a Writer that compresses what is written in blocks of a fixed size, several at the same time, and
// hands on the results in order. It holds a block for each job and the one that is being filled, whose memory
// goes round: new memory for each costs some 7 % of the time on two processors.
type blocks struct {
	format Format
	out    io.Writer
	now    []byte // the block that is being filled
	queue  chan chan packed
	turns  chan struct{}  // one for each block that is being packed
	free   chan []byte    // memory for blocks
	over   sync.WaitGroup // of all goroutines: none is left after Close
	mu     sync.Mutex
	err    error // the first
	ctx    context.Context
	cancel context.CancelFunc
}

type packed struct {
	data []byte
	err  error
}

func newBlocks(ctx context.Context, out io.Writer, f Format, jobs int) *blocks {
	b := &blocks{format: f, out: out, queue: make(chan chan packed, 2*jobs), turns: make(chan struct{}, jobs), free: make(chan []byte, jobs+1)}
	for range cap(b.free) {
		b.free <- nil // made when it is needed
	}
	b.ctx, b.cancel = context.WithCancel(ctx)
	b.over.Go(b.write)
	return b
}

// write hands on what is packed, in order.
func (b *blocks) write() {
	for result := range b.queue {
		p := <-result
		if p.err == nil {
			_, p.err = b.out.Write(p.data)
		}
		if p.err != nil {
			b.fail(p.err)
			for range b.queue { // whoever waits for a place goes on, and sees the error
			}
			return
		}
	}
}

func (b *blocks) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil {
		b.err = err
	}
	b.cancel()
}

func (b *blocks) failed() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

// Write implements io.Writer.
func (b *blocks) Write(p []byte) (n int, err error) {
	size := blockSizes[b.format]
	for len(p) > 0 {
		if b.now == nil {
			select {
			case b.now = <-b.free:
			case <-b.ctx.Done():
				return n, b.stopped()
			}
			if b.now == nil {
				b.now = make([]byte, 0, size)
			}
		}
		k := min(size-len(b.now), len(p))
		b.now, p, n = append(b.now, p[:k]...), p[k:], n+k
		if len(b.now) == size {
			if err := b.flush(); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

// flush gives the block to a worker of its own.
func (b *blocks) flush() error {
	select {
	case b.turns <- struct{}{}:
	case <-b.ctx.Done():
		return b.stopped()
	}
	block, result := b.now, make(chan packed, 1)
	b.now = nil
	b.over.Go(func() {
		data, err := packBlock(b.format, block)
		b.free <- block[:0]
		<-b.turns
		result <- packed{data, err}
	})
	select {
	case b.queue <- result:
		return b.failed()
	case <-b.ctx.Done():
		return b.stopped()
	}
}

func (b *blocks) stopped() error {
	if err := b.failed(); err != nil {
		return err
	}
	return context.Cause(b.ctx)
}

// Close packs what is left and waits until all is written.
func (b *blocks) Close() error {
	var err error
	if len(b.now) > 0 {
		err = b.flush()
	}
	close(b.queue)
	b.over.Wait()
	defer b.cancel()
	if failed := b.failed(); failed != nil {
		return failed
	}
	return err
}
