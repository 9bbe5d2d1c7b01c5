package packages

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/cavaliergopher/cpio"

	"github.com/tlsfloor/tlsfloor/internal/engine/archive"
	"github.com/tlsfloor/tlsfloor/internal/engine/store"
	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
)

// inTree matches every name below a tree, whatever characters are in it.
var inTree = regexp.MustCompile(`(?s)^/.*?/\.tlsfloor/[^/]+/package/[^/]+/tree/([^/]+)/(.+)$`)

// Trees reads the components' trees out of a package that Write wrote.
func Trees(ctx context.Context, file string) (map[string]store.Tree, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	trees := shelf{}
	if strings.HasSuffix(file, "."+RPM) {
		err = readRPM(ctx, f, trees.take)
	} else {
		err = archive.Visit(ctx, f, path.Base(file), archive.Limits{}, func(v archive.Visited) error {
			return trees.take(v.Name, v.Mode, v.Link, v.Body)
		})
	}
	trees.sort()
	return trees, err
}

// shelf holds trees by their components.
type shelf map[string]store.Tree

// take adds an entry of a package, if it is of a tree.
func (s shelf) take(name string, mode fs.FileMode, target string, body io.Reader) error {
	at := inTree.FindStringSubmatch(path.Join("/", name))
	if at == nil {
		return nil
	}
	e := store.Entry{Path: at[2], Mode: mode.Type() | mode.Perm(), Target: target}
	if mode.IsRegular() {
		var err error
		if e.Digest, e.Size, err = digest.OfReader(body); err != nil {
			return err
		}
	}
	s[at[1]] = append(s[at[1]], e)
	return nil
}

func (s shelf) sort() {
	for _, t := range s {
		slices.SortFunc(t, func(a, b store.Entry) int { return strings.Compare(a.Path, b.Path) })
	}
}

// readRPM reads the files of a package: lead, two headers, and a cpio archive behind them (RPM's file format,
// version 4).
func readRPM(ctx context.Context, r io.Reader, take func(string, fs.FileMode, string, io.Reader) error) error {
	b := bufio.NewReader(r)
	if _, err := b.Discard(96); err != nil {
		return fmt.Errorf("lead: %w", err)
	}
	for _, align := range []int{8, 1} { // the signature is padded
		var h [16]byte
		if _, err := io.ReadFull(b, h[:]); err != nil {
			return fmt.Errorf("header: %w", err)
		}
		entries, bytes := binary.BigEndian.Uint32(h[8:]), binary.BigEndian.Uint32(h[12:])
		if h[0] != 0x8e || h[1] != 0xad || h[2] != 0xe8 || entries > 1<<16 || bytes > 1<<28 {
			return errors.New("it has no header of rpm's")
		}
		size := 16*int(entries) + int(bytes)
		if _, err := b.Discard((size + align - 1) / align * align); err != nil {
			return fmt.Errorf("header: %w", err)
		}
	}
	z, err := archive.Decompressor(ctx, b, archive.Limits{})
	if err != nil {
		return err
	}
	defer z.Close()
	return readCPIO(ctx, z, take)
}

// What a package's archive may have, as archive.Limits has it for others.
const (
	entriesLimit = 200_000
	nameLimit    = 1024
)

// readCPIO reads an archive to its end. The library takes a size below nothing, and the end of the input for
// the end of the archive; neither is one here.
func readCPIO(ctx context.Context, r io.Reader, take func(string, fs.FileMode, string, io.Reader) error) error {
	seen := &counter{Reader: r}
	c := cpio.NewReader(seen)
	for n := 0; ; n++ {
		h, err := c.Next()
		switch {
		case err == io.EOF && seen.short || err == io.ErrUnexpectedEOF:
			return errors.New("its archive ends before its end")
		case err == io.EOF: // checksums stand behind the last entry
			_, err = io.Copy(io.Discard, r)
			return err
		case err != nil:
			return err
		case n >= entriesLimit:
			return fmt.Errorf("more than %d entries", entriesLimit)
		case h.Size < 0 || len(h.Name) > nameLimit || len(h.Linkname) > nameLimit:
			return fmt.Errorf("entry %.80q: no size or name of a file", h.Name)
		}
		begin := seen.bytes
		if err := take(h.Name, h.FileInfo().Mode(), h.Linkname, c); err != nil {
			return err
		}
		if _, err := io.Copy(io.Discard, c); err != nil {
			return err
		}
		if seen.bytes-begin != h.Size {
			return fmt.Errorf("entry %.80q: its bytes end early", h.Name)
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// counter counts what is read, and notes when there was less than was asked for.
type counter struct {
	io.Reader
	bytes int64
	short bool
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.bytes += int64(n)
	c.short = c.short || err == io.EOF && n < len(p)
	return n, err
}
