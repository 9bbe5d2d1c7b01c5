package audit

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// zipped makes a zip archive of names and texts.
func zipped(t testing.TB, files ...string) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		w, err := z.Create(files[i])
		if err == nil {
			_, err = io.WriteString(w, files[i+1])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func tarred(t testing.TB, files ...string) string {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		err := w.WriteHeader(&tar.Header{Name: files[i], Mode: 0o644, Size: int64(len(files[i+1])),
			Format: tar.FormatUSTAR})
		if err == nil {
			_, err = io.WriteString(w, files[i+1])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	w.Close()
	return b.String()
}

// ofKind gives a tar's first member another kind.
func ofKind(text string, kind byte) string {
	b := []byte(text)
	b[156] = kind
	return sealed(b)
}

// seventh is a tar of the oldest form, which has no mark.
func seventh(t testing.TB, files ...string) string {
	b := []byte(tarred(t, files...))
	clear(b[257:512])
	b[156] = 0
	return sealed(b)
}

// sealed writes the sum of a tar's first header.
func sealed(b []byte) string {
	copy(b[148:], "        ")
	sum := 0
	for _, c := range b[:512] {
		sum += int(c)
	}
	copy(b[148:], fmt.Sprintf("%06o\x00 ", sum))
	return string(b)
}

// otherList is a zip of which the end record names the place of another list than the one that ends at it.
func otherList(t testing.TB) string {
	good, evil := zipped(t, "a.class", noise(9000)), []byte(zipped(t, "b.class", weak))
	good = good[:len(good)-22] // its end record
	list := bytes.Index(evil, []byte(zipEntry))
	before := strings.Index(good, zipEntry)
	// Places are given as if the second began before its beginning.
	gone := uint32(len(good) + list - before)
	binary.LittleEndian.PutUint32(evil[list+42:], uint32(len(good))-gone)
	binary.LittleEndian.PutUint32(evil[len(evil)-6:], uint32(before))
	return good + string(evil)
}

func gzipped(t testing.TB, text string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	io.WriteString(z, text)
	z.Close()
	return b.String()
}

func deflated(text string) string {
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	io.WriteString(z, text)
	z.Close()
	return b.String()
}

// asar makes an archive of Electron's.
func asar(header, data string) string {
	for len(header)%4 != 0 {
		header += " "
	}
	n := uint32(len(header))
	return string(binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(
		binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, 4), n+8), n+4), n)) + header +
		data
}

// pyInstaller makes an archive of PyInstaller's with one compressed member.
func pyInstaller(name, text string) string {
	body, kind := deflated(text), byte('b')
	if strings.HasSuffix(name, ".pyz") {
		body, kind = text, 'z' // its modules are compressed each
	}
	entry := binary.BigEndian.AppendUint32(nil, uint32(18+len(name)+1))
	for _, n := range []int{0, len(body), len(text)} {
		entry = binary.BigEndian.AppendUint32(entry, uint32(n))
	}
	entry = append(append(entry, 1, kind), name+"\x00"...)
	total := len(body) + len(entry) + 88
	cookie := []byte(cookieMagic)
	for _, n := range []int{total, len(body), len(entry), 313} {
		cookie = binary.BigEndian.AppendUint32(cookie, uint32(n))
	}
	return body + string(entry) + string(cookie) + strings.Repeat("\x00", 64)
}

// tiny is the smallest ELF program: a header without anything behind it.
func tiny() string {
	h := make([]byte, headerSize)
	copy(h, "\x7fELF\x02\x01\x01")
	h[0x10], h[0x12], h[0x14], h[0x34], h[0x36] = 2, 0x3e, 1, 64, 56
	return string(h)
}

// Whatever a stack is packed in, it is found; the name says where.
func TestArchives(t *testing.T) {
	whl := zipped(t, "p/a.class", weak, "p/x.txt", "text")
	for name, test := range map[string]struct{ file, text, want string }{
		"wheel":                      {"p.whl", whl, "p.whl"},
		"jar in a war":               {"p.war", zipped(t, "WEB-INF/lib/p.jar", whl), "p.war!WEB-INF/lib/p.jar"},
		"zip without a known name":   {"blob", whl, "blob"},
		"jmod":                       {"p.jmod", "JM\x01\x00" + whl, "p.jmod"},
		"zipapp":                     {"tool", "#!/usr/bin/env nothing\n" + whl, "tool"},
		"tar":                        {"p.tar", tarred(t, "p/a.class", "x", "p.whl", whl), "p.tar!p.whl"},
		"tar of the seventh edition": {"p", seventh(t, "p.whl", whl), "p!p.whl"},
		"a tar's file of a kind that nobody knows": {"p.tgz", gzipped(t, ofKind(tarred(t, "p.whl", whl), 'Z')),
			"p.tgz!p.whl"},
		"a tar's file that stands in one piece": {"p.tar", ofKind(tarred(t, "p.whl", whl), '7'), "p.tar!p.whl"},
		"a zip behind a byte":                   {"lib", "A" + whl, "lib"},
		"a zip behind another's list":           {"two", otherList(t), "two"},
		"tar.gz":                                {"p.tgz", gzipped(t, tarred(t, "p.whl", whl)), "p.tgz!p.whl"},
		"one file in gzip":                      {"p.jar.gz", gzipped(t, whl), "p.jar.gz!p.jar"},
		"asar": {"app.asar",
			asar(`{"files":{"a":{"files":{"p.whl":{"size":`+fmt.Sprint(len(whl))+`,"offset":"3"}}}}}`,
				"xyz"+whl), "app.asar!a/p.whl"},
		"zip behind a program": {"tool", tiny() + whl, "tool"},
		"tar behind a program": {"tool", tiny() + strings.Repeat("\x00", 100) + gzipped(t,
			tarred(t, "p.whl", whl, "noise", noise(9000))), "tool!behind!p.whl"},
		"PyInstaller": {"tool", tiny() + pyInstaller("p.jar", whl), "tool!p.jar"},
		"modules of PyInstaller's": {"tool", tiny() + pyInstaller("PYZ.pyz",
			"PYZ\x00cookie of 17..."[:17]+deflated("nothing")+deflated("class "+bare(
				"TLSRecord|Layer"))+"table"), "tool!PYZ.pyz"},
		"self-extracting script": {"x.run", "#!/bin/sh\ntail -n +3 \"$0\" | tar xz\n" + gzipped(t,
			tarred(t, "p.whl", whl, "noise", noise(9000))), "x.run!behind!p.whl"},
		"deb": {"p.deb", deb(gzipped(t, tarred(t, "./usr/share/p.jar", whl))),
			"p.deb!usr/share/p.jar"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, filepath.Join(dir, test.file), test.text)
			r, err := Tree(t.Context(), dir)
			if err != nil || len(r.Stacks) != 1 || r.Stacks[0].Verdict != Below ||
				r.Stacks[0].File != filepath.Join(dir, test.want) || r.Archives == 0 ||
				(len(r.Gaps) > 0) != (test.file == "two") {
				t.Fatalf("%v, %+v", err, r)
			}
		})
	}
}

// noise is text that no compressor makes small.
func noise(n int) string {
	b, x := make([]byte, n), uint64(88172645463325252)
	for i := range b {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		b[i] = byte(x)
	}
	return string(b)
}

func deb(data string) string {
	out := arMagic
	for _, m := range [][2]string{{"debian-binary", "2.0\n"}, {"control.tar.gz", ""}, {"data.tar.gz", data}} {
		out += fmt.Sprintf("%-16s%-12d%-6d%-6d%-8o%-10d`\n%s", m[0], 0, 0, 0, 0o644, len(m[1]), m[1])
		if len(m[1])%2 == 1 {
			out += "\n"
		}
	}
	return out
}

// What is not looked into is a gap with its reason, and never holds.
func TestGaps(t *testing.T) {
	deep := zipped(t, "a.class", weak)
	for range maxDepth {
		deep = zipped(t, "p.zip", deep)
	}
	secret := []byte(zipped(t, "a.class", weak))
	secret[6] |= 1                                           // of the local header
	secret[bytes.Index(secret, []byte("PK\x01\x02"))+8] |= 1 // and of the directory
	method := []byte(zipped(t, "a.class", weak))
	method[bytes.Index(method, []byte("PK\x01\x02"))+10] = 93
	dumped := tiny()[:0x10] + "\x04" + tiny()[0x11:]
	for name, test := range map[string]struct {
		file, text string
		want       Reason
	}{
		"UPX": {"tool", tiny() + "UPX" + "!" + noise(200), Packed},
		"AppImage": {"tool", tiny()[:8] + "AI\x02" + tiny()[11:] + "hsqs" + noise(9000),
			Format},
		"squashfs":                 {"p.sqfs", "hsqs" + noise(100), Format},
		"squashfs behind":          {"tool", tiny() + "hsqs" + noise(9000), Format},
		"unknown behind a program": {"tool", tiny() + noise(9000), Format},
		"unknown behind a script":  {"tool", "#!/bin/sh\nexit\n\x00" + noise(9000), Format},
		"7z":                       {"p.7z", "7z\xbc\xaf\x27\x1c" + noise(100), Format},
		"a core dump behind":       {"tool", tiny() + dumped + noise(9000), Format},
		"a core dump":              {"core", dumped, Format},
		"an ISO image":             {"a.bin", strings.Repeat("\x00", 32768) + "\x01CD001\x01", Format},
		"an image of ext4":         {"disk.bin", ext4(), Format},
		"VMDK":                     {"disk.bin", "KDMV\x01" + noise(9000), Format},
		"compress":                 {"p.tar.Z", "\x1f\x9d\x90" + noise(9000), Format},
		"rpm":                      {"p.rpm", "\xed\xab\xee\xdb" + noise(100), Format},
		"too deep":                 {"p.zip", deep, TooDeep},
		"encrypted":                {"p.zip", string(secret), Encrypted},
		"a method of zip's":        {"p.zip", string(method), Format},
		"a damaged zip":            {"p.whl", zipped(t, "a.class", weak)[:60], Unreadable},
		"a damaged program":        {"tool", tiny()[:40], Unreadable},
		"a bomb":                   {"p.tgz", bomb(t), TooBig},
		"modules of PyInstaller's that are encrypted": {"tool", tiny() + pyInstaller("PYZ.pyz",
			"PYZ\x00"+noise(900)), Encrypted},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, filepath.Join(dir, test.file), test.text)
			r, err := Tree(t.Context(), dir)
			if err != nil || r.Worst() != Unknown || !slices.ContainsFunc(r.Gaps,
				func(g Gap) bool {
					return g.Reason == test.want && g.Text != "" && strings.Contains(g.File,
						dir)
				}) {
				t.Fatalf("%v, %+v", err, r)
			}
			var b bytes.Buffer
			if err := r.WriteSARIF(&b); err != nil || !strings.Contains(b.String(), ruleUnseen) ||
				!strings.Contains(b.String(), string(test.want)) {
				t.Errorf("%v: SARIF does not say it", err)
			}
		})
	}
}

// ext4 is the beginning of a file system.
func ext4() string {
	b := make([]byte, 4096)
	for at, v := range map[int]uint32{0: 64, 4: 1024, 24: 2, 56: 0x1ef53, 76: 1} {
		binary.LittleEndian.PutUint32(b[1024+at:], v)
	}
	return string(b)
}

// bomb is a tar of a program of zeros that is a thousandth of its size.
func bomb(t testing.TB) string {
	return gzipped(t, tarred(t, "a.class", "\xca\xfe\xba\xbe"+strings.Repeat("\x00", 100<<20)))
}

// A file that nobody may read is a gap, and the others are looked at.
func TestUnreadable(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may read everything")
	}
	dir := t.TempDir()
	write(t, dir+"/a.class", weak)
	os.Chmod(write(t, dir+"/b.class", weak), 0)
	if r, _ := Tree(t.Context(), dir); len(r.Stacks) != 1 || len(r.Gaps) != 1 ||
		r.Gaps[0].Reason != Unreadable {
		t.Errorf("%+v", r)
	}
}

func FuzzContent(f *testing.F) {
	for _, seed := range []string{tiny() + pyInstaller("a", "b"),
		asar(`{"files":{"a":{"size":1,"offset":"0"}}}`, "x"), zipped(f, "a.class", weak), gzipped(f,
			tarred(f, "a.class", weak)), deb(gzipped(f, tarred(f, "a", "b"))), arMagic, "#!/bin/sh\n\x00"} {
		f.Add("a.asar", []byte(seed))
	}
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		newAuditor("").content(t.Context(), place{name: "/nowhere/" + name, left: &allowance{1 << 20, 100}},
			data)
	})
}
