package fetch

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/internal/ground/event"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

func flipped(b []byte) []byte { b = bytes.Clone(b); b[len(b)/2] ^= 1; return b }

func TestStoreFirst(t *testing.T) {
	s := serve(t, status(500))
	r := newRig(t, Options{Mirrors: []string{s.URL}})
	src := source(s.URL)
	write(t, r.store.path(src.SHA256), payload)
	r.brings(t, src, "store")

	alt := newRig(t, Options{Mirrors: []string{s.URL}})
	other := source()
	other.SHA256, other.Alternatives = digest.Of([]byte("other")), []Source{src}
	write(t, alt.store.path(src.SHA256), payload)
	if got := alt.brings(t, other, "store"); got.Source.SHA256 != src.SHA256 {
		t.Error("the alternative in the store was not used")
	}
	if len(s.asked()) > 0 {
		t.Error("a place was asked for what the store had")
	}
}

func TestOrder(t *testing.T) {
	s := serve(t, status(404))
	r := newRig(t, Options{Mirrors: []string{t.TempDir(), s.URL + "/mirror"}, Apt: bases{s.URL + "/debian/", s.URL + "/debian", s.URL + "/debian-security//"}})
	src := source(s.URL+"/one//tool.tar.gz", s.URL+"/two")
	err := r.fails(t, src, fault.Failed, "fetching tool-1.0: no place has it", "neither "+src.SHA256.String()+" nor tool-1.0.tar.gz nor tool_1.0.orig.tar.gz", "answered 404 not found")
	if !strings.Contains(fault.HintOf(err), "tool-1.0.tar.gz") {
		t.Errorf("hint %q", fault.HintOf(err))
	}
	var paths []string
	for _, q := range s.asked() {
		paths = append(paths, q.Method+" "+q.URL.Path)
	}
	want := []string{"GET /mirror/" + src.SHA256.String(), "GET /mirror/tool-1.0.tar.gz", "GET /mirror/tool_1.0.orig.tar.gz",
		"GET /one/tool.tar.gz", "GET /two", "GET /debian/pool/main/t/tool/tool_1.0.orig.tar.gz", "GET /debian-security/pool/updates/main/t/tool/tool_1.0.orig.tar.gz"}
	if !slices.Equal(paths, want) {
		t.Errorf("asked\n%s\nwant\n%s", strings.Join(paths, "\n"), strings.Join(want, "\n"))
	}
	if n := strings.Count(r.said(), "note"); n != 6 {
		t.Errorf("%d notes for 6 places:\n%s", n, r.said())
	}
	if len(r.pauses) > 0 || len(r.store.partials(t)) > 0 {
		t.Error("a 404 was asked for again, or left a file")
	}
}

func TestMirrorLayouts(t *testing.T) {
	src := source()
	for _, name := range []string{src.SHA256.String(), src.File, src.AptFile} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, name), payload)
		for _, mirror := range []string{dir, "file://" + dir, "file:" + dir, "file://localhost" + dir} {
			newRig(t, Options{Mirrors: []string{mirror}, Offline: true}).brings(t, src, dir)
		}
		s := serve(t, func(w http.ResponseWriter, q *http.Request) { http.FileServer(http.Dir(dir)).ServeHTTP(w, q) })
		newRig(t, Options{Mirrors: []string{s.URL + "/"}}).brings(t, src, s.URL+"/")
	}
}

func TestMirrorUsage(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f")
	write(t, file, nil)
	for mirror, want := range map[string]string{
		"s3://bucket/x": `unknown scheme "s3"`, "ftp://host/": `unknown scheme "ftp"`, "http:///x": "without a host",
		"https://h/?checksum=file:x": "meaning of its own", "https://h/?archive=zip": "meaning of its own",
		"file://far/x": "file URL", file: "neither a folder nor a .tar file", file + "/none": "no such file or folder", filepath.Dir(file) + "/none": "no such file or folder", "http://us:s3cret%zz@h/": "not a URL",
	} {
		_, err := New(newStore(t), Options{Mirrors: []string{mirror}})
		if fault.CodeOf(err) != fault.Usage || fault.HintOf(err) == "" || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: code %d, %v, hint %q", mirror, fault.CodeOf(err), err, fault.HintOf(err))
		}
	}
}

func TestFlippedByteInFolder(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "tool-1.0.tar.gz"), flipped(payload))
	src := source()
	r := newRig(t, Options{Mirrors: []string{dir}})
	r.fails(t, src, fault.BadDigest, dir, "sha256 "+digest.Of(flipped(payload)).String(), "want "+src.SHA256.String())
	if left := r.store.partials(t); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	s := serve(t, content(payload))
	src.URLs = []string{s.URL + "/x"}
	r.brings(t, src, s.URL+"/x")
	if !strings.Contains(r.said(), "note  tool-1.0: "+dir+": sha256") {
		t.Errorf("the mirror was not named:\n%s", r.said())
	}
}

func TestFolderFaults(t *testing.T) {
	dir := t.TempDir()
	src := source()
	path := filepath.Join(dir, src.File)
	r := newRig(t, Options{Mirrors: []string{dir}})
	write(t, path, append(bytes.Clone(payload), 0))
	r.fails(t, src, fault.BadDigest, "more than the 300000 bytes")
	write(t, path, payload[:1000])
	r.fails(t, src, fault.BadDigest, "1000 bytes with sha256", "want 300000 bytes")
	os.Remove(path)
	os.Mkdir(path, 0o755)
	r.fails(t, src, fault.Failed, "not a file")
}

func TestOffline(t *testing.T) {
	s := serve(t, content(payload))
	pool := t.TempDir()
	r := newRig(t, Options{Mirrors: []string{s.URL}, Offline: true, Apt: bases{s.URL, "file:" + pool, "cdrom:[x]/"}})
	src := source(s.URL)
	err := r.fails(t, src, fault.Failed, "no such folder")
	if !strings.Contains(fault.HintOf(err), "-offline") {
		t.Errorf("hint %q", fault.HintOf(err))
	}
	dir := filepath.Join(pool, "pool/main/t/tool")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, src.AptFile), payload)
	r.brings(t, src, filepath.Join(dir, src.AptFile))
	if len(s.asked()) > 0 {
		t.Error("the network was asked")
	}
}

func TestAlternatives(t *testing.T) {
	s := serve(t, status(404), whole(flipped(payload)), content(payload))
	r := newRig(t, Options{})
	main := source(s.URL + "/gone")
	main.SHA256, main.Name = digest.Of([]byte("main")), "main-1.0"
	first, second := source(s.URL+"/wrong"), source(s.URL+"/right")
	main.Alternatives = []Source{first, second}
	got := r.brings(t, main, s.URL+"/right")
	if got.Source.Name != second.Name || got.Source.URLs[0] != second.URLs[0] {
		t.Errorf("used %+v", got.Source)
	}
}

func TestNoPin(t *testing.T) {
	src := source()
	src.Size = 0
	newRig(t, Options{}).fails(t, src, fault.Usage, "no size")
	src = source()
	src.URLs, src.AptFile = nil, ""
	newRig(t, Options{}).fails(t, src, fault.Failed, "no place to ask")
}

func TestFinishedPartial(t *testing.T) {
	s := serve(t, content(payload))
	src := source(s.URL + "/x")
	r := newRig(t, Options{})
	r.store.plant(t, src, payload)
	r.brings(t, src, "a download that an earlier run finished")
	if len(s.asked()) > 0 {
		t.Error("asked for what was there")
	}
	for _, junk := range [][]byte{flipped(payload), append(bytes.Clone(payload), 1), []byte("<html>")} {
		r := newRig(t, Options{})
		r.store.plant(t, src, junk)
		r.brings(t, src, s.URL+"/x")
	}
}

func TestTwoProcesses(t *testing.T) {
	started, waiting := make(chan bool), make(chan bool)
	s := serve(t, func(w http.ResponseWriter, q *http.Request) { close(started); <-waiting; w.Write(payload) })
	src := source(s.URL + "/x")
	r := newRig(t, Options{})
	second := r.another(t, Options{Sink: func(e event.Event) {
		if strings.Contains(e.Text, "waiting for another process") {
			close(waiting)
		}
	}})
	second.sleep = pause
	done := make(chan error)
	go func() { _, err := r.Fetch(t.Context(), src); done <- err }()
	<-started
	got, err := second.Fetch(t.Context(), src)
	if err := errors.Join(err, <-done); err != nil {
		t.Fatal(err)
	}
	if n := len(s.asked()); n != 1 || got.From != "store" {
		t.Errorf("%d downloads, the second from %q", n, got.From)
	}
}

// TestTake has a holder take the file away between another's opening and locking it, as an import does.
func TestTake(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	open := func() *os.File {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	first, late, second := open(), open(), open()
	if ok, err := take(first, path); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if ok, err := take(second, path); ok || !errors.Is(err, syscall.EWOULDBLOCK) {
		t.Errorf("two have it: %v, %v", ok, err)
	}
	(&partial{path, first}).release() // empty, so it goes
	if ok, err := take(late, path); ok || err != nil {
		t.Errorf("a lock of nothing: %v, %v", ok, err)
	}
	if ok, err := take(open(), path); !ok || err != nil {
		t.Errorf("free, but: %v, %v", ok, err)
	}
}

func TestWaitIsCancelled(t *testing.T) {
	r := newRig(t, Options{})
	src := source()
	p, err := r.lockPartial(t.Context(), src)
	if err != nil {
		t.Fatal(err)
	}
	defer p.release()
	ctx, cancel := context.WithCancel(t.Context())
	f := r.another(t, Options{Sink: func(event.Event) { cancel() }})
	if _, err := f.Fetch(ctx, src); fault.CodeOf(err) != fault.Cancelled {
		t.Errorf("got %v", err)
	}
}

func TestCancelKeepsPartial(t *testing.T) {
	s := serve(t, half(payload, 200_000, func(q *http.Request) { <-q.Context().Done() }))
	src := source(s.URL + "/x")
	ctx, cancel := context.WithCancel(t.Context())
	r := newRig(t, Options{Sink: counted(1, cancel)})
	_, err := r.Fetch(ctx, src)
	if fault.CodeOf(err) != fault.Cancelled || !strings.Contains(err.Error(), "fetching tool-1.0") {
		t.Errorf("got %v", err)
	}
	if left := r.store.partials(t); !slices.Equal(left, []string{src.SHA256.String() + ".partial"}) {
		t.Errorf("left: %v", left)
	}
	if len(s.asked()) != 1 {
		t.Error("asked again after the cancel")
	}
}

func TestDiskFull(t *testing.T) {
	s := serve(t, content(payload))
	dir := t.TempDir()
	src := source(s.URL+"/x", s.URL+"/y")
	write(t, filepath.Join(dir, src.File), payload)
	for _, o := range []Options{{}, {Mirrors: []string{dir}}} {
		r := newRig(t, o)
		partial := filepath.Join(r.store.Partial(), src.SHA256.String()+".partial")
		if err := os.Symlink("/dev/full", partial); err != nil {
			t.Fatal(err)
		}
		err := r.fails(t, src, fault.Failed, "no space left on device", r.store.Partial())
		if !strings.Contains(fault.HintOf(err), "free some space") {
			t.Errorf("hint %q", fault.HintOf(err))
		}
		if left := r.store.partials(t); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	}
	if len(s.asked()) != 1 {
		t.Errorf("%d requests: a full disk is full for all places", len(s.asked()))
	}
}

func TestUnwritableStore(t *testing.T) {
	r := newRig(t, Options{})
	os.Remove(r.store.Partial())
	r.fails(t, source(), fault.Failed, r.store.Partial())
}

func TestKinds(t *testing.T) {
	for file, magic := range map[string]string{"a.tar.gz": "\x1f\x8b", "a.tgz": "\x1f\x8b", "a.tar.xz": "\xfd7zXZ\x00", "a.tar.bz2": "BZh9", "a.tar.zst": "\x28\xb5\x2f\xfd"} {
		path := filepath.Join(t.TempDir(), "x")
		write(t, path, []byte(magic+"more"))
		if err := kindOf(file).check(path); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		write(t, path, []byte("PK\x03\x04"))
		if err := kindOf(file).check(path); !isBad(err) || !strings.Contains(err.Error(), "50 4b 03 04") {
			t.Errorf("%s: %v", file, err)
		}
	}
	if kindOf("certdata.txt") != nil {
		t.Error("a kind for a text")
	}
}
