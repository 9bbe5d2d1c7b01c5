package archive

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

func TestBytes(t *testing.T) {
	a := bytes.Repeat([]byte{0xfe, 0}, chunk) // more than one chunk
	b := bytes.Clone(a)
	copy(b[chunk+10:], "\x01ab")
	found(t, explained(t, a, b), want{"f", "bytes", chunk + 10, "fe 00 fe 00 fe 00 fe 00 fe 00 fe 00 fe 00 fe 00 |................|", "01 61 62 00 fe 00 fe 00 fe 00 fe 00 fe 00 fe 00 |.ab.............|"})
	found(t, explained(t, a, a[:chunk]), want{"f", "size", -1, fmt.Sprint(2 * chunk), fmt.Sprint(chunk)}, want{"f", "bytes", chunk, "fe 00", "(end)"})
	a, b = []byte("\x00\x01made on Monday\x00"), []byte("\x00\x01made on Tuesday\x00")
	found(t, explained(t, a, b), want{"f", "size", -1, "", ""}, want{"f", "bytes", 10, `in "made on Monday"`, `in "made on Tuesday"`})
	found(t, explained(t, []byte("text"), []byte("\xff\xfe")),
		want{"f", "size", -1, "", ""}, want{"f", "format", -1, "text", "bytes"}, want{"f", "bytes", 0, "74", "ff fe"})
}

func TestText(t *testing.T) {
	long := strings.Repeat("x", 300)
	for _, c := range []struct {
		a, b string
		want want
	}{
		{"a\nb\nc\n", "a\nb\nd\n", want{"f", "text line 3", 4, "c", "d"}},
		{"a\nb\n", "a\n", want{"f", "text line 2", 2, "b", "(end)"}},
		{"a\n", "a", want{"f", "text line 1", 1, "0a |.|", "(end)"}},
		{"made 2026-11-22 04:00:00 ok", "made 2026-11-23 04:00:00 ok", want{"f", "text line 1 (a date)", 14, "made 2026-11-22", "made 2026-11-23"}},
		{"at Nov 22 2026", "at Nov 23 2026", want{"f", "text line 1 (a date)", 8, "Nov 22", "Nov 23"}},
		{"\nprefix = '/tmp/a/lib'\n", "\nprefix = '/tmp/b/lib'\n", want{"f", "text line 2 (a path)", 16, "/tmp/a/lib", "/tmp/b/lib"}},
		{long + "1" + long, long + "2" + long, want{"f", "text line 1", 300, "…" + long[:50] + "1" + long[:69] + "…", "…" + long[:50] + "2" + long[:69] + "…"}},
		{"grün", "grán", want{"f", "text line 1", 3, "grün", "grán"}},
		{"a\x1b[31mb", "a\x1b[31mc", want{"f", "text line 1", 6, `"a\x1b[31mb"`, `"a\x1b[31mc"`}},
	} {
		r := explained(t, []byte(c.a), []byte(c.b))
		if len(r.Differences) == 2 && len(c.a) != len(c.b) {
			r.Differences = r.Differences[1:] // the size
		}
		found(t, r, c.want)
	}
	for body, text := range map[string]bool{
		strings.Repeat("ü", 64<<10): true, "x" + strings.Repeat("ü", 64<<10): true, "xx" + strings.Repeat("€", 64<<10): true,
		strings.Repeat("ü", 64<<10) + "\xc3": false, strings.Repeat("x", 64<<10) + "\x00": false, strings.Repeat("\xbf", 70<<10): false,
	} {
		if isText(io.NewSectionReader(strings.NewReader(body), 0, int64(len(body)))) != text {
			t.Errorf("%.10q...: text is not %v", body, text)
		}
	}
}

func TestPyc(t *testing.T) {
	pyc := func(magic uint16, flags, x, y uint32, code string) []byte {
		b := append(binary.LittleEndian.AppendUint16(nil, magic), "\r\n"...)
		for _, n := range []uint32{flags, x, y} {
			b = binary.LittleEndian.AppendUint32(b, n)
		}
		return append(b, code...)
	}
	a := pyc(3571, 0, 1_700_000_000, 100, "\xe3code")
	found(t, explained(t, a, pyc(3572, 0, 1_700_000_000, 100, "\xe3code")), want{"f", "pyc magic number", -1, "3571", "3572"})
	found(t, explained(t, a, pyc(3571, 0, 1_700_000_001, 100, "\xe3code")), want{"f", "pyc time stamp", -1, "2023-11-14T22:13:20Z", "2023-11-14T22:13:21Z"})
	found(t, explained(t, a, pyc(3571, 0, 1_700_000_000, 101, "\xe3code")), want{"f", "pyc source size", -1, "100", "101"})
	found(t, explained(t, a, pyc(3571, 0, 1_700_000_000, 100, "\xe3cope")), want{"f", "pyc code", 3, "64 65", "70 65"})
	found(t, explained(t, a, pyc(3571, 3, 1_700_000_000, 100, "\xe3code")), want{"f", "pyc flags", -1, "0 (time stamp)", "3 (checked hash)"})
	found(t, explained(t, pyc(3571, 1, 1, 2, "x"), pyc(3571, 3, 1, 3, "x")),
		want{"f", "pyc flags", -1, "1 (unchecked hash)", "3 (checked hash)"}, want{"f", "pyc source hash", -1, "0100000002000000", "0100000003000000"})
}

// arOf makes an ar archive; each member is a header of 58 bytes and its contents.
func arOf(magic string, members ...[2]string) []byte {
	b := bytes.NewBufferString(magic)
	for _, m := range members {
		b.WriteString(m[0] + "`\n" + m[1])
		if len(m[1])%2 == 1 {
			b.WriteByte('\n')
		}
	}
	return b.Bytes()
}

func arMember(name string, time, uid, mode int, body string) [2]string {
	return [2]string{fmt.Sprintf("%-16s%-12d%-6d%-6d%-8o%-10d", name, time, uid, 0, mode, len(body)), body}
}

func TestAr(t *testing.T) {
	foo := func(time, uid, mode int) [2]string { return arMember("foo.o/", time, uid, mode, "foo\n") }
	bar := arMember("bar.o/", 0, 0, 0o644, "bar\n")
	a := arOf(arMagic, foo(0, 0, 0o644), bar)
	found(t, explained(t, a, arOf(arMagic, foo(1_700_000_000, 0, 0o644), bar)), want{"f", "ar member foo.o: time", -1, "0", "1700000000 (2023-11-14T22:13:20Z)"})
	found(t, explained(t, a, arOf(arMagic, foo(0, 1000, 0o644), bar)), want{"f", "ar member foo.o: uid", -1, "0", "1000"})
	found(t, explained(t, a, arOf(arMagic, foo(0, 0, 0o600), bar)), want{"f", "ar member foo.o: mode", -1, "644", "600"})
	found(t, explained(t, a, arOf(arMagic, bar, foo(0, 0, 0o644))), want{"f", "order of members", -1, "foo.o at place 1", "bar.o at place 1"})
	found(t, explained(t, a, arOf(arMagic, foo(0, 0, 0o644), arMember("bar.o/", 0, 0, 0o644, "baz\n"))), want{"f", "ar member bar.o: text line 1", 2, "bar", "baz"})
	found(t, explained(t, a, arOf(arMagic, foo(0, 0, 0o644), arMember("baz.o/", 0, 0, 0o644, "bar\n"))),
		want{"f", "ar member bar.o: only in the first", -1, "", ""}, want{"f", "ar member baz.o: only in the second", -1, "", ""})
	twice := arOf(arMagic, bar, bar)
	found(t, explained(t, twice, arOf(arMagic, bar, arMember("bar.o/", 5, 0, 0o644, "bar\n"))), want{"f", "ar member bar.o: time", -1, "0", "5"})
	found(t, explained(t, a, append(bytes.Clone(a[:len(a)-4]), "!"...)), want{"f", "size", -1, "", ""}, want{"f", "bytes (ar: member 2: unexpected EOF)", int64(len(a) - 4), "62", "21"})

	// The symbol index follows from the members; long names; an ELF file in it.
	long := strings.Repeat("n", 20) + ".o/\n" + strings.Repeat("m", 20) + ".o/\n"
	library := func(symbols, code string) []byte {
		object := object(binary.LittleEndian, true, func(s []testSection) []testSection { s[0].data = code; return s })
		return arOf(arMagic, arMember("/", 0, 0, 0, symbols), arMember("//", 0, 0, 0, long), arMember("/24", 0, 0, 0o644, string(object)))
	}
	found(t, explained(t, library("\x00\x00", "\x90"), library("\x00\x01", "\xcc")),
		want{"f", "ar member " + strings.Repeat("m", 20) + ".o: ELF section .text", 0, "90", "cc"}, want{"f", "ar symbol index", 1, "00", "01"})

	bsd := func(name string) []byte { return arOf(arMagic, arMember("#1/8", 0, 0, 0o644, name+"body\n")) }
	found(t, explained(t, bsd("long.o\x00\x00"), bsd("other.o\x00")), want{"f", "ar member long.o: only in the first", -1, "", ""}, want{"f", "ar member other.o: only in the second", -1, "", ""})
	thin := func(time int) []byte {
		m := arMember("/0", time, 0, 0o644, "1234567890")
		return arOf(thinMagic, arMember("//", 0, 0, 0, "dir/x.o/\n"), [2]string{m[0], ""})
	}
	found(t, explained(t, thin(0), thin(9)), want{"f", "ar member dir/x.o: time", -1, "0", "9"})
	found(t, explained(t, arOf(arMagic), arOf(thinMagic)), want{"f", "ar kind", -1, "!<arch>", "!<thin>"})
}

func gzipped(t testing.TB, h gzip.Header, level int, body []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, level)
	if err != nil {
		t.Fatal(err)
	}
	w.Header = h
	w.Write(body)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestGzip(t *testing.T) {
	body := bytes.Repeat([]byte("some text\n"), 1000)
	a := gzipped(t, gzip.Header{OS: 3}, 5, body)
	found(t, explained(t, a, gzipped(t, gzip.Header{OS: 3, ModTime: noon}, 5, body)), want{"f", "gzip header: time", -1, "none", "2023-11-14T22:13:20Z"})
	found(t, explained(t, a, gzipped(t, gzip.Header{OS: 255}, 5, body)), want{"f", "gzip header: operating system", -1, "3", "255"})
	r := explained(t, a, gzipped(t, gzip.Header{OS: 3, Name: "x.tar"}, 5, body))
	if len(r.Differences) != 3 || r.Differences[1].Reason != "gzip header: name" || r.Differences[1].B != "x.tar" || r.Differences[2].Reason != "gzip header: flags" {
		t.Errorf("%+v", r.Differences)
	}
	fast := gzipped(t, gzip.Header{OS: 3}, 2, body)
	r = explained(t, a, fast)
	if n := len(r.Differences); r.Differences[n-1].Reason != "gzip: compressed bytes only" || r.Differences[n-1].Offset < 10 {
		t.Errorf("%+v", r.Differences)
	}
	other := bytes.Replace(body, []byte("text\n"), []byte("test\n"), 1)
	found(t, explained(t, gzipped(t, gzip.Header{}, flate.NoCompression, body), gzipped(t, gzip.Header{}, flate.NoCompression, other)),
		want{"f", "gzip contents: text line 1", 7, "some text", "some test"})
	r = explained(t, a, a[:len(a)-9])
	if d := r.Differences[1]; d.Reason != "bytes (gzip: second side: unexpected EOF)" && d.Reason != "bytes (gzip: first side: unexpected EOF)" {
		t.Errorf("%+v", r.Differences)
	}
}

func TestXz(t *testing.T) {
	a, b := tarOf(t, fileEntry("x", "one")), tarOf(t, fileEntry("x", "two"))
	found(t, Report{Differences: withoutSize(explained(t, xzed(t, a), xzed(t, b)))}, want{"f", "xz contents: tar member x: text line 1", 0, "one", "two"})
	// Two streams behind each other unpack to what one does.
	split := append(xzed(t, a[:600]), xzed(t, a[600:])...)
	got := withoutSize(explained(t, xzed(t, a), split))
	if len(got) != 1 || got[0].Reason != "xz: compressed bytes only" {
		t.Errorf("%+v", got)
	}
}

// withoutSize leaves out the sizes of packed files.
func withoutSize(r Report) (list []Difference) {
	for _, d := range r.Differences {
		if d.Reason != "size" {
			list = append(list, d)
		}
	}
	return list
}

func TestTarFields(t *testing.T) {
	base := tar.Header{Name: "d/x", Typeflag: tar.TypeReg, Mode: 0o644, ModTime: noon, Size: 2, Uid: 1, Gid: 2, Uname: "u", Gname: "g", Format: tar.FormatPAX}
	for reason, c := range map[string]struct {
		change func(h *tar.Header)
		a, b   string
	}{
		"mode":               {func(h *tar.Header) { h.Mode = 0o4755 }, "0644", "4755"},
		"uid":                {func(h *tar.Header) { h.Uid = 1001 }, "1", "1001"},
		"gid":                {func(h *tar.Header) { h.Gid = 1001 }, "2", "1001"},
		"uname":              {func(h *tar.Header) { h.Uname = "me" }, "u", "me"},
		"gname":              {func(h *tar.Header) { h.Gname = "us" }, "g", "us"},
		"mtime":              {func(h *tar.Header) { h.ModTime = noon.Add(time.Microsecond) }, ".123456789Z", ".123457789Z"},
		"PAX record TLS.x":   {func(h *tar.Header) { h.PAXRecords = map[string]string{"TLS.x": "y"} }, "", "y"},
		"PAX record comment": {func(h *tar.Header) { h.PAXRecords = map[string]string{"comment": "z"} }, "", "z"},
	} {
		b := base
		c.change(&b)
		r := explained(t, tarOf(t, entry{base, "hi"}, fileEntry("z", "z")), tarOf(t, entry{b, "hi"}, fileEntry("z", "z")))
		found(t, Report{Differences: withoutSize(r)}, want{"f", "tar member d/x: " + reason, -1, c.a, c.b})
	}
	sparse := func(v string) []byte {
		b := tarOf(t, entry{Header: tar.Header{Name: "s", Typeflag: tar.TypeReg, PAXRecords: map[string]string{"TLSFLOOR.x": v}}})
		return bytes.Replace(b, []byte("TLSFLOOR.x="), []byte("GNU.sparse.="), 1)
	}
	if r := explained(t, sparse("1"), sparse("2")); !strings.HasPrefix(r.Differences[0].Reason, "bytes (tar: ") {
		t.Errorf("%+v", r)
	}
}

// zipMember is one member of a test's zip archive.
type zipMember struct {
	zip.FileHeader
	body string
}

func zipOf(t testing.TB, level int, members ...zipMember) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	w.RegisterCompressor(zip.Deflate, func(out io.Writer) (io.WriteCloser, error) { return flate.NewWriter(out, level) })
	for _, m := range members {
		h := m.FileHeader
		f, err := w.CreateHeader(&h)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(f, m.body)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestZip(t *testing.T) {
	member := func(name, body string, change func(h *zip.FileHeader)) zipMember {
		h := zip.FileHeader{Name: name, Method: zip.Deflate}
		h.SetMode(0o644)
		if change != nil {
			change(&h)
		}
		return zipMember{h, body}
	}
	body := strings.Repeat("some text\n", 500)
	x, y := member("x", body, nil), member("y", "y", nil)
	a := zipOf(t, 5, x, y)
	for reason, c := range map[string]struct {
		change func(h *zip.FileHeader)
		a, b   string
	}{
		"mode":    {func(h *zip.FileHeader) { h.SetMode(0o755) }, "0100644", "0100755"},
		"method":  {func(h *zip.FileHeader) { h.Method = zip.Store }, "8", "0"},
		"comment": {func(h *zip.FileHeader) { h.Comment = "hm" }, "", "hm"},
		"extra":   {func(h *zip.FileHeader) { h.Extra = []byte{1, 0, 0, 0} }, "", "01 00 00 00"},
	} {
		got := withoutSize(explained(t, a, zipOf(t, 5, member("x", body, c.change), y)))
		if reason == "method" {
			got = got[:1] // then the compressed bytes differ too
		}
		found(t, Report{Differences: got}, want{"f", "zip member x: " + reason, -1, c.a, c.b})
	}
	at := func(then time.Time) []byte {
		return zipOf(t, 5, member("x", body, func(h *zip.FileHeader) { h.Modified = then }), y)
	}
	got := explained(t, at(noon), at(noon.AddDate(0, 1, 0))).Differences
	if len(got) != 2 || got[0].Reason != "zip member x: time" || !strings.HasPrefix(got[0].A, "2023-11-14T22:13:20Z") || got[1].Reason != "zip member x: extra" {
		t.Errorf("%+v", got)
	}
	found(t, explained(t, a, zipOf(t, 5, y, x)), want{"f", "order of members", -1, "x at place 1", "y at place 1"})
	other := member("x", strings.Replace(body, "text", "test", 1), nil)
	found(t, Report{Differences: withoutSize(explained(t, a, zipOf(t, 5, other, y)))}, want{"f", "zip member x: text line 1", 7, "some text", "some test"})
	got = withoutSize(explained(t, a, zipOf(t, 0, x, y)))
	if len(got) != 2 || got[0].Reason != "zip member x: compressed bytes only" || got[1].Reason != "zip member y: compressed bytes only" {
		t.Errorf("%+v", got)
	}
	if r := explained(t, a, a[:len(a)-5]); r.Differences[1].Reason != "bytes (zip: no end of central directory)" {
		t.Errorf("%+v", r)
	}
}

func TestNested(t *testing.T) {
	pack := func(body string) []byte {
		b := []byte(body)
		for range nested + 2 {
			b = gz(t, b)
		}
		return b
	}
	got := withoutSize(explained(t, pack("one"), pack("two")))
	if len(got) != 1 || !strings.HasPrefix(got[0].Reason, strings.Repeat("gzip contents: ", nested+1)) || !strings.HasSuffix(got[0].Reason, "bytes") {
		t.Errorf("%+v", got)
	}
}

// TestLimits unpacks too much, which is told by the bytes that differ as they are.
func TestLimits(t *testing.T) {
	dirs := [2]string{t.TempDir(), t.TempDir()}
	body := make([]byte, 100<<10)
	rand.NewChaCha8([32]byte{}).Read(body)
	for i, dir := range dirs {
		body[90<<10] = byte(i)
		put(t, dir, "f.gz", gz(t, body))
		put(t, dir, "f.tar", tarOf(t, fileEntry("a", "1"), fileEntry("b", "1"), fileEntry("c", fmt.Sprint(i))))
		put(t, dir, "f.zip", zipOf(t, 5, zipMember{zip.FileHeader{Name: "x", Method: zip.Deflate}, string(body)}))
	}
	r := compared(t, dirs[0], dirs[1], CompareOptions{Limits: Limits{Bytes: 50 << 10, Entries: 2}})
	reasons := ""
	for _, d := range withoutSize(r) {
		reasons += d.Reason + "\n"
	}
	for _, want := range []string{"bytes (gzip: first side: unpacks to more than 51200 bytes)\n", "bytes (tar: more members than the limit", "bytes (zip: ", ": unpacks to more than 51200 bytes)"} {
		if !strings.Contains(reasons, want) {
			t.Errorf("no %q in\n%s", want, reasons)
		}
	}
}
