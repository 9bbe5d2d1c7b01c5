package internal

import (
	"os"
	"path/filepath"
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
