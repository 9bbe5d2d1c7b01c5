package main

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// fuzzers are those that .ci/fuzz lists.
func fuzzers(t *testing.T, part ...string) []string {
	t.Helper()
	out, err := exec.Command(filepath.Join("..", "fuzz"), append([]string{"list"}, part...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

// TestEveryFuzzerHasItsDay: three days have all fuzzers that there are, each once, and each day has some.
func TestEveryFuzzerHasItsDay(t *testing.T) {
	var days, want []string
	for _, part := range []string{"0", "1", "2"} {
		today := fuzzers(t, part)
		if len(today) < 5 {
			t.Errorf("part %s: %q", part, today)
		}
		days = append(days, today...)
	}
	form := regexp.MustCompile(`(?m)^func (Fuzz\w+)\(`)
	err := filepath.WalkDir(filepath.Join("..", ".."), func(file string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(file, "_test.go") {
			return err
		}
		text, err := os.ReadFile(file)
		dir, _ := filepath.Rel(filepath.Join("..", ".."), filepath.Dir(file))
		for _, m := range form.FindAllSubmatch(text, -1) {
			want = append(want, "./"+dir+" "+string(m[1]))
		}
		return err
	})
	if err != nil || len(want) < 40 {
		t.Fatal(want, err)
	}
	slices.Sort(want)
	for what, got := range map[string][]string{"three days": days, "all": fuzzers(t)} {
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("%s have\n%q\nof\n%q", what, got, want)
		}
	}
}

// TestFuzzFinds: what a fuzzer finds stops the run, and is printed. The module is planted.
func TestFuzzFinds(t *testing.T) {
	script, err := os.ReadFile(filepath.Join("..", "fuzz"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ name, body, want string }{
		{"fault", `if len(b) > 0 { t.Error("planted fault") }`, "planted fault"},
		{"sound", `_ = b`, ""},
	} {
		dir := t.TempDir()
		for name, text := range map[string]string{
			".ci/fuzz": string(script),
			"go.mod":   "module planted\n\ngo 1.26\n",
			"f_test.go": "package planted\n\nimport \"testing\"\n\nfunc FuzzPlanted(f *testing.F) {\n" +
				"\tf.Add([]byte{})\n\tf.Fuzz(func(t *testing.T, b []byte) { " + tc.body + " })\n}\n",
		} {
			if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		out, err := exec.Command(filepath.Join(dir, ".ci", "fuzz"), "run", "2000x").CombinedOutput()
		if (err != nil) != (tc.want != "") || !strings.Contains(string(out), tc.want) {
			t.Errorf("%s: %v\n%s", tc.name, err, out)
		}
	}
}
