package patches

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/recipes"
	"github.com/tlsfloor/tlsfloor/recipes/version"
)

const head = "Because a test needs it\n\nUpstream: https://example.org/1\n\n"

const greet = head + `--- a/dir/greet.txt
+++ b/dir/greet.txt
@@ -1,3 +1,3 @@
 one
-two
+2
 three
@@ -6,2 +6,3 @@
 six
 seven
+eight
`

const text = "one\ntwo\nthree\nfour\nfive\nsix\nseven\n"

func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		full := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// snapshot returns every file below dir with its content.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(name)
		rel, _ := filepath.Rel(dir, name)
		files[rel] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func equal(a, b map[string]string) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		if w, ok := b[k]; !ok || v != w {
			return false
		}
	}
	return true
}

func TestApplyChangesCreatesAndRemoves(t *testing.T) {
	patch := greet + `--- /dev/null
+++ b/new/file.txt
@@ -0,0 +1,1 @@
+hello
--- a/old.txt
+++ /dev/null
@@ -1,1 +0,0 @@
-bye
`
	dir := tree(t, map[string]string{"dir/greet.txt": text, "old.txt": "bye\n", "other": "x"})
	if err := os.Chmod(filepath.Join(dir, "dir/greet.txt"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := Apply(dir, Patch{Name: "p", Text: []byte(patch)}); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"dir/greet.txt": "one\n2\nthree\nfour\nfive\nsix\nseven\neight\n", "new/file.txt": "hello\n", "other": "x"}
	if got := snapshot(t, dir); !equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	info, err := os.Stat(filepath.Join(dir, "dir/greet.txt"))
	if err != nil || info.Mode().Perm() != 0o755 {
		t.Errorf("the mode was not kept: %v %v", info, err)
	}
}

func TestApplyReadsPatchesOfGit(t *testing.T) {
	patch := head + "diff --git a/b/x.txt b/b/x.txt\nindex 1111111..2222222 100644\n--- a/b/x.txt\n+++ b/b/x.txt\n@@ -1 +1 @@\n-old\n+new\n"
	dir := tree(t, map[string]string{"b/x.txt": "old\n", "x.txt": "old\n"})
	if err := Apply(dir, Patch{Name: "p", Text: []byte(patch)}); err != nil {
		t.Fatal(err)
	}
	if got := snapshot(t, dir); got["b/x.txt"] != "new\n" || got["x.txt"] != "old\n" {
		t.Errorf("got %q", got)
	}
}

// second is a diff that does not apply; diff is one for any path.
const second = "--- a/dir/greet.txt\n+++ b/dir/greet.txt\n@@ -2,1 +2,1 @@\n-nope\n+2\n"

func diff(name string) string {
	return head + "--- a/" + name + "\n+++ b/" + name + "\n@@ -1,1 +1,1 @@\n-one\n+1\n"
}

// Each patch must be refused with all of the named words, and the tree must stay as it was.
var refused = map[string]struct {
	patch string
	want  []string
}{
	"a line that differs":      {strings.Replace(greet, "-two", "-zwei", 1), []string{"p.patch", "dir/greet.txt", "hunk 1 of 2", "line 2", `want "zwei\n"`, `got "two\n"`}},
	"context that differs":     {strings.Replace(greet, " seven", " sieben", 1), []string{"hunk 2 of 2", "line 7", `want "sieben\n"`, `got "seven\n"`}},
	"an offset":                {strings.NewReplacer("-1,3 +1,3", "-2,3 +2,3").Replace(greet), []string{"hunk 1 of 2", "line 2", `want "one\n"`, `got "two\n"`}},
	"behind the end":           {strings.Replace(greet, "-6,2 +6,3", "-7,2 +7,3", 1), []string{"hunk 2 of 2", "line 7"}},
	"only the second diff bad": {head + "--- a/a.txt\n+++ b/a.txt\n@@ -1,1 +1,1 @@\n-a\n+b\n" + second, []string{"dir/greet.txt", "line 2", `want "nope\n"`}},
	"no such file":             {diff("missing.txt"), []string{"missing.txt", "no such file"}},
	"a path with ..":           {diff("../out.txt"), []string{"../out.txt", "leads out"}},
	"a path with .. inside":    {diff("dir/../dir/greet.txt"), []string{"leads out"}},
	"an absolute path":         {strings.ReplaceAll(diff("X"), "a/X", "a//etc/x"), []string{"p.patch"}},
	"a link as target":         {diff("link.txt"), []string{"link.txt", "no regular file"}},
	"a link out of the root":   {diff("away/greet.txt"), []string{"away/greet.txt"}},
	"a new file that is there": {head + "--- /dev/null\n+++ b/a.txt\n@@ -0,0 +1,1 @@\n+b\n", []string{"a.txt", "is there"}},
	"one file twice":           {head + diff("dir/greet.txt")[len(head):] + diff("dir/greet.txt")[len(head):], []string{"two diffs"}},
	"a malformed hunk":         {strings.Replace(greet, "@@ -6,2 +6,3 @@", "@@ -6,2 +6 @@@", 1), []string{"p.patch"}},
	"a hunk too short":         {strings.TrimSuffix(greet, " seven\n+eight\n"), []string{"p.patch"}},
	"no diff":                  {head, []string{"no diff"}},
	"a binary change":          {head + "diff --git a/a.txt b/a.txt\nindex 111..222 100644\nBinary files a/a.txt and b/a.txt differ\n", []string{"binary"}},
	"a rename":                 {head + "diff --git a/a.txt b/c.txt\nsimilarity index 100%\nrename from a.txt\nrename to c.txt\n", []string{"rename"}},
	"a missing final newline":  {head + "--- a/bare.txt\n+++ b/bare.txt\n@@ -1,1 +1,1 @@\n-bare\n+b\n", []string{"bare.txt", `want "bare\n"`, `got "bare"`}},
}

func TestApplyRefuses(t *testing.T) {
	for name, c := range refused {
		t.Run(name, func(t *testing.T) {
			dir := tree(t, map[string]string{"dir/greet.txt": text, "a.txt": "a\n", "bare.txt": "bare"})
			outside := tree(t, map[string]string{"greet.txt": text})
			if err := os.Symlink(outside, filepath.Join(dir, "away")); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink("dir/greet.txt", filepath.Join(dir, "link.txt")); err != nil {
				t.Fatal(err)
			}
			os.Remove(filepath.Join(dir, "away"))
			before := snapshot(t, dir)
			if err := os.Symlink(outside, filepath.Join(dir, "away")); err != nil {
				t.Fatal(err)
			}
			err := Apply(dir, Patch{Name: "python/3.13/p.patch", Text: []byte(c.patch)})
			if err == nil {
				t.Fatal("it was applied")
			}
			for _, w := range append(c.want, "p.patch") {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("the error lacks %q: %v", w, err)
				}
			}
			if fault.HintOf(err) == "" {
				t.Error("no hint")
			}
			os.Remove(filepath.Join(dir, "away"))
			if after := snapshot(t, dir); !equal(before, after) {
				t.Errorf("the tree was changed: %q", after)
			}
			if got := snapshot(t, outside); got["greet.txt"] != text {
				t.Error("a file outside was changed")
			}
		})
	}
}

func TestApplyToAMissingFolder(t *testing.T) {
	if err := Apply(filepath.Join(t.TempDir(), "none"), Patch{Name: "p", Text: []byte(greet)}); err == nil {
		t.Error("no error")
	}
}

func TestForOrdersAndOverrides(t *testing.T) {
	patch := func(mark string) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte(strings.Replace(greet, "test", mark, 1))}
	}
	base := fstest.MapFS{
		"thing/3.13/0002-b.patch":     patch("b"),
		"thing/3.13/0001-a.patch":     patch("a"),
		"thing/3.13.15/0001-a.patch":  patch("a-narrow"),
		"thing/3.9-3.13/0001-a.patch": patch("a-wide"),
		"thing/3.9-3.13/0003-c.patch": patch("c"),
		"thing/3.12/0004-d.patch":     patch("d"),
		"other/3.13/0001-x.patch":     patch("x"),
	}
	top := fstest.MapFS{
		"thing/3.9-3.13/0002-b.patch": patch("b-site"),
		"thing/3.13.5/0003-c.patch":   {Data: []byte("\n")},
	}
	for _, c := range []struct {
		version string
		layers  []fs.FS
		want    string
	}{
		{"3.13.15", []fs.FS{base}, "a-narrow b c"},
		{"3.13.5", []fs.FS{base}, "a b c"},
		{"3.10.1", []fs.FS{base}, "a-wide c"},
		{"3.13.15", []fs.FS{base, top}, "a-narrow b-site c"},
		{"3.13.5", []fs.FS{base, top}, "a b-site"},
		{"3.14.0", []fs.FS{base, top}, ""},
	} {
		got, err := For("thing", c.version, c.layers...)
		if err != nil {
			t.Fatal(err)
		}
		var marks []string
		for _, p := range got {
			mark, _, _ := strings.Cut(strings.TrimPrefix(string(p.Text), "Because a "), " ")
			marks = append(marks, mark)
			if p.Digest.IsZero() || p.Upstream() != "https://example.org/1" {
				t.Errorf("%s lacks its digest or its link", p.Name)
			}
		}
		if s := strings.Join(marks, " "); s != c.want {
			t.Errorf("%s: got %q, want %q", c.version, s, c.want)
		}
	}
}

func TestForRefusesWhatItCannotPlace(t *testing.T) {
	good := &fstest.MapFile{Data: []byte(greet)}
	for want, layer := range map[string]fstest.MapFS{
		"thing/latest":             {"thing/latest/0001-a.patch": good},
		"thing/3.13/a.patch":       {"thing/3.13/a.patch": good},
		"thing/3.13/0001-a.diff":   {"thing/3.13/0001-a.diff": good},
		"thing/3.13/sub":           {"thing/3.13/sub/0001-a.patch": good},
		"lacks the reason":         {"thing/3.13/0001-a.patch": {Data: []byte(greet[len(head):])}},
		"or the upstream link":     {"thing/3.13/0001-a.patch": {Data: []byte("Because\n\n" + greet[len(head):])}},
		"0001-a.patch: the head l": {"thing/3.13/0001-a.patch": {Data: []byte("Upstream: https://example.org/1\n\n" + greet[len(head):])}},
		"no diff in it":            {"thing/3.13/0001-a.patch": {Data: []byte(head)}},
	} {
		_, err := For("thing", "3.13.15", layer)
		if err == nil || !strings.Contains(err.Error(), want) || fault.HintOf(err) == "" {
			t.Errorf("want %q and a hint, got %v", want, err)
		}
	}
}

// Every embedded patch says why, names a link, is of a series that a recipe has a version of, and applies
// to a file that has exactly its context at exactly its lines.
func TestEmbeddedPatches(t *testing.T) {
	set, err := recipes.Load()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	err = fs.WalkDir(embedded, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		n++
		part := strings.Split(name, "/")
		series, err := version.ParseSeries(part[1])
		if err != nil {
			return err
		}
		used := 0
		for _, v := range set.Versions(part[0]) {
			if !series.Contains(v) {
				continue
			}
			used++
			list, err := For(part[0], v)
			if err != nil {
				t.Error(err)
			}
			for _, p := range list {
				applyToOwnContext(t, p)
			}
		}
		if used == 0 {
			t.Errorf("%s: no recipe has a version of this series", name)
		}
		return nil
	})
	if err != nil || n == 0 {
		t.Fatalf("%d patches, %v", n, err)
	}
}

// applyToOwnContext makes the files that p describes, with filler around its context.
func applyToOwnContext(t *testing.T, p Patch) {
	t.Helper()
	diffs, _, err := p.parse()
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, f := range diffs {
		var lines []string
		for _, h := range f.TextFragments {
			for len(lines) < int(h.OldPosition)-1 {
				lines = append(lines, "filler\n")
			}
			for _, l := range h.Lines {
				if l.Old() {
					lines = append(lines, l.Line)
				}
			}
		}
		files[f.OldName] = strings.Join(lines, "") + "the end\n"
	}
	dir := tree(t, files)
	if err := Apply(dir, p); err != nil {
		t.Error(err)
	}
	for name, after := range snapshot(t, dir) {
		if after == files[name] || !strings.HasSuffix(after, "the end\n") {
			t.Errorf("%s: %s was not changed, or lost its end", p.Name, name)
		}
	}
}

func FuzzApply(f *testing.F) {
	for _, seed := range []string{greet, head, strings.ReplaceAll(greet, "dir/", "../"), "--- /dev/null\n+++ b/x/../../y\n@@ -0,0 +1 @@\n+z\n",
		"diff --git a/dir/greet.txt b/dir/greet.txt\nold mode 100644\nnew mode 100755\n", "--- a/away/f\n+++ b/away/f\n@@ -1 +1 @@\n-out\n+in\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, patch []byte) {
		dir := tree(t, map[string]string{"in/dir/greet.txt": text, "out/f": "out\n"})
		if err := os.Symlink("../out", filepath.Join(dir, "in", "away")); err != nil {
			t.Fatal(err)
		}
		_ = Apply(filepath.Join(dir, "in"), Patch{Name: "p", Text: patch})
		if got := snapshot(t, filepath.Join(dir, "out")); !equal(got, map[string]string{"f": "out\n"}) {
			t.Errorf("a file outside the root was touched: %q", got)
		}
		if files, err := os.ReadDir(dir); err != nil || len(files) != 2 {
			t.Errorf("something was written beside the root: %v %v", files, err)
		}
	})
}
