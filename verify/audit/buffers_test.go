package audit

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// twinJar is a zip of one member; all of the same text have the same packed bytes.
func twinJar(t *testing.T, name, text string) string { return zipped(t, name, text) }

// A member that was seen in one archive counts in each archive that has it, and only as what its name and its
// archive make of it.
func TestTwins(t *testing.T) {
	marks := "\xca\xfe\xba\xbe" + bare("sun/security/|ssl/ProtocolVersion")
	dir := t.TempDir()
	for _, name := range []string{"a.jar", "b.jar", "deep/c.jar"} {
		write(t, filepath.Join(dir, name), twinJar(t, "A.class", marks))
	}
	// the same bytes are text that nobody looks at, or a script, by their names
	call := bare("forge.tls.|createConnection") + "()"
	write(t, filepath.Join(dir, "text.zip"), twinJar(t, "x.txt", call))
	write(t, filepath.Join(dir, "script.zip"), twinJar(t, "x.js", call))
	write(t, filepath.Join(dir, "script2.zip"), twinJar(t, "y.js", call))
	r, err := Tree(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range r.Stacks {
		got = append(got, strings.TrimPrefix(s.File, r.Subject+"/")+" "+s.Library)
	}
	want := "a.jar Java JSSE, b.jar Java JSSE, deep/c.jar Java JSSE, script.zip!x.js node-forge, " +
		"script2.zip!y.js node-forge"
	if strings.Join(got, ", ") != want || len(r.Gaps) > 0 {
		t.Errorf("%v, %v", strings.Join(got, ", "), r.Gaps)
	}
	// a twin that its archive gives another sum is damaged, whatever was seen before
	damaged := []byte(twinJar(t, "A.class", marks))
	i := bytes.Index(damaged, []byte("PK\x01\x02"))
	damaged[i+16] ^= 1
	write(t, filepath.Join(dir, "damaged.jar"), string(damaged))
	if r, err = Tree(t.Context(), dir); err != nil || len(r.Gaps) != 1 || r.Gaps[0].Reason != Unreadable {
		t.Errorf("%v, %v", r.Gaps, err)
	}
}

// A file that is cut while it is read is a gap, in whatever goroutine it is read.
func TestCut(t *testing.T) {
	for name, text := range map[string]string{"a.tar.gz": gzipped(t, tarred(t, "a.py", noise(8<<20))),
		"a.zip": zipped(t, "a.py", noise(8<<20))} {
		path := write(t, filepath.Join(t.TempDir(), name), text)
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		data, done, err := mapped(f, int64(len(text)))
		if err != nil {
			t.Fatal(err)
		}
		defer done()
		if err := os.Truncate(path, 4<<20); err != nil {
			t.Fatal(err)
		}
		a := newAuditor(path)
		a.content(t.Context(), place{name: path, left: &allowance{maxBytes, maxEntries}}, data)
		if len(a.report.Gaps) == 0 || a.report.Gaps[0].Reason != Unreadable {
			t.Errorf("%s: %v", name, a.report.Gaps)
		}
	}
}
