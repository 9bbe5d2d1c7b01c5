package archive

import (
	"bufio"
	"compress/gzip"
	"context"
	"fmt"
	"io"

	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
)

// unpack unpacks the gzip or xz stream p.
func (c *comparer) unpack(ctx context.Context, p content) (content, func(), error) {
	l := c.limits
	l.Bytes = c.left
	s, err := newStream(ctx, io.NewSectionReader(p, 0, p.Size()), l)
	if err != nil {
		return nil, nil, err
	}
	defer s.stop()
	return c.spool(s)
}

// unpackBoth unpacks and compares two packed streams of one kind.
func (c *comparer) unpackBoth(ctx context.Context, f findings, kind string, a, b content) error {
	ua, doneA, errA := c.unpack(ctx, a)
	if errA == nil {
		defer doneA()
	}
	ub, doneB, errB := c.unpack(ctx, b)
	if errB == nil {
		defer doneB()
	}
	switch {
	case errA == nil && errB == nil:
		return c.packed(ctx, f, kind, a, b, ua, ub)
	case kind == kindGzip:
		if _, _, err := c.gzipHeaders(f, a, b); err != nil {
			return err
		}
	}
	if errA != nil {
		return fmt.Errorf("first side: %w", errA)
	}
	return fmt.Errorf("second side: %w", errB)
}

// packed compares two packed streams of one kind, which were unpacked as ua and ub.
func (c *comparer) packed(ctx context.Context, f findings, kind string, a, b, ua, ub content) (err error) {
	restA, restB := a, b
	if kind == kindGzip {
		if restA, restB, err = c.gzipHeaders(f, a, b); err != nil {
			return err
		}
	}
	at, err := c.differ(ctx, ua, ub)
	if err != nil {
		return err
	}
	if at >= 0 {
		return c.explain(ctx, f.within(kind+" contents"), ua, ub, at)
	}
	if at, err = c.differ(ctx, restA, restB); err == nil && at >= 0 {
		f.add(kind+": compressed bytes only", at+a.Size()-restA.Size(), excerpt(restA, at), excerpt(restB, at))
	}
	return err
}

// gzipHeaders compares the headers (RFC 1952, section 2.3) and returns what is behind them. Only the first
// member of a stream of several is looked at.
func (c *comparer) gzipHeaders(f findings, a, b content) (restA, restB content, err error) {
	la, restA, err := gzipHeader(a)
	if err != nil {
		return nil, nil, err
	}
	lb, restB, err := gzipHeader(b)
	if err != nil {
		return nil, nil, err
	}
	f.fields("gzip header: ", la, lb)
	return restA, restB, nil
}

func gzipHeader(c content) (l digest.Lines, rest content, err error) {
	s := io.NewSectionReader(c, 0, c.Size())
	b := bufio.NewReader(s)
	raw, err := b.Peek(10)
	if err != nil {
		return nil, nil, err
	}
	method, flags, extra, system := raw[2], raw[3], raw[8], raw[9]
	z, err := gzip.NewReader(b) // reads no further than the header from what is buffered already
	if err != nil {
		return nil, nil, err
	}
	time := "none"
	if !z.ModTime.IsZero() {
		time = stamp(z.ModTime)
	}
	l.Add("time", time)
	l.Addf("operating system", "%d", system)
	l.Add("name", z.Name)
	l.Addf("extra flags", "%d", extra)
	l.Addf("method", "%d", method)
	l.Addf("flags", "%#02x", flags)
	l.Addf("extra field", "% x", z.Extra)
	l.Add("comment", z.Comment)
	at, _ := s.Seek(0, io.SeekCurrent)
	at -= int64(b.Buffered())
	rest, err = part(c, at, c.Size()-at)
	return l, rest, err
}
