package packages

import (
	"bytes"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

const inside = "./opt/.tlsfloor/min_1/package/1/tree/python/"

// newc is an entry of cpio(5)'s new format, with a size that its header claims.
func newc(name string, mode int, size, body string) string {
	head := fmt.Sprintf("070701%08x%08x%08x%08x%08x%08x%s", 1, mode, 0, 0, 1, 0, size)
	head += fmt.Sprintf("%08x%08x%08x%08x%08x%08x", 0, 0, 0, 0, len(name)+1, 0) + name + "\x00"
	pad := func(s string) string { return s + strings.Repeat("\x00", (4-len(s)%4)%4) }
	return pad(head) + pad(body)
}

func file(name, body string) string {
	return newc(name, 0o100644, fmt.Sprintf("%08x", len(body)), body)
}

const trailer = "TRAILER!!!"

// readBoth reads bytes as a package, and as what is in one.
func readBoth(t *testing.T, b []byte) (shelf, error) {
	readRPM(t.Context(), bytes.NewReader(b), shelf{}.take)
	trees := shelf{}
	err := readCPIO(t.Context(), bytes.NewReader(b), trees.take)
	trees.sort()
	return trees, err
}

// TestArchivesOfPackages: what no rpm writes is an error, and no crash; nothing of a tree is passed over.
func TestArchivesOfPackages(t *testing.T) {
	end := file(trailer, "")
	one := file(inside+"a", "12345")
	for _, c := range []struct {
		what, archive, says string
		entries             int
	}{
		{"a whole one", one + newc(inside+"l", 0o120777, "00000001", "a") + end, "", 2},
		{"a name of two lines", file(inside+"a\nb", "1") + end, "", 1},
		{"an entry outside of the trees", file("./etc/x", "1") + end, "", 0},
		{"a size below nothing", newc(inside+"a", 0o100644, "-0000001", "") + end, "no size", 0},
		{"no end", one, "ends before", 1},
		{"an end within a header", one + end[:50], "ends before", 1},
		{"an end behind a name", one + file(inside+"abcdefghijkl", "1")[:110+len(inside)+13], "ends before", 1},
		{"an end within a file", one[:len(one)-5], "early", 1},
		{"a long name", file(inside+strings.Repeat("a", 1024), "1") + end, "no size or name", 0},
		{"nothing", "", "ends before", 0},
	} {
		trees, err := readBoth(t, []byte(c.archive))
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.what, err)
		}
		if len(trees["python"]) != c.entries {
			t.Errorf("%s: %v", c.what, trees)
		}
	}
	var many strings.Builder
	for range entriesLimit + 1 {
		many.WriteString(newc("x", 0o040755, "00000000", ""))
	}
	if _, err := readBoth(t, []byte(many.String())); err == nil || !strings.Contains(err.Error(), "entries") {
		t.Errorf("many entries: %v", err)
	}
}

// FuzzPackage: a package is read without a crash; entries have paths within their tree, in order.
func FuzzPackage(f *testing.F) {
	_, whole := written(f, small(f, "/opt"), RPM)
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add([]byte(file(inside+"a", "12345") + newc(inside+"l", 0o120777, "00000001", "a") + file(trailer, "")))
	f.Add([]byte(newc(inside+"a", 0o100644, "-0000001", "") + file(trailer, "")))
	f.Add([]byte(file("../.tlsfloor/a/package/b/tree/c/../../d", "1") + file(trailer, "")))
	f.Fuzz(func(t *testing.T, b []byte) {
		trees, err := readBoth(t, b)
		for component, tree := range trees {
			if strings.Contains(component, "/") || component == "" {
				t.Errorf("a component %q", component)
			}
			for i, e := range tree {
				if !filepath.IsLocal(e.Path) || filepath.Clean(e.Path) != e.Path ||
					e.Mode&^(fs.ModeType|fs.ModePerm) != 0 {
					t.Errorf("%+v", e)
				}
				if i > 0 && tree[i-1].Path > e.Path {
					t.Errorf("%q stands before %q", tree[i-1].Path, e.Path)
				}
			}
		}
		if err == nil && !bytes.Contains(b, []byte(trailer)) {
			t.Error("an archive without an end")
		}
	})
}
