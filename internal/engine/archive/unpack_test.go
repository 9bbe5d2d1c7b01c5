package archive

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ulikunitz/xz"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

var noon = time.Unix(1_700_000_000, 123_456_789)

// entry is one entry of a test's archive; body is a file's.
type entry struct {
	tar.Header
	body string
}

func dirEntry(name string) entry {
	return entry{Header: tar.Header{Name: name, Typeflag: tar.TypeDir, Mode: 0o700, ModTime: noon.Add(time.Hour)}}
}

func fileEntry(name, body string) entry {
	return entry{tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o640, ModTime: noon, Size: int64(len(body))}, body}
}

func linkEntry(kind byte, name, target string) entry {
	return entry{Header: tar.Header{Name: name, Typeflag: kind, Linkname: target, ModTime: noon}}
}

func tarOf(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		h := e.Header
		if h.Format == tar.FormatUnknown && h.Typeflag != tar.TypeXGlobalHeader {
			h.Format = tar.FormatPAX
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gz(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	w.Write(b)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func xzed(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := xz.NewWriter(&out)
	if err != nil {
		t.Fatal(err)
	}
	w.Write(b)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// good is an archive with all that a real one has; its large file has size bytes.
func good(t testing.TB, size int) []byte {
	setuid := fileEntry("top/bin/run", "#!/bin/sh\n")
	setuid.Mode = 0o6711
	git := entry{Header: tar.Header{Name: "pax_global_header", Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": "0123"}}}
	gnu := fileEntry("top/"+strings.Repeat("long/", 40)+"g", "gnu")
	gnu.Format, gnu.ModTime = tar.FormatGNU, noon.Truncate(time.Second)
	return tarOf(t, git, dirEntry("top/"), dirEntry("top/bin"), setuid,
		fileEntry("./top/lib/a", strings.Repeat("a", size)), fileEntry("top/lib/empty", ""), gnu,
		fileEntry("top/"+strings.Repeat("p", 200)+"/f", "pax"),
		linkEntry(tar.TypeSymlink, "top/lib/up", "../bin/run"), linkEntry(tar.TypeSymlink, "top/here", "."),
		linkEntry(tar.TypeLink, "top/lib/hard", "top/bin/run"), dirEntry("top/lib"))
}

func TestUnpackTree(t *testing.T) {
	old := syscall.Umask(0o077) // modes must not depend on it
	defer syscall.Umask(old)
	for name, pack := range map[string]func(testing.TB, []byte) []byte{
		"tar": func(_ testing.TB, b []byte) []byte { return b }, "gz": gz, "xz": xzed,
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "out")
			if err := Unpack(t.Context(), bytes.NewReader(pack(t, good(t, 3*chunk))), dir, Options{Strip: 1}); err != nil {
				t.Fatal(err)
			}
			checkGood(t, dir)
			alone(t, dir)
		})
	}
}

func checkGood(t *testing.T, dir string) {
	t.Helper()
	for _, want := range []struct {
		name string
		mode fs.FileMode
		size int64
		time time.Time
	}{
		{".", fs.ModeDir | 0o755, -1, noon.Add(time.Hour)},
		{"bin", fs.ModeDir | 0o755, -1, noon.Add(time.Hour)},
		{"lib", fs.ModeDir | 0o755, -1, noon.Add(time.Hour)},
		{"bin/run", 0o755, 10, noon},
		{"lib/hard", 0o755, 10, noon},
		{"lib/a", 0o644, 3 * chunk, noon},
		{"lib/empty", 0o644, 0, noon},
		{strings.Repeat("long/", 40) + "g", 0o644, 3, noon.Truncate(time.Second)},
		{strings.Repeat("p", 200) + "/f", 0o644, 3, noon},
	} {
		info, err := os.Lstat(filepath.Join(dir, want.name))
		if err != nil {
			t.Error(err)
			continue
		}
		if info.Mode() != want.mode || want.size >= 0 && info.Size() != want.size || !info.ModTime().Equal(want.time) {
			t.Errorf("%s: %v, %d bytes, %v; want %v, %d bytes, %v", want.name, info.Mode(), info.Size(), info.ModTime(), want.mode, want.size, want.time)
		}
	}
	if target, err := os.Readlink(filepath.Join(dir, "lib/up")); err != nil || target != "../bin/run" {
		t.Errorf("lib/up leads to %q, %v", target, err)
	}
}

// alone fails when anything but dir stands in its parent; with dir absent, when anything at all does.
func alone(t testing.TB, dir string) {
	t.Helper()
	list, err := os.ReadDir(filepath.Dir(dir))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		if e.Name() != filepath.Base(dir) {
			t.Errorf("left behind: %s", e.Name())
		}
	}
}

// refusal is an archive that must be refused, and why.
type refusal struct {
	name    string
	entries []entry
	o       Options
	want    string
}

func refusals() []refusal {
	sparse := fileEntry("s", "")
	sparse.PAXRecords = map[string]string{"TLSFLOOR.x": "1"} // renamed below: the writer refuses to write sparse files
	device := entry{Header: tar.Header{Name: "dev", Typeflag: tar.TypeChar, Devmajor: 1, Devminor: 3}}
	in := linkEntry(tar.TypeSymlink, "in", "d")
	return []refusal{
		{"up", []entry{fileEntry("../x", "")}, Options{}, `entry "../x": a name with ".."`},
		{"up inside", []entry{fileEntry("a/../b", "")}, Options{}, `a name with ".."`},
		{"absolute", []entry{fileEntry("/etc/x", "")}, Options{}, `entry "/etc/x": an absolute name`},
		{"absolute folder", []entry{dirEntry("/etc")}, Options{}, "an absolute name"},
		{"link out", []entry{linkEntry(tar.TypeSymlink, "a/l", "../../x")}, Options{}, `entry "a/l": a link to "../../x", outside`},
		{"link to the parent", []entry{linkEntry(tar.TypeSymlink, "l", "..")}, Options{}, "outside"},
		{"stripped link out", []entry{linkEntry(tar.TypeSymlink, "top/l", "../x")}, Options{Strip: 1}, "outside"},
		{"absolute link", []entry{linkEntry(tar.TypeSymlink, "l", "/etc/passwd")}, Options{}, "absolute"},
		{"empty link", []entry{linkEntry(tar.TypeSymlink, "l", "")}, Options{}, "a link to nothing"},
		{"chain of links", []entry{dirEntry("d/e"), linkEntry(tar.TypeSymlink, "d/e/r", "../.."), linkEntry(tar.TypeSymlink, "l", "d/e/r/../x")}, Options{}, "behind a name"},
		{"through a link", []entry{dirEntry("d"), in, fileEntry("in/x", "")}, Options{}, `entry "in/x": below "in", which is not a folder`},
		{"link then folder", []entry{dirEntry("d"), in, dirEntry("in")}, Options{}, "not a folder"},
		{"below a file", []entry{fileEntry("f", ""), fileEntry("f/x", "")}, Options{}, "not a folder"},
		{"hard link out", []entry{linkEntry(tar.TypeLink, "l", "../x")}, Options{}, `a name with ".."`},
		{"hard link to nothing", []entry{linkEntry(tar.TypeLink, "l", "x")}, Options{}, "no file before it"},
		{"hard link to a link", []entry{dirEntry("d"), in, linkEntry(tar.TypeLink, "l", "in")}, Options{}, "no file before it"},
		{"hard link absolute", []entry{linkEntry(tar.TypeLink, "l", "/etc/passwd")}, Options{}, "absolute"},
		{"device", []entry{device}, Options{}, `entry "dev": type`},
		{"fifo", []entry{{Header: tar.Header{Name: "p", Typeflag: tar.TypeFifo}}}, Options{}, `entry "p": type`},
		{"twice", []entry{fileEntry("a", "1"), fileEntry("./a", "2")}, Options{}, "a second entry"},
		{"file then link", []entry{fileEntry("a", "1"), linkEntry(tar.TypeSymlink, "a", "b")}, Options{}, "a second entry"},
		{"folder then file", []entry{dirEntry("a"), fileEntry("a", "")}, Options{}, "a second entry"},
		{"two tops", []entry{fileEntry("a/x", ""), fileEntry("b/x", "")}, Options{Strip: 1}, `entry "b/x": outside of the top folder "a"`},
		{"file as top", []entry{fileEntry("a", "")}, Options{Strip: 1}, "in the place of the top folder"},
		{"root as link", []entry{linkEntry(tar.TypeSymlink, "./", "x")}, Options{}, "in the place of the top folder"},
		{"many", []entry{fileEntry("a", ""), fileEntry("b", ""), fileEntry("c", "")}, Options{Limits: Limits{Entries: 2}}, `entry "c": more than 2 entries`},
		{"large", []entry{fileEntry("a", strings.Repeat("x", 5000))}, Options{Limits: Limits{Bytes: 4096}}, `entry "a": the files would take more than 4096 bytes`},
		{"large in headers", []entry{dirEntry("a"), dirEntry("b"), dirEntry("c")}, Options{Limits: Limits{Bytes: 4096}}, "unpacks to more than 4096 bytes"},
		{"long name", []entry{fileEntry(strings.Repeat("n", 101), "")}, Options{Limits: Limits{Name: 100}}, "a name of 101 bytes"},
		{"long target", []entry{linkEntry(tar.TypeSymlink, "l", strings.Repeat("n", 101))}, Options{Limits: Limits{Name: 100}}, "a link target of 101 bytes"},
		{"name beyond the file system", []entry{fileEntry(strings.Repeat("n", 300), "")}, Options{}, "file name too long"},
		{"sparse", []entry{sparse}, Options{}, "a sparse file"},
		{"empty", nil, Options{}, "no entry"},
		{"only a top", []entry{dirEntry(".")}, Options{Strip: 1}, "no entry below a top folder"},
	}
}

func TestRefusals(t *testing.T) {
	for _, c := range refusals() {
		t.Run(c.name, func(t *testing.T) {
			b := tarOf(t, c.entries...)
			if c.name == "sparse" {
				b = bytes.Replace(b, []byte("TLSFLOOR.x"), []byte("GNU.sparse"), 1)
				b = bytes.Replace(b, []byte("GNU.sparse=1\n"), []byte("GNU.sparse.=\n"), 1)
			}
			if c.name == "empty" {
				b = gz(t, b)
			}
			refused(t, b, c.o, c.want)
		})
	}
}

// refused unpacks b and fails unless that ends in an error with want, its code and hint, and leaves nothing.
func refused(t *testing.T, b []byte, o Options, want string) {
	t.Helper()
	o.Name = "evil-1.0"
	dir := filepath.Join(t.TempDir(), "out")
	err := Unpack(t.Context(), bytes.NewReader(b), dir, o)
	if err == nil {
		t.Fatal("not refused")
	}
	if !strings.HasPrefix(err.Error(), "unpacking evil-1.0: ") || !strings.Contains(err.Error(), want) {
		t.Errorf("got %q, want %q in it", err, want)
	}
	if fault.CodeOf(err) != fault.Failed || fault.HintOf(err) == "" {
		t.Errorf("code %d, hint %q", fault.CodeOf(err), fault.HintOf(err))
	}
	if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder is there: %v", err)
	}
	alone(t, dir)
}

func TestDamaged(t *testing.T) {
	body := make([]byte, 4*chunk)
	rand.NewChaCha8([32]byte{1}).Read(body)
	raw := tarOf(t, fileEntry("first", "1"), fileEntry("big", string(body)))
	flip := func(b []byte, i int) []byte { b = bytes.Clone(b); b[i] ^= 1; return b }
	g, x := gz(t, raw), xzed(t, raw)
	for name, b := range map[string][]byte{
		"truncated tar": raw[:len(raw)/2], "truncated gz": g[:len(g)/2], "truncated xz": x[:len(x)/2],
		"gz without its trailer": g[:len(g)-4], "xz without its footer": x[:len(x)-4],
		"flipped gz checksum": flip(g, len(g)-6), "flipped xz": flip(x, len(x)/2), "flipped xz header": flip(x, 8),
		"text": []byte("<html>not found</html>"), "nothing": nil, "gz of text": gz(t, bytes.Repeat([]byte("text"), 600)),
	} {
		t.Run(name, func(t *testing.T) { refused(t, b, Options{}, "") })
	}
	refused(t, raw[:len(raw)/2], Options{}, `entry "big": unexpected EOF`)
}

func TestBomb(t *testing.T) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	tw := tar.NewWriter(w)
	tw.WriteHeader(&tar.Header{Name: "bomb", Typeflag: tar.TypeReg, Size: 1 << 30})
	zeros := make([]byte, 1<<20)
	for range 80 {
		tw.Write(zeros)
	}
	w.Close()
	refused(t, b.Bytes(), Options{}, `entry "bomb": `)
	refused(t, b.Bytes(), Options{}, "over 200 times as many")
	refused(t, b.Bytes(), Options{Limits: Limits{Bytes: 1 << 20}}, "more than 1048576 bytes")

	tail := gz(t, append(tarOf(t, fileEntry("a", "")), make([]byte, 70<<20)...))
	refused(t, tail, Options{}, "over 200 times as many") // zeros behind the archive's end count as well
}

func TestTarget(t *testing.T) {
	b := tarOf(t, fileEntry("a", "1"))
	dir := t.TempDir() // there and empty: taken
	if err := Unpack(t.Context(), bytes.NewReader(b), dir, Options{}); err != nil {
		t.Fatal(err)
	}
	err := Unpack(t.Context(), bytes.NewReader(b), dir, Options{})
	if err == nil || !strings.Contains(err.Error(), "not empty") || fault.HintOf(err) == "" {
		t.Errorf("a full folder: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "a")); err != nil {
		t.Error("what was there is gone")
	}
	err = Unpack(t.Context(), bytes.NewReader(b), filepath.Join(dir, "none", "x"), Options{})
	if err == nil || fault.HintOf(err) == "" {
		t.Errorf("no parent: %v", err)
	}
}

// cancelling cancels its context once a number of bytes were read.
type cancelling struct {
	r      io.Reader
	left   int
	cancel context.CancelFunc
}

func (c *cancelling) Read(p []byte) (int, error) {
	n, err := c.r.Read(p[:min(len(p), 1<<16)])
	if c.left -= n; c.left <= 0 {
		c.cancel()
	}
	return n, err
}

func TestCancel(t *testing.T) {
	b := tarOf(t, fileEntry("a", strings.Repeat("a", 20<<20)), fileEntry("b", ""))
	for _, after := range []int{1, 8 << 20} {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		dir := filepath.Join(t.TempDir(), "out")
		r := &cancelling{bytes.NewReader(b), after, cancel}
		err := Unpack(ctx, r, dir, Options{})
		if fault.CodeOf(err) != fault.Cancelled {
			t.Errorf("got %v, code %d", err, fault.CodeOf(err))
		}
		if r.left < -(after + 8<<20) {
			t.Errorf("%d bytes read after the cancel", -r.left)
		}
		alone(t, dir+"-none")
	}
}

func TestReadError(t *testing.T) {
	broken := io.MultiReader(bytes.NewReader(good(t, chunk)[:4096]), failing{})
	dir := filepath.Join(t.TempDir(), "out")
	err := Unpack(t.Context(), broken, dir, Options{})
	if !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), "reading the archive") {
		t.Errorf("got %v", err)
	}
	alone(t, dir+"-none")
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, syscall.EIO }

func TestDiskFull(t *testing.T) {
	wrapped := full(at("entry", &fs.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}))
	if !strings.Contains(fault.HintOf(wrapped), "free some space") {
		t.Errorf("hint %q", fault.HintOf(wrapped))
	}
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=256k"); err != nil {
		t.Skipf("a small disk needs a mount: %v", err)
	}
	defer syscall.Unmount(disk, syscall.MNT_DETACH)
	dir := filepath.Join(disk, "out")
	err := Unpack(t.Context(), bytes.NewReader(tarOf(t, fileEntry("a", strings.Repeat("a", 1<<20)))), dir, Options{})
	if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(fault.HintOf(err), "free some space") {
		t.Errorf("got %v, hint %q", err, fault.HintOf(err))
	}
	alone(t, dir+"-none")
}
