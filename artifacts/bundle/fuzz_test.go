package bundle

import (
	"archive/tar"
	"bytes"
	"io/fs"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tlsfloor/tlsfloor/internal/engine/archive"
)

// FuzzSums: the signed list names files beside it only, whatever stands in it.
func FuzzSums(f *testing.F) {
	sum := strings.Repeat("a", 64)
	f.Add([]byte(sum + "  index.json\n"))
	f.Add([]byte(sum + "  ../x\n"))
	f.Add([]byte(sum + "  a\n" + sum + "  a\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		all, err := parseSums(text)
		if err != nil {
			return
		}
		for name := range all {
			if name == "" || name == "." || name == ".." || path.Base(name) != name {
				t.Errorf("%q is a name", name)
			}
		}
	})
}

// FuzzIndex: an index is read without a panic, and what was read is written and read again.
func FuzzIndex(f *testing.F) {
	f.Add([]byte("{}"))
	f.Add([]byte(`{"format":1,"profile":"min-tls1_2","archives":[]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		x, err := parseIndex(text)
		if err != nil {
			return
		}
		again, err := x.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parseIndex(again); err != nil {
			t.Errorf("%s: %v", again, err)
		}
	})
}

// FuzzRelease: the numbered release is read without a panic.
func FuzzRelease(f *testing.F) {
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, text []byte) { parseRelease(text) })
}

// tarred is an archive with entries of these names; one with an arrow is a link.
func tarred(t testing.TB, names ...string) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range names {
		h := &tar.Header{Name: name, Mode: 0o644, Typeflag: tar.TypeReg}
		if from, to, link := strings.Cut(name, " -> "); link {
			h.Name, h.Linkname, h.Typeflag = from, to, tar.TypeSymlink
		} else if strings.HasSuffix(name, "/") {
			h.Typeflag = tar.TypeDir
		} else {
			h.Size = 1
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			w.Write([]byte("x"))
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

var fuzzLimits = archive.Limits{Bytes: 8 << 20, Entries: 100}

// TestNamesInArchives: what is not below the one folder is refused, and what is in it is listed.
func TestNamesInArchives(t *testing.T) {
	for names, listed := range map[string]int{
		"n/|n/python/|n/python/a|n/python/l -> a|n/LICENSES.txt": 2,
		"./n/python/a":            1,
		"/python/a":               -1, // below the root folder
		"//python/a|n/python/a":   -1,
		"n/python/a|m/python/b":   -1,
		"n/python/../../python/a": -1,
		"../n/python/a":           -1,
		"n/other":                 -1,
	} {
		archived := bytes.NewReader(tarred(t, strings.Split(names, "|")...))
		trees, err := treesOf(t.Context(), archived, "x", fuzzLimits)
		if (err != nil) != (listed < 0) || err == nil && len(trees["python"]) != listed {
			t.Errorf("%s: %v, %v", names, trees, err)
		}
	}
}

// FuzzTrees: what is in an archive is listed without a crash, with paths within their trees, in order.
func FuzzTrees(f *testing.F) {
	f.Add(tarred(f, "n/python/", "n/python/a", "n/python/l -> a", "n/LICENSES.txt"))
	f.Add(tarred(f, "/python/a"))
	f.Add(tarred(f, "n/python/a", "n/python/a", "m/b/c"))
	f.Add(tarred(f, "n/python/../../x/y"))
	f.Fuzz(func(t *testing.T, b []byte) {
		trees, _ := treesOf(t.Context(), bytes.NewReader(b), "x", fuzzLimits)
		for folder, tree := range trees {
			if folder == "" || folder == "." || folder == ".." || path.Base(folder) != folder {
				t.Errorf("a folder %q", folder)
			}
			for i, e := range tree {
				if !filepath.IsLocal(e.Path) || path.Clean(e.Path) != e.Path ||
					e.Mode&^(fs.ModeType|fs.ModePerm) != 0 {
					t.Errorf("%+v", e)
				}
				if i > 0 && tree[i-1].Path > e.Path {
					t.Errorf("%q stands before %q", tree[i-1].Path, e.Path)
				}
			}
			follow(tree, "a")
		}
	})
}
