package packages

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tlsfloor/tlsfloor/artifacts/deploy"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/verify/verifytest"
)

// TestOnlyAProofIsPacked writes no package from a proof that did not pass, or that is about something else.
func TestOnlyAProofIsPacked(t *testing.T) {
	for name, spoil := range map[string]func(s *Spec){
		"a case breached":   func(s *Spec) { s.Proof.Findings[3].Completed = true },
		"a case is missing": func(s *Spec) { s.Proof.Findings = s.Proof.Findings[1:] },
		"another floor":     func(s *Spec) { s.Floor = "1.3" },
		"another version": func(s *Spec) {
			c := s.Generation.Components["python"]
			c.Version = "3.13.14"
			s.Generation.Components["python"] = c
		},
	} {
		s := small(t, "/opt")
		spoil(s)
		s.Proof = verifytest.Settled(t, s.Proof)
		file := filepath.Join(t.TempDir(), "x")
		if err := Write(t.Context(), s, Deb, file); err == nil {
			t.Errorf("%s: a package was written", name)
		}
		if _, err := os.Stat(file); err == nil {
			t.Errorf("%s: the file is there", name)
		}
	}
}

// TestUnprovedPackagesAreNotPutInUse enters what was packed without a proof, and what was exchanged since.
func TestUnprovedPackagesAreNotPutInUse(t *testing.T) {
	h := newHost(t)
	h.Proof = nil
	h.unpack()
	if out, err := h.sh("enter", ""); err == nil || !strings.Contains(out, "without a proof") ||
		h.current() != "" {
		t.Errorf("in use is %q: %s", h.current(), out)
	}
	h = newHost(t)
	h.unpack()
	verdict := filepath.Join(h.payload(), "tree", deploy.VerdictFile)
	if err := os.WriteFile(verdict, []byte("status pass\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := h.sh("enter", ""); err == nil || !strings.Contains(out, "is not what") ||
		h.current() != "" {
		t.Errorf("in use is %q: %s", h.current(), out)
	}
}

// TestRollbackToAPackagesGeneration judges the verdict that the package brought.
func TestRollbackToAPackagesGeneration(t *testing.T) {
	record := func(dir string, change func(*deploy.Generation)) error {
		file := filepath.Join(dir, "generation.json")
		var g deploy.Generation
		text, err := os.ReadFile(file)
		if err == nil {
			err = json.Unmarshal(text, &g)
		}
		if err != nil {
			return err
		}
		change(&g)
		text, err = json.Marshal(g)
		return errors.Join(err, os.WriteFile(file, text, 0o644))
	}
	for name, test := range map[string]struct {
		plant func(dir string) error
		fine  bool
	}{
		"as it came": {func(string) error { return nil }, true},
		"its verdict is gone": {func(dir string) error {
			return os.Remove(filepath.Join(dir,
				"verdict.txt"))
		}, false},
		"another verdict": {func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "verdict.txt"), []byte("status pass\n"), 0o644)
		}, false},
		"another list": {func(dir string) error {
			return os.WriteFile(filepath.Join(dir,
				"python.tree"), nil, 0o644)
		}, false},
		"no note": {func(dir string) error {
			return record(dir,
				func(g *deploy.Generation) { g.Proof = nil })
		}, false},
		"another edition": {func(dir string) error {
			return record(dir,
				func(g *deploy.Generation) { g.Proof.Judge = "older" })
		}, false},
		"it did not pass": {func(dir string) error {
			return record(dir,
				func(g *deploy.Generation) { g.Proof.Status = "fail" })
		}, false},
		"another floor": {func(dir string) error {
			return record(dir,
				func(g *deploy.Generation) { g.Floor = "1.3" })
		}, false},
		"no package any more": {func(dir string) error {
			return record(dir,
				func(g *deploy.Generation) { g.Package = "" })
		}, false},
		"of another version": {func(dir string) error {
			return record(dir, func(g *deploy.Generation) {
				c := g.Components["openssl"]
				c.Version = "1.1.1w"
				g.Components["openssl"] = c
			})
		}, false},
	} {
		h := newHost(t)
		for range 2 {
			h.unpack()
			h.must("enter")
		}
		site, err := deploy.Installed("", h.base, "min_1")
		if err != nil {
			t.Fatal(err)
		}
		if err := test.plant(site.Dir(1)); err != nil {
			t.Fatal(err)
		}
		_, err = site.Rollback(1)
		if (err == nil) != test.fine || (site.Current() == 1) != test.fine {
			t.Errorf("%s: %v, in use is %d", name, err, site.Current())
		}
		if err != nil && (fault.CodeOf(err) != fault.Incomplete || !strings.Contains(fault.HintOf(err),
			"`verify -to=1`")) {
			t.Errorf("%s: %v (exit %d, hint %q)", name, err, fault.CodeOf(err), fault.HintOf(err))
		}
	}
}

// TestScriptsWorkInTheirOwnFoldersOnly runs them where others could lead them elsewhere.
func TestScriptsWorkInTheirOwnFoldersOnly(t *testing.T) {
	outside := t.TempDir()
	for name, test := range map[string]struct {
		do   func(base string) error
		says string
	}{
		"an open base": {func(base string) error { return os.Chmod(base, 0o777) }, "others may write"},
		"an open folder": {func(base string) error {
			return os.Chmod(base+"/.tlsfloor/min_1",
				0o775)
		}, "others may write"},
		"a link for trust": {func(base string) error {
			return os.Symlink(outside,
				base+"/.tlsfloor/min_1/trust")
		}, "is a link"},
		"a link for modules": {func(base string) error {
			return os.Symlink(outside,
				base+"/.tlsfloor/modulefiles")
		}, "is a link"},
		"a stranger's": {func(base string) error {
			if os.Geteuid() != 0 {
				return os.Chmod(base, 0o777)
			}
			return os.Chown(base+"/.tlsfloor", 1000, 1000)
		}, base(os.Geteuid())},
	} {
		h := newHost(t)
		h.unpack()
		if err := test.do(h.base); err != nil {
			t.Fatal(err)
		}
		if out, err := h.sh("enter", ""); err == nil || !strings.Contains(out, test.says) ||
			h.current() != "" {
			t.Errorf("%s: in use is %q, %v: %s", name, h.current(), err, out)
		}
	}
	if left, err := os.ReadDir(outside); err != nil || len(left) > 0 {
		t.Errorf("outside there is %v, %v", left, err)
	}
	// A link for the lock would have another file emptied, or made.
	h := newHost(t)
	h.unpack()
	file := filepath.Join(outside, "file")
	if err := errors.Join(os.WriteFile(file, []byte("text"), 0o644), os.Symlink(file,
		h.base+"/.tlsfloor/min_1/lock")); err != nil {
		t.Fatal(err)
	}
	out, err := h.sh("enter", "")
	if text, _ := os.ReadFile(file); err == nil || string(text) != "text" || !strings.Contains(out,
		"is a link") {
		t.Errorf("the file holds %q, %v: %s", text, err, out)
	}
}

func base(uid int) string {
	if uid == 0 {
		return "is not a folder of"
	}
	return "others may write"
}
