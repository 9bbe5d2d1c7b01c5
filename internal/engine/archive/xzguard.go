package archive

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"

	"github.com/ulikunitz/xz"
	"github.com/ulikunitz/xz/lzma"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// The decoder allocates for each block what the block's header asks for, up to 4 GiB, before the block's
// first byte. So it reads through a guard, which follows the format (the .xz file format, sections 2 and 3;
// LZMA2's chunks) without unpacking anything, and hands on no byte that it does not understand.

const (
	// maxDictionary bounds what a block may ask for, an xz one or a zstd window: xz -9, the most that xz
	// itself uses, asks for 64 MiB.
	maxDictionary = 64 << 20
	// allDictionaries bounds what the blocks of a file may ask for one after the other: clearing that
	// memory takes time. What xz -T makes asks for a third of what it unpacks to.
	allDictionaries = 8 << 30

	lzma2Filter = 0x21
)

// xzGuard hands on an xz file piece by piece, each after a look at its header.
type xzGuard struct {
	r     *bufio.Reader
	limit int64        // bytes of a block's dictionary
	pass  int64        // bytes that may be handed on
	next  func() error // looks at what comes then, and sets pass
	check int64        // bytes of the check behind each block
	block int64        // packed bytes of this block so far
	count uint64       // blocks of this stream
	ints  uint64       // numbers of the index that are still to come
	index int64        // bytes of the index so far
	asked int64        // dictionaries of all blocks together
}

// decodeXZ decodes an xz file whose blocks ask for limit bytes each at most.
func decodeXZ(r *bufio.Reader, limit int64) (io.Reader, error) {
	g := &xzGuard{r: r, limit: limit}
	g.next = g.stream
	d, err := xz.ReaderConfig{DictCap: lzma.MinDictCap}.NewReader(bufio.NewReaderSize(g, 64<<10))
	return d, at("xz header", err)
}

// Read implements io.Reader.
func (g *xzGuard) Read(p []byte) (int, error) {
	for g.pass == 0 {
		if err := g.next(); err != nil {
			return 0, err
		}
	}
	n, err := g.r.Read(p[:min(int64(len(p)), g.pass)])
	g.pass -= int64(n)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF // a piece that was announced
	}
	return n, err
}

// peek returns the next n bytes.
func (g *xzGuard) peek(n int) ([]byte, error) {
	b, err := g.r.Peek(n)
	if err == io.EOF && len(b) > 0 {
		err = io.ErrUnexpectedEOF
	}
	return b, err
}

// must is peek where the file may not end.
func (g *xzGuard) must(n int) ([]byte, error) {
	b, err := g.peek(n)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return b, err
}

// stream looks at a stream's header, or at padding between streams.
func (g *xzGuard) stream() error {
	b, err := g.peek(4)
	if err != nil {
		return err
	}
	if bytes.Equal(b, make([]byte, 4)) {
		g.pass = 4
		return nil
	}
	if b, err = g.must(xzEnds); err != nil {
		return err
	}
	if !bytes.HasPrefix(b, xzMagic) {
		return refuse("no xz stream where one should begin")
	}
	g.check = [...]int64{0, 4, 8, 16, 32, 64}[(b[7]&15+2)/3]
	g.pass, g.count, g.next = xzEnds, 0, g.header
	return nil
}

// header looks at a block's header, or at the beginning of the index.
func (g *xzGuard) header() error {
	b, err := g.must(1)
	if err != nil {
		return err
	}
	if b[0] == 0 {
		g.pass, g.index, g.next = 1, 1, g.records
		return nil
	}
	if b, err = g.must((int(b[0]) + 1) * 4); err != nil {
		return err
	}
	n, ok := dictionary(b)
	switch g.asked += n; {
	case !ok:
		return refuse("xz block: packed in a way that is not read here")
	case n > g.limit:
		return fault.New(fault.Failed, hostile, "xz header: it asks for a dictionary of %d bytes, more than %d", n, g.limit)
	case g.asked > allDictionaries:
		return fault.New(fault.Failed, hostile, "xz blocks: their dictionaries take more than %d bytes together", int64(allDictionaries))
	}
	g.pass, g.block, g.next = int64(len(b)), 0, g.chunk
	g.count++
	return nil
}

// chunk looks at the header of an LZMA2 chunk.
func (g *xzGuard) chunk() error {
	b, err := g.must(1)
	if err != nil {
		return err
	}
	switch control := b[0]; {
	case control == 0: // the last, before padding and check
		g.block++
		g.pass, g.next = 1+-g.block&3+g.check, g.header
		return nil
	case control <= 2: // not compressed
		if b, err = g.must(3); err != nil {
			return err
		}
		g.pass = 3 + int64(binary.BigEndian.Uint16(b[1:])) + 1
	case control < 0x80:
		return refuse("xz block: no LZMA2 chunk")
	default:
		if b, err = g.must(5); err != nil {
			return err
		}
		g.pass = 5 + int64(binary.BigEndian.Uint16(b[3:])) + 1
		if control >= 0xc0 {
			g.pass++ // new properties
		}
	}
	g.block += g.pass
	return nil
}

// records looks at the number of records in the index.
func (g *xzGuard) records() error {
	n, err := g.number()
	if err != nil {
		return err
	}
	if n != g.count {
		return refuse("xz index: %d records of %d blocks", n, g.count)
	}
	g.ints, g.next = 2*n, g.record
	return nil
}

// record looks at a number of the index, or at what is behind the last.
func (g *xzGuard) record() error {
	if g.ints == 0 {
		g.pass, g.next = -g.index&3+4+xzEnds, g.stream // padding, check, the stream's footer
		return nil
	}
	g.ints--
	_, err := g.number()
	return err
}

// number lets a number of the index pass.
func (g *xzGuard) number() (uint64, error) {
	b, err := g.r.Peek(9)
	n, size := binary.Uvarint(b)
	switch {
	case size > 0:
		g.pass = int64(size)
		g.index += g.pass
		return n, nil
	case err == nil:
		err = refuse("xz index: a number of more than 9 bytes")
	case errors.Is(err, io.EOF):
		err = io.ErrUnexpectedEOF
	}
	return 0, err
}

// dictionary returns the LZMA2 dictionary size in a block's header (the .xz file format, sections 3.1 and
// 5.3.1). It is not ok when it has another filter, or more than one.
func dictionary(block []byte) (bytes int64, ok bool) {
	if len(block) < 2 || block[1]&0x3f != 0 { // one filter, and no bit that is not known
		return 0, false
	}
	at := 2
	for _, present := range []byte{0x40, 0x80} { // packed and unpacked size
		if block[1]&present != 0 {
			_, n := binary.Uvarint(block[at:])
			if n <= 0 {
				return 0, false
			}
			at += n
		}
	}
	if at+2 >= len(block) || block[at] != lzma2Filter || block[at+1] != 1 || block[at+2] > 40 {
		return 0, false
	}
	bits := int64(block[at+2])
	if bits == 40 {
		return 1<<32 - 1, true
	}
	return (2 | bits&1) << (bits/2 + 11), true
}
