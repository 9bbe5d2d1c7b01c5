package digest

import (
	"strings"
	"testing"
)

// Of "abc": FIPS 180-4, the first example of SHA-256.
const abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

func TestDigest(t *testing.T) {
	d := Of([]byte("abc"))
	if d.String() != abc || d.Short() != abc[:12] {
		t.Errorf("digest of abc is %s", d)
	}
	if r, n, err := OfReader(strings.NewReader("abc")); r != d || n != 3 || err != nil {
		t.Errorf("reader: %s, %d, %v", r, n, err)
	}
	if p, err := Parse(abc); p != d || err != nil {
		t.Errorf("parse: %s, %v", p, err)
	}
	for _, bad := range []string{"", "ab", abc + "0", strings.Repeat("g", 64)} {
		if _, err := Parse(bad); err == nil {
			t.Errorf("%q was taken for a digest", bad)
		}
	}
	var back Digest
	if text, err := d.MarshalText(); err != nil || back.UnmarshalText(text) != nil || back != d {
		t.Errorf("text form: %s, %v", back, err)
	}
}

func TestLinesCannotPassForOthers(t *testing.T) {
	var a, b Lines
	a.Add("flag", "x\"\n\"flag\" \"y")
	b.Add("flag", "x")
	b.Add("flag", "y")
	if a.Sum() == b.Sum() {
		t.Error("a value with a line break passes for two lines")
	}
	var c, d Lines
	c.Add("a", "b")
	d.Add("ab", "")
	if c.Sum() == d.Sum() {
		t.Error("label and value run together")
	}
}

func TestDiff(t *testing.T) {
	old := Lines{{"version", "1"}, {"flag", "a"}, {"flag", "b"}, {"need", "z"}}
	now := Lines{{"version", "2"}, {"flag", "b"}, {"flag", "c"}, {"patch", "p"}}
	got := Diff(old, now)
	want := []Change{{"version", "1", "2"}, {"flag", "a", "c"}, {"need", "z", ""}, {"patch", "", "p"}}
	if len(got) != len(want) {
		t.Fatalf("diff %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("change %d: %v, want %v", i, got[i], want[i])
		}
	}
	if d := Diff(now, now); len(d) != 0 {
		t.Errorf("equal lines differ: %v", d)
	}
}
