package internal

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestSecurityPages holds the two pages about security to what readers look for there, and the ways that
// lead to them.
func TestSecurityPages(t *testing.T) {
	for file, wants := range map[string][]string{
		"SECURITY.md": {"## Reporting", "## Supported versions", "## Advisories", "## Who must not win",
			"## What we do not promise", "docs/security.md"},
		"docs/security.md": {"## What root does", "## The sandbox", "## Which folders root works in",
			"## Bundles and keys", "## Hardening switches"},
		"README.md":      {"(SECURITY.md)", "(docs/security.md)"},
		"docs/README.md": {"(security.md)", "(../SECURITY.md)"},
	} {
		text, err := os.ReadFile(filepath.Join("..", file))
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range wants {
			if !strings.Contains(string(text), want) {
				t.Errorf("%s has no %q", file, want)
			}
		}
	}
}

// TestWaysThatWereTried: every test that the table of ways names stands in the room that it names.
func TestWaysThatWereTried(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "docs", "security.md"))
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`(Test\\w+)`, ([a-z/]+)").FindAllStringSubmatch(string(page), -1)
	if len(named) < 8 {
		t.Fatalf("only %d tests are named", len(named))
	}
	for _, m := range named {
		files, err := filepath.Glob(filepath.Join("..", m[2], "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, file := range files {
			text, err := os.ReadFile(file)
			found = found || err == nil && strings.Contains(string(text), "\nfunc "+m[1]+"(")
		}
		if !found {
			t.Errorf("there is no %s in %s", m[1], m[2])
		}
	}
}
