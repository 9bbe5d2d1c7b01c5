package archive

import (
	"archive/tar"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// put writes a file below dir and the folders that it needs, and returns its path.
func put(t testing.TB, dir, name string, body []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, body, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// compared compares a and b, which must not be an error.
func compared(t testing.TB, a, b string, o CompareOptions) Report {
	t.Helper()
	if o.Temp == "" {
		o.Temp = t.TempDir()
	}
	r, err := Compare(t.Context(), a, b, o)
	if err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(o.Temp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	for _, d := range r.Differences {
		if d.Reason == "" || d.Path == "" || strings.ContainsAny(d.A+d.B+d.Reason+d.Path, "\n\x00") || len(d.A) > 600 || len(d.B) > 600 {
			t.Errorf("malformed: %+v", d)
		}
	}
	if (r.Differing == 0) != (len(r.Differences) == 0) {
		t.Errorf("%d paths differ with %d differences", r.Differing, len(r.Differences))
	}
	return r
}

// want is an expected Difference: its A and B must hold these texts. Offset -2 is any offset.
type want struct {
	path, reason string
	offset       int64
	a, b         string
}

// found fails unless exactly the wanted differences are there, in order.
func found(t testing.TB, r Report, wants ...want) {
	t.Helper()
	bad := len(r.Differences) != len(wants)
	for i := 0; i < len(wants) && !bad; i++ {
		w, d := wants[i], r.Differences[i]
		bad = d.Path != w.path || d.Reason != w.reason || w.offset != -2 && d.Offset != w.offset || !strings.Contains(d.A, w.a) || !strings.Contains(d.B, w.b)
	}
	if !bad {
		return
	}
	t.Errorf("want %d differences, got %d", len(wants), len(r.Differences))
	for _, w := range wants {
		t.Logf("want %q %q at %d: %q, %q", w.path, w.reason, w.offset, w.a, w.b)
	}
	for _, d := range r.Differences {
		t.Logf("got  %q %q at %d: %q, %q", d.Path, d.Reason, d.Offset, d.A, d.B)
	}
}

// explained compares two contents in turn as a file of two folders; both ways must find the same number of
// differences.
func explained(t testing.TB, a, b []byte) Report {
	t.Helper()
	dirs := [2]string{t.TempDir(), t.TempDir()}
	put(t, dirs[0], "f", a)
	put(t, dirs[1], "f", b)
	r := compared(t, dirs[0], dirs[1], CompareOptions{})
	if back := compared(t, dirs[1], dirs[0], CompareOptions{}); len(back.Differences) != len(r.Differences) {
		t.Errorf("%d differences one way and %d the other", len(r.Differences), len(back.Differences))
	}
	return r
}

// twoTrees makes two equal trees with all kinds of entries.
func twoTrees(t testing.TB) (a, b string) {
	t.Helper()
	make := func() string {
		dir := t.TempDir()
		put(t, dir, "bin/run", []byte("#!/bin/sh\n"))
		put(t, dir, "lib/a.txt", []byte("one\ntwo\nthree\n"))
		put(t, dir, "lib/empty", nil)
		put(t, dir, "lib-x", []byte("beside lib"))
		for _, err := range []error{
			os.Chmod(filepath.Join(dir, "bin/run"), 0o755),
			os.Symlink("../bin/run", filepath.Join(dir, "lib/link")),
			os.Link(filepath.Join(dir, "lib/a.txt"), filepath.Join(dir, "lib/b.txt")),
			os.Mkdir(filepath.Join(dir, "void"), 0o755),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	return make(), make()
}

func TestEqualTrees(t *testing.T) {
	a, b := twoTrees(t)
	r := compared(t, a, b, CompareOptions{Owner: true})
	if want := (Report{Files: 5, Folders: 3, Links: 1, Bytes: 34, Differences: []Difference{}}); !reflect.DeepEqual(r, want) {
		t.Errorf("got %+v, want %+v", r, want)
	}
	out, err := json.Marshal(r)
	if err != nil || string(out) != `{"files":5,"folders":3,"links":1,"bytes":34,"differing":0,"differences":[]}` {
		t.Errorf("%s, %v", out, err)
	}
}

func TestTreeDifferences(t *testing.T) {
	in := filepath.Join
	for _, c := range []struct {
		name  string
		fault func(dir string) error
		o     CompareOptions
		want  []want
	}{
		{"mode", func(d string) error { return os.Chmod(in(d, "bin/run"), 0o700) }, CompareOptions{},
			[]want{{"bin/run", "mode", -1, "0755", "0700"}}},
		{"set-uid", func(d string) error { return os.Chmod(in(d, "bin/run"), 0o755|os.ModeSetuid) }, CompareOptions{},
			[]want{{"bin/run", "mode", -1, "0755", "4755"}}},
		{"sticky folder", func(d string) error { return os.Chmod(in(d, "void"), 0o755|os.ModeSticky) }, CompareOptions{},
			[]want{{"void", "mode", -1, "0755", "1755"}}},
		{"missing file", func(d string) error { return os.Remove(in(d, "bin/run")) }, CompareOptions{},
			[]want{{"bin/run", "only in the first", -1, "file of 10 bytes", ""}}},
		{"further folder", func(d string) error { put(t, d, "new/x/y", nil); return nil }, CompareOptions{},
			[]want{{"new", "only in the second", -1, "", "folder, 2 entries below it"}}},
		{"last name", func(d string) error { put(t, d, "zz", nil); return nil }, CompareOptions{},
			[]want{{"zz", "only in the second", -1, "", "file of 0 bytes"}}},
		{"link target", func(d string) error { return relink(in(d, "lib/link"), "../bin/other") }, CompareOptions{},
			[]want{{"lib/link", "link target", -1, "../bin/run", "../bin/other"}}},
		{"link for a file", func(d string) error { return relink(in(d, "lib/empty"), "a.txt") }, CompareOptions{},
			[]want{{"lib/empty", "type", -1, "file", "symbolic link"}}},
		{"hard link", func(d string) error {
			put(t, d, "new", []byte("one\ntwo\nthree\n"))
			return os.Rename(in(d, "new"), in(d, "lib/b.txt"))
		}, CompareOptions{}, []want{{"lib/b.txt", "hard link", -1, "the same file as lib/a.txt", "a file of its own"}}},
		{"time", func(d string) error { return os.Chtimes(in(d, "bin/run"), noon, noon) }, CompareOptions{}, nil},
		{"owner", func(d string) error { return chown(t, in(d, "bin/run")) }, CompareOptions{}, nil},
		{"owner asked", func(d string) error { return chown(t, in(d, "bin/run")) }, CompareOptions{Owner: true},
			[]want{{"bin/run", "owner", -1, "0", "12"}, {"bin/run", "group", -1, "0", "34"}}},
		{"text", func(d string) error { put(t, d, "lib/a.txt", []byte("one\ntwo\nfour\n")); return nil }, CompareOptions{},
			[]want{{"lib/a.txt", "size", -1, "14", "13"}, {"lib/a.txt", "text line 3", 8, "three", "four"}}},
		{"emptied", func(d string) error { put(t, d, "lib/a.txt", nil); return nil }, CompareOptions{},
			[]want{{"lib/a.txt", "size", -1, "14", "0"}, {"lib/a.txt", "format", -1, "text", "empty"}, {"lib/a.txt", "bytes", 0, "6f 6e 65 0a", "(end)"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := twoTrees(t)
			if err := c.fault(b); err != nil {
				t.Fatal(err)
			}
			found(t, compared(t, a, b, c.o), c.want...)
		})
	}
}

func TestTreeTimes(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	for dir, at := range map[string]int{a: 0, b: 1} {
		then := noon.AddDate(0, 0, at)
		if err := os.Chtimes(put(t, dir, "f", nil), then, then); err != nil {
			t.Fatal(err)
		}
	}
	found(t, compared(t, a, b, CompareOptions{Times: true}), want{"f", "mtime", -1, "2023-11-14T22:13:20.123456789Z", "2023-11-15T22:13:20"})
}

func relink(name, target string) error {
	if err := os.Remove(name); err != nil {
		return err
	}
	return os.Symlink(target, name)
}

func chown(t *testing.T, name string) error {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file away")
	}
	return os.Lchown(name, 12, 34)
}

func TestNothingToCompare(t *testing.T) {
	dir, file := t.TempDir(), put(t, t.TempDir(), "f", []byte("text"))
	full, other := t.TempDir(), put(t, t.TempDir(), "g", []byte("text"))
	put(t, full, "x", nil)
	empty := put(t, t.TempDir(), "empty.tar", make([]byte, 10240))
	archive := put(t, t.TempDir(), "a.tar", tarOf(t, fileEntry("a", "1")))
	for _, c := range []struct{ a, b, want string }{
		{dir, t.TempDir(), "empty folders"},
		{full, filepath.Join(dir, "none"), "second side: "},
		{filepath.Join(dir, "none"), full, "first side: "},
		{full, full, "the same file or folder"},
		{archive, archive, "the same file or folder"},
		{full, file, "a folder and a file"},
		{file, other, "neither a .tar"},
		{archive, other, "second side: neither a .tar"},
		{empty, archive, "first side: neither a .tar"},
		{put(t, t.TempDir(), "x.tar.gz", gz(t, []byte("text"))), archive, "neither a .tar"},
		{put(t, t.TempDir(), "cut.tar", tarOf(t, fileEntry("a", strings.Repeat("a", 5000)))[:2048]), archive, "first side: members: member 1: unexpected EOF"},
	} {
		_, err := Compare(t.Context(), c.a, c.b, CompareOptions{})
		if err == nil || !strings.Contains(err.Error(), c.want) || fault.HintOf(err) == "" {
			t.Errorf("got %v with the hint %q, want %q", err, fault.HintOf(err), c.want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	a, b := twoTrees(t)
	if _, err := Compare(ctx, a, b, CompareOptions{}); fault.CodeOf(err) != fault.Cancelled {
		t.Errorf("cancelled: %v", err)
	}
}

func TestArchives(t *testing.T) {
	changed := func(name, body string, change func(*tar.Header)) entry {
		e := fileEntry(name, body)
		if change != nil {
			change(&e.Header)
		}
		return e
	}
	link := linkEntry(tar.TypeSymlink, "l", "x")
	a := tarOf(t, dirEntry("d/"), fileEntry("d/x", "one\n"), fileEntry("d/y", "y"), link)
	for _, c := range []struct {
		name string
		b    []byte
		want []want
	}{
		{"equal", a, nil},
		{"mtime", tarOf(t, dirEntry("d/"), changed("d/x", "one\n", func(h *tar.Header) { h.ModTime = noon.AddDate(1, 0, 0) }), fileEntry("d/y", "y"), link),
			[]want{{"d/x", "mtime", -1, "2023-11-14T22:13:20.123456789Z", "2024-"}}},
		{"uid", tarOf(t, dirEntry("d/"), changed("d/x", "one\n", func(h *tar.Header) { h.Uid, h.Uname = 7, "me" }), fileEntry("d/y", "y"), link),
			[]want{{"d/x", "uid", -1, "0", "7"}, {"d/x", "uname", -1, "", "me"}}},
		{"order", tarOf(t, dirEntry("d/"), fileEntry("d/y", "y"), fileEntry("d/x", "one\n"), link),
			[]want{{"a", "order of members", -1, "d/x at place 2", "d/y at place 2"}}},
		{"contents", tarOf(t, dirEntry("d/"), fileEntry("d/x", "two\n"), fileEntry("d/y", "y"), link),
			[]want{{"d/x", "text line 1", 0, "one", "two"}}},
		{"missing", tarOf(t, dirEntry("d/"), fileEntry("d/y", "y"), link), []want{{"d/x", "only in the first", -1, "", ""}}},
		{"link", tarOf(t, dirEntry("d/"), fileEntry("d/x", "one\n"), fileEntry("d/y", "y"), linkEntry(tar.TypeSymlink, "l", "z")),
			[]want{{"l", "linkname", -1, "x", "z"}}},
		{"tail", append(a[:len(a):len(a)], make([]byte, 512)...), []want{{"a", "tar bytes outside of members", int64(len(a)), "(end)", "00 00"}}},
	} {
		for kind, pack := range map[string]func(testing.TB, []byte) []byte{"tar": func(_ testing.TB, b []byte) []byte { return b }, "gz": gz, "xz": xzed} {
			if c.name == "tail" && kind != "tar" {
				continue
			}
			t.Run(c.name+" "+kind, func(t *testing.T) {
				r := compared(t, put(t, t.TempDir(), "a", pack(t, a)), put(t, t.TempDir(), "b", pack(t, c.b)), CompareOptions{})
				found(t, r, c.want...)
				if r.Files != 2 || r.Folders != 1 || r.Links != 1 || r.Bytes != 5 {
					t.Errorf("counts: %+v", r)
				}
			})
		}
	}
	r := compared(t, put(t, t.TempDir(), "a.tar.gz", gz(t, a)), put(t, t.TempDir(), "a.tar.xz", xzed(t, a)), CompareOptions{})
	found(t, r, want{"a.tar.gz", "format", -1, "gzip", "xz"})
}

func TestAndMore(t *testing.T) {
	var a, b []entry
	dirs := [2]string{t.TempDir(), t.TempDir()}
	for i := range 20 {
		name := fmt.Sprint("m", i)
		a, b = append(a, fileEntry(name, "1")), append(b, fileEntry(name, "2"))
	}
	put(t, dirs[0], "f", tarOf(t, a...))
	put(t, dirs[1], "f", tarOf(t, b...))
	r := compared(t, dirs[0], dirs[1], CompareOptions{})
	if n := len(r.Differences); n != perPath+1 || r.Differences[n-1] != (Difference{Path: "f", Reason: andMore, Offset: -1}) || r.Differing != 1 {
		t.Errorf("%d: %+v", n, r)
	}
	// Of an archive that is compared itself, every member is a path.
	r = compared(t, filepath.Join(dirs[0], "f"), filepath.Join(dirs[1], "f"), CompareOptions{})
	if len(r.Differences) != 20 || r.Differing != 20 || r.Differences[19].Path != "m19" {
		t.Errorf("%+v", r)
	}
	c := &comparer{}
	for i := range inAll + 5 {
		c.path(fmt.Sprint(i)).add("x", -1, "", "")
	}
	if n := len(c.report.Differences); n != inAll+1 || c.report.Differences[inAll].Reason != andMore || c.report.Differing != inAll+5 {
		t.Errorf("%d differences, %d paths", n, c.report.Differing)
	}
}
