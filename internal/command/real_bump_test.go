package command

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tlsfloor/tlsfloor/internal/engine/fetch"
)

// bump asks the distribution's lists about a pin that is older than all that they have, and builds a plan
// from what it has written.
func (r *real) bump(t *testing.T) {
	if bases, err := (fetch.HostApt{}).Bases(t.Context()); err != nil || !strings.Contains(strings.Join(bases, " "), "debian") {
		t.Skipf("no archive of Debian's is known to apt here: %v, %v", bases, err)
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("..", "..", "recipes"))); err != nil {
		t.Fatal(err)
	}
	// The version before the pinned one, by name: nothing is fetched of it.
	for _, name := range append([]string{"libffi.yaml"}, "profiles/min-tls1_2.yaml", "profiles/min-tls1_3.yaml", "profiles/lts-3.0.yaml", "profiles/legacy.yaml", "profiles/guide.yaml") {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), []byte(strings.ReplaceAll(string(text), "3.4.4", "3.4.1")), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command(program, "bump", "-component=libffi", "-wait=0", "-stale=8760h", "-out="+dir,
		"-store="+t.TempDir(), "-quiet").CombinedOutput()
	m := regexp.MustCompile(`(?m)^libffi +3\.4\.1 +-> ([0-9.]+)  Debian's signed list of sources has the digest, of libffi `).FindSubmatch(out)
	if err != nil || m == nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if out, err := exec.Command(program, "plan", "-recipes="+dir, "-store="+t.TempDir()).CombinedOutput(); err != nil || !regexp.MustCompile(`(?m)^libffi +`+regexp.QuoteMeta(string(m[1]))+` `).Match(out) {
		t.Errorf("%v: the plan of what it has written is\n%s", err, out)
	}
}
