package packages

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tlsfloor/tlsfloor/artifacts/deploy"
	"github.com/tlsfloor/tlsfloor/artifacts/deploy/deploytest"
	"github.com/tlsfloor/tlsfloor/internal/engine/store"
	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/verify"
)

// small is a toolchain of a few files, with prefixes below base.
func small(t testing.TB, base string) *Spec {
	t.Helper()
	s := &Spec{Site: deploy.Site{Base: base, Profile: "min_1", Prefixes: map[string]string{}}, Trees: map[string]Tree{}, Floor: "1.2", Arch: "x86_64",
		License: "Apache-2.0", Licences: []byte("terms\n"), Docs: map[string][]byte{"verdict.txt": []byte("pass\n")}, Maintainer: "Somebody <somebody@localhost>", When: time.Unix(1700000000, 5),
		Generation: deploy.Generation{Profile: "min_1", GLIBC: "2.17", Bundle: "b", Components: map[string]deploy.Component{}}}
	for name, files := range map[string][]string{"openssl": {"bin/openssl", "lib/libssl.a"}, "python": {"bin/python3.13", "lib/python3.13/os.py", "lib/python3.13/__pycache__/os.cpython-313.pyc", "lib/python3.13/script (dev).tmpl"}} {
		dir := filepath.Join(t.TempDir(), name)
		for _, file := range files {
			path := filepath.Join(dir, file)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			mode := os.FileMode(0o644)
			if strings.Contains(file, "bin/") {
				mode = 0o755
			}
			if err := os.WriteFile(path, []byte(file+"\n"), mode); err != nil {
				t.Fatal(err)
			}
		}
		if name == "python" {
			if err := os.Symlink("python3.13", filepath.Join(dir, "bin", "python3")); err != nil {
				t.Fatal(err)
			}
		}
		list, err := store.Summed(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		s.Trees[name] = Tree{Dir: dir, List: list}
		s.Site.Prefixes[name] = name + "-with-min_1"
		s.Generation.Components[name] = deploy.Component{Version: map[string]string{"openssl": "3.5.7",
			"python": "3.13.15"}[name], Prefix: filepath.Join(base, name+"-with-min_1"),
			Output: digest.Of(list.Encode())}
	}
	s.Proof = deploytest.Proof(t, verify.TLS12, s.Generation.Components,
		func(name string) string { return s.Trees[name].Dir })
	return s
}

func written(t testing.TB, s *Spec, kind string) (string, []byte) {
	t.Helper()
	file := filepath.Join(t.TempDir(), s.File(kind))
	if err := Write(t.Context(), s, kind, file); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return file, data
}

// TestTreesComeBack reads what was written, and sees that it is the same for the same Spec, and another for
// another.
func TestTreesComeBack(t *testing.T) {
	for kind, name := range map[string]string{Deb: "tlsfloor-min-1_3.13.15+openssl3.5.7-1_amd64.deb", RPM: "tlsfloor-min-1-3.13.15+openssl3.5.7-1.x86_64.rpm"} {
		t.Run(kind, func(t *testing.T) {
			s := small(t, "/opt")
			file, data := written(t, s, kind)
			if filepath.Base(file) != name {
				t.Errorf("it is called %s", file)
			}
			if _, again := written(t, s, kind); !bytes.Equal(data, again) {
				t.Error("the second is another")
			}
			trees, err := Trees(t.Context(), file)
			if err != nil {
				t.Fatal(err)
			}
			for component, want := range s.Trees {
				if got := trees[component].Encode(); !bytes.Equal(got, want.List.Encode()) {
					t.Errorf("%s: %s", component, got)
				}
			}
			path := filepath.Join(s.Trees["python"].Dir, "lib/python3.13/os.py")
			if err := os.WriteFile(path, []byte("lib/python3.13/os.pY\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			other, _ := written(t, s, kind)
			if trees, err := Trees(t.Context(), other); err != nil || bytes.Equal(trees["python"].Encode(), s.Trees["python"].List.Encode()) {
				t.Errorf("an altered file is not seen: %v", err)
			}
			if err := os.WriteFile(file, data[:len(data)-40], 0o644); err != nil {
				t.Fatal(err)
			}
			if _, err := Trees(t.Context(), file); err == nil {
				t.Error("a cut package is read to its end")
			}
		})
	}
}

func TestNames(t *testing.T) {
	s := small(t, "/opt")
	s.Release = 3
	s.Generation.Sysroot = "amazon-2"
	if got := s.File(Deb); got != "tlsfloor-min-1_3.13.15+openssl3.5.7-3~amazon.2_amd64.deb" {
		t.Error(got)
	}
	delete(s.Generation.Components, "openssl")
	if got := s.Version(); got != "3.13.15" {
		t.Error(got)
	}
	for _, wrong := range []string{"", "nobody", "A <b>\nDepends: c"} {
		s.Maintainer = wrong
		if err := Write(t.Context(), s, Deb, filepath.Join(t.TempDir(), "x")); err == nil {
			t.Errorf("%q is taken for a maintainer", wrong)
		}
	}
}

// host is a machine on which the scripts run without a package manager.
type host struct {
	*Spec
	t    *testing.T
	base string
}

func newHost(t *testing.T) host {
	base := filepath.Join(t.TempDir(), "opt")
	return host{small(t, base), t, base}
}

// unpack does what a package manager does before it calls enter: every file gets a new inode.
func (h host) unpack() {
	h.t.Helper()
	members, err := h.members()
	for _, m := range members {
		if err == nil && strings.HasPrefix(m.path, h.payload()) {
			err = put(m)
		}
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

func put(m member) error {
	switch {
	case m.mode.IsDir():
		return os.MkdirAll(m.path, 0o755)
	case m.target != "":
		os.Remove(m.path)
		return os.Symlink(m.target, m.path)
	}
	data, err := m.contents()
	if err == nil {
		err = os.WriteFile(m.path+".new", data, m.mode.Perm())
	}
	if err == nil {
		err = os.Rename(m.path+".new", m.path)
	}
	return err
}

// sh runs a script, with programs of dir before the system's.
func (h host) sh(doing, dir string) (string, error) {
	cmd := exec.CommandContext(h.t.Context(), "sh", "-c", h.script(doing))
	cmd.Env = []string{"PATH=" + dir + ":" + os.Getenv("PATH")}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (h host) must(doing string) string {
	h.t.Helper()
	out, err := h.sh(doing, "")
	if err != nil {
		h.t.Fatalf("%s: %v\n%s", doing, err, out)
	}
	return out
}

// in lists what is in the profile's folder.
func (h host) in() string {
	entries, _ := os.ReadDir(filepath.Join(h.base, ".tlsfloor", "min_1"))
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

func (h host) current() string {
	target, _ := os.Readlink(filepath.Join(h.base, ".tlsfloor/min_1/current"))
	return target
}

func (h host) touch(path string) {
	h.t.Helper()
	if err := os.WriteFile(filepath.Join(h.base, path), nil, 0o644); err != nil {
		h.t.Fatal(err)
	}
}

// TestGenerations installs, installs again, upgrades and removes, and looks at the site as tlsfloor does.
func TestGenerations(t *testing.T) {
	h := newHost(t)
	h.unpack()
	h.must("check")
	h.must("enter")
	h.must("enter") // as when dpkg is interrupted behind it
	if h.current() != "1" || h.in() != "1 current lock package trust" && h.in() != "1 current lock package" {
		t.Fatalf("current is %s among %s", h.current(), h.in())
	}
	site, err := deploy.Installed("", h.base, "min_1")
	if err != nil {
		t.Fatal(err)
	}
	g, err := site.Generation(1)
	if err != nil || g.Package != "tlsfloor-min-1" || time.Since(g.Created) > time.Hour || g.Before != 0 || !site.Linked() {
		t.Errorf("%+v, %v, linked: %v", g, err, site.Linked())
	}
	if altered, _, err := site.Altered(t.Context(), 1, true); err != nil || len(altered) > 0 {
		t.Errorf("altered: %v, %v", altered, err)
	}
	if doubts := site.Standing(); len(doubts) > 0 {
		t.Errorf("doubts: %+v", doubts)
	}
	if _, err := site.Uninstall(t.Context()); err == nil {
		t.Error("tlsfloor takes it away from under the package manager")
	}
	module, err := os.ReadFile(filepath.Join(h.base, deploy.Modules, "python-min_1", "3.13.15"))
	if err != nil || !strings.Contains(string(module), h.base+"/python-with-min_1/bin") {
		t.Errorf("modulefile: %v: %s", err, module)
	}
	for range 2 {
		h.unpack()
		h.must("enter")
	}
	if h.current() != "3" || !strings.HasPrefix(h.in(), "2 3 current ") {
		t.Errorf("current is %s among %s", h.current(), h.in())
	}
	if g, err := site.Rollback(0); err != nil || g.Number != 2 {
		t.Errorf("rolled back to %d, %v", g.Number, err)
	}
	h.touch("python-with-min_1/lib/python3.13/mine.py")
	h.touch("python-with-min_1/lib/python3.13/__pycache__/mine.cpython-313.pyc")
	h.unpack()
	h.must("enter") // 4, made from 2
	h.unpack()
	if out := h.must("enter"); !strings.Contains(out, "generation 2 of min_1 is kept") {
		t.Errorf("it does not say what is kept: %s", out)
	}
	if !strings.HasPrefix(h.in(), "2 4 5 current ") {
		t.Errorf("there are %s", h.in())
	}
	if out := h.must("leave"); !strings.Contains(out, "1 files, the first is python/lib/python3.13/mine.py") {
		t.Errorf("it says %s", out)
	}
	if err := os.RemoveAll(h.payload()); err != nil {
		t.Fatal(err)
	}
	var left []string
	filepath.WalkDir(h.base, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			left = append(left, strings.TrimPrefix(path, h.base+"/"))
		}
		return err
	})
	if !slices.Equal(left, []string{".tlsfloor/min_1/2/python/lib/python3.13/mine.py"}) {
		t.Errorf("left are %v", left)
	}
}

// TestBothAreThere upgrades as rpm does: the files of the package before are removed after the script.
func TestBothAreThere(t *testing.T) {
	h := newHost(t)
	h.unpack()
	h.must("enter")
	next := host{small(t, h.base), t, h.base}
	dir := next.Trees["python"].Dir
	if err := os.Rename(filepath.Join(dir, "lib"), filepath.Join(dir, "lib64")); err != nil {
		t.Fatal(err)
	}
	list, err := store.Summed(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	next.Trees["python"] = Tree{Dir: dir, List: list}
	next.unpack()
	next.must("enter")
	entries, err := os.ReadDir(filepath.Join(h.base, "python-with-min_1"))
	if err != nil || len(entries) != 2 || entries[1].Name() != "lib64" {
		t.Errorf("%v, %v", entries, err)
	}
	if out := next.must("leave"); out != "" {
		t.Errorf("it says %s", out)
	}
	if in := h.in(); in != "package" {
		t.Errorf("left are %s", in)
	}
}

// TestBesideOthers has a generation that tlsfloor itself installed, which is in use again when the package
// is gone, if it has a proof that passed.
func TestBesideOthers(t *testing.T) {
	proof := []byte("a proof")
	note := &deploy.ProofNote{Status: "pass", Digest: digest.Of(proof)}
	for name, test := range map[string]struct {
		g    deploy.Generation
		text []byte
		want string
	}{
		"proved":                 {deploy.Generation{Proof: note}, proof, "1"},
		"adopted":                {deploy.Generation{Adopted: true}, nil, "1"},
		"without a proof":        {deploy.Generation{}, nil, ""},
		"whose proof is gone":    {deploy.Generation{Proof: note}, nil, ""},
		"whose proof is another": {deploy.Generation{Proof: note}, []byte("another"), ""},
		"that did not pass": {deploy.Generation{Proof: &deploy.ProofNote{Status: "fail",
			Digest: note.Digest}}, proof, ""},
		"that only looks adopted": {deploy.Generation{Downgrade: `"adopted": true`}, nil, ""},
		"with a verdict elsewhere": {deploy.Generation{Proof: &deploy.ProofNote{Status: "pass",
			Verdict: note.Digest}}, nil, ""},
	} {
		h := newHost(t)
		own := filepath.Join(h.base, ".tlsfloor/min_1/1")
		if err := os.MkdirAll(own, 0o755); err != nil {
			t.Fatal(err)
		}
		test.g.Profile, test.g.Components = "min_1", h.Generation.Components
		text, err := json.MarshalIndent(test.g, "", "  ")
		if err == nil {
			err = os.WriteFile(filepath.Join(own, "generation.json"), text, 0o644)
		}
		if err == nil && test.text != nil {
			err = os.WriteFile(filepath.Join(own, "proof.json"), test.text, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Join(h.base, ".tlsfloor/min_1/trust"), 0o755); err != nil {
			t.Fatal(err)
		}
		h.touch(".tlsfloor/min_1/trust/cert.pem")
		h.touch(".tlsfloor/min_1/trust/trust.json")
		h.unpack()
		h.must("enter")
		if h.current() != "2" {
			t.Errorf("%s: %s is in use", name, h.current())
		}
		info, err := os.Lstat(filepath.Join(h.base, ".tlsfloor/min_1/trust/cert.pem"))
		if err != nil || !info.Mode().IsRegular() {
			t.Errorf("%s: what the site trusts was replaced: %v", name, err)
		}
		says := "generation 1 of min_1, which did not come with tlsfloor-min-1, is in use"
		if test.want == "" {
			says = "prove it with: tlsfloor verify -to=1"
		}
		if out := h.must("leave"); !strings.Contains(out, says) || h.current() != test.want {
			t.Errorf("%s: %s is in use: %s", name, h.current(), out)
		}
		h.must("purge")
		if _, err := os.Stat(filepath.Join(h.base, ".tlsfloor/min_1/trust/trust.json")); err != nil {
			t.Errorf("%s: what the other generation trusts is gone: %v", name, err)
		}
	}
}

// TestStandsThere refuses a prefix that is taken, before and after unpacking.
func TestStandsThere(t *testing.T) {
	h := newHost(t)
	h.unpack()
	h.Site.Prefixes["python"] = "python-with-min_1"
	if err := os.MkdirAll(filepath.Join(h.base, "python-with-min_1"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, doing := range []string{"check", "enter"} {
		if out, err := h.sh(doing, ""); err == nil || !strings.Contains(out, "python-with-min_1 stands there") {
			t.Errorf("%s: %v: %s", doing, err, out)
		}
	}
	if h.current() != "" {
		t.Errorf("%s is in use", h.current())
	}
}

// TestStopped lets each program that the script calls fail, one after the other: the old generation stays in
// use, and the next try ends well.
func TestStopped(t *testing.T) {
	for _, program := range []string{"cp", "sed", "date", "ln", "sync", "mv"} {
		t.Run(program, func(t *testing.T) {
			h := newHost(t)
			h.unpack()
			h.must("enter")
			h.unpack()
			shims := t.TempDir()
			text := "#!/bin/sh\nexit 1\n"
			if err := os.WriteFile(filepath.Join(shims, program), []byte(text), 0o755); err != nil {
				t.Fatal(err)
			}
			out, err := h.sh("enter", shims)
			if err == nil {
				t.Fatalf("it ends well: %s", out)
			}
			if h.current() != "1" {
				t.Errorf("%s is in use", h.current())
			}
			h.must("enter")
			if h.current() != "2" || strings.Contains(h.in(), ".new") {
				t.Errorf("%s is in use among %s", h.current(), h.in())
			}
			site, err := deploy.Installed("", h.base, "min_1")
			if err != nil {
				t.Fatal(err)
			}
			if altered, _, err := site.Altered(context.Background(), 2, true); err != nil || len(altered) > 0 {
				t.Errorf("altered: %v, %v", altered, err)
			}
		})
	}
}
