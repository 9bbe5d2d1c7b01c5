package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// planted calls what the database in testdata calls vulnerable, and holds a fault that staticcheck knows
// (SA4017).
const planted = `// Command planted is a test's.
package main

import (
	"encoding/hex"
	"os"
	"strings"
)

func main() {
	strings.TrimSpace(os.Args[0])
	b, err := hex.DecodeString(os.Args[0])
	println(len(b), err)
}
`

// checked runs one checker over the planted module.
func checked(t *testing.T, excepted string, args ...string) (string, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "exceptions")
	if err := os.WriteFile(file, []byte(excepted), 0o644); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{"go.mod": "module planted\n\ngo 1.26\n", "planted.go": planted} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var out strings.Builder
	err := run(append([]string{args[0], "../tools", file, dir}, args[1:]...), &out)
	return out.String(), err
}

// TestPlanted: each checker finds what was planted, is content with an exact exception, and not with one
// that is not used.
func TestPlanted(t *testing.T) {
	for checker, test := range map[string]struct {
		args []string
		want string
	}{
		"staticcheck": {[]string{"staticcheck"}, "planted.go SA4017: "},
		"govulncheck": {[]string{"govulncheck", "testdata/database"},
			"GO-2026-0001 encoding/hex.DecodeString"},
	} {
		out, err := checked(t, "", test.args...)
		if err == nil || !strings.Contains(out, test.want) || strings.Count(out, "\n") != 1 {
			t.Errorf("%s: %v\n%s", checker, err, out)
			continue
		}
		line := checker + " " + strings.TrimSpace(out) + " because a test has planted it\n"
		if out, err := checked(t, line, test.args...); err != nil || !strings.Contains(out, "1 exceptions") {
			t.Errorf("%s, excepted: %v\n%s", checker, err, out)
		}
		line += checker + " something else because it was there once\n"
		if out, err := checked(t, line, test.args...); err == nil || !strings.Contains(out,
			"something else: excepted, and not found any more") {
			t.Errorf("%s, too much excepted: %v\n%s", checker, err, out)
		}
	}
}

// TestRefuses: what was not looked at is no good news.
func TestRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		excepted string
		args     []string
		want     string
	}{
		"no reason":       {"staticcheck x.go SA1: y\n", []string{"staticcheck"}, "because <reason>"},
		"no database":     {"", []string{"govulncheck", t.TempDir()}, "no database"},
		"no such checker": {"", []string{"lint"}, "no such checker"},
	} {
		if _, err := checked(t, test.excepted, test.args...); err == nil || !strings.Contains(err.Error(),
			test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := reached(nil); err == nil {
		t.Error("a checker that says nothing has found nothing")
	}
	if _, err := problems(".", []byte(`{"code":"compile","message":"undefined: x"}`)); err == nil {
		t.Error("what does not compile is clean")
	}
}
