package command

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
)

// TestHostileNames: whatever a name holds, no target prints a sequence for a terminal, text in another
// direction, or a line that looks like one of ours or like an order to the program that reads a job's
// log.
func TestHostileNames(t *testing.T) {
	const bad = "x\x1b[2J\u202e\u200b\u009b1m\rtlsfloor: error: none\n::error::y ##[error]z"
	dir := filepath.Join(t.TempDir(), bad)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"SHA256SUMS": "nonsense " + bad + "\n", "proof.json": `{"` + strings.ReplaceAll(bad, "\n", " ") +
			`"`, bad: "#!" + bad,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{
		{"explain", dir},
		{"explain", filepath.Join(dir, "proof.json")},
		{"explain", bad},
		{"bundle:verify", dir},
		{"install", "-from=" + dir, "-unsigned"},
		{"audit:env", dir},
		{"audit:env", "-json", dir},
		{"audit:pins", "-osv=" + filepath.Join(dir, "proof.json")},
		{"plan", "-profile=" + bad},
		{"plan", "-recipes=" + dir},
		{"status", "-prefix=" + dir},
		{bad},
		{"status", "-" + bad},
	} {
		cmd := exec.Command(program, args...)
		cmd.Env = append(os.Environ(), "TLSFLOOR_STORE="+filepath.Join(t.TempDir(), "store"))
		out, err := cmd.CombinedOutput()
		if len(out) == 0 {
			t.Errorf("%q says nothing: %v", args[0], err)
		}
		for line := range strings.Lines(string(out)) {
			text := strings.TrimSuffix(line, "\n")
			if strings.ContainsFunc(text, func(r rune) bool {
				return r != '\t' && (unicode.IsControl(r) ||
					unicode.Is(unicode.Cf, r))
			}) ||
				strings.HasPrefix(strings.TrimSpace(text), "::") || strings.Contains(text, "##[") {
				t.Errorf("%q prints %q", args[0], text)
			}
		}
	}
}
