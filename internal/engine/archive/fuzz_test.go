package archive

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzUnpack holds that whatever the bytes are, nothing is left or made outside, and no link leads outside.
// Run it with -fuzzminimizetime=5x: the decoding goroutine makes coverage vary, and minimizing would never
// end.
func FuzzUnpack(f *testing.F) {
	f.Add(good(f, 100))
	f.Add(tarOf(f, fileEntry("../x", "1")))
	f.Add(tarOf(f, fileEntry("/tmp/x", "1")))
	f.Add(tarOf(f, linkEntry(tar.TypeSymlink, "l", "../.."), fileEntry("l/x", "1")))
	f.Add(tarOf(f, dirEntry("d/e"), linkEntry(tar.TypeSymlink, "d/e/r", "../.."), linkEntry(tar.TypeSymlink, "l", "d/e/r/..")))
	f.Add(tarOf(f, fileEntry("a", "1"), linkEntry(tar.TypeLink, "b", "a"), fileEntry("b", "2")))
	f.Add(tarOf(f, entry{Header: tar.Header{Name: "dev", Typeflag: tar.TypeBlock}}))
	f.Add(tarOf(f, fileEntry("a", "1"), fileEntry("a", "2")))
	f.Add(gz(f, make([]byte, 1<<20)))
	f.Add(good(f, 100)[:1500])
	f.Add(xzed(f, tarOf(f, fileEntry("a", "1"))))
	f.Add(debOf(debHead, debMade{"data.tar.gz", gz(f, libc(f))}))
	f.Add(debOf(debHead, debMade{"data.tar", tarOf(f, linkEntry(tar.TypeSymlink, "./d/l", "/../../x"), linkEntry(tar.TypeSymlink, "./r", "/"))}))
	f.Add(debOf(debHead, debMade{"data.tar.xz", xzed(f, libc(f))})[:200])
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := filepath.Join(t.TempDir(), "out")
		for strip := range 2 {
			err := Unpack(t.Context(), bytes.NewReader(b), dir, Options{Strip: strip, Limits: Limits{Bytes: 8 << 20, Entries: 100}})
			alone(t, dir)
			if _, missing := os.Lstat(dir); (err == nil) != (missing == nil) {
				t.Fatalf("error %v, but folder %v", err, missing)
			}
			if err == nil {
				contained(t, dir)
			}
			os.RemoveAll(dir)
		}
	})
}

// contained fails when any path below dir leads out of it, followed link by link.
func contained(t *testing.T, dir string) {
	t.Helper()
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(real, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !d.IsDir() && !d.Type().IsRegular() && d.Type() != fs.ModeSymlink {
			return fmt.Errorf("%s is a %v", path, d.Type())
		}
		to, err := filepath.EvalSymlinks(path)
		if err != nil {
			return nil // leads nowhere, or round in a circle
		}
		if to != real && !strings.HasPrefix(to, real+"/") {
			return fmt.Errorf("%s leads to %s", path, to)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
