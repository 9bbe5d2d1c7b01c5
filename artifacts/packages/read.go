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

	"github.com/tlsfloor/tlsfloor/internal/archive"
	"github.com/tlsfloor/tlsfloor/internal/digest"
	"github.com/tlsfloor/tlsfloor/internal/store"
)

var inTree = regexp.MustCompile(`^/.*?/\.tlsfloor/[^/]+/package/[^/]+/tree/([^/]+)/(.+)$`)

// Trees reads the components' trees out of a package that Write wrote.
func Trees(ctx context.Context, file string) (map[string]store.Tree, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	trees := map[string]store.Tree{}
	take := func(name string, mode fs.FileMode, target string, body io.Reader) error {
		at := inTree.FindStringSubmatch(path.Join("/", name))
		if at == nil {
			return nil
		}
		component, rest := at[1], at[2]
		e := store.Entry{Path: rest, Mode: mode.Type() | mode.Perm(), Target: target}
		if mode.IsRegular() {
			var err error
			if e.Digest, e.Size, err = digest.OfReader(body); err != nil {
				return err
			}
		}
		trees[component] = append(trees[component], e)
		return ctx.Err()
	}
	if strings.HasSuffix(file, "."+RPM) {
		err = readRPM(ctx, f, take)
	} else {
		err = archive.Visit(ctx, f, path.Base(file), archive.Limits{}, func(v archive.Visited) error { return take(v.Name, v.Mode, v.Link, v.Body) })
	}
	for _, t := range trees {
		slices.SortFunc(t, func(a, b store.Entry) int { return strings.Compare(a.Path, b.Path) })
	}
	return trees, err
}

// readRPM reads the files of a package: lead, two headers, and a cpio archive behind them (RPM's file format, version 4).
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
	c := cpio.NewReader(z)
	for {
		h, err := c.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := take(h.Name, h.FileInfo().Mode(), h.Linkname, c); err != nil {
			return err
		}
	}
}
