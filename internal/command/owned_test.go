package command

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// TestStoreWithoutHome never names a folder below /tmp, which somebody else could have made first.
func TestStoreWithoutHome(t *testing.T) {
	c := &command{}
	for name, do := range map[string]func() error{
		"opening":       func() error { _, err := c.openStore(t.Context()); return err },
		"one that is":   func() error { _, err := c.existingStore(t.Context()); return err },
		"cleaning":      func() error { return c.clean(t.Context()) },
		"looking at it": c.usableStore,
	} {
		if err := do(); fault.CodeOf(err) != fault.Usage || !strings.Contains(fault.HintOf(err), "-store") {
			t.Errorf("%s: %v, hint %q", name, err, fault.HintOf(err))
		}
	}
}

// TestPackageManagersAreTheSystems puts others first into PATH, and what makes a program load something
// into the environment.
func TestPackageManagersAreTheSystems(t *testing.T) {
	dir := t.TempDir()
	planted := []string{"LD_PRELOAD", "LD_LIBRARY_PATH", "APT_CONFIG", "PERL5LIB", "PYTHONPATH",
		"DPKG_ROOT", "BASH_ENV", "ENV"}
	for _, name := range planted {
		t.Setenv(name, "/planted")
	}
	t.Setenv("https_proxy", "http://proxy.test:3128")
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	for _, name := range []string{"apt-get", "dnf", "yum", "zypper"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		cmd := managed(t.Context(), []string{name, "install"})
		if !slices.Contains([]string{"/usr/sbin", "/usr/bin", "/sbin", "/bin"}, filepath.Dir(cmd.Path)) ||
			len(cmd.Args) != 2 {
			t.Errorf("%s is %s %q", name, cmd.Path, cmd.Args)
		}
		for _, v := range cmd.Env {
			if variable, value, _ := strings.Cut(v, "="); slices.Contains(planted, variable) ||
				strings.Contains(value, dir) {
				t.Errorf("%s gets %s", name, v)
			}
		}
		if !slices.Contains(cmd.Env, "https_proxy=http://proxy.test:3128") {
			t.Errorf("%s does not get the proxy", name)
		}
	}
}

// TestRecipesOfOthersAreRefused plants one file, deep in a folder of one's own, that others may write:
// every target that reads recipes refuses the folder.
func TestRecipesOfOthersAreRefused(t *testing.T) {
	dir, other := t.TempDir(), filepath.Join(t.TempDir(), "other.yaml")
	file := filepath.Join(dir, "profiles", "site.yaml")
	if err := os.Mkdir(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{file, other} {
		if err := os.WriteFile(name, []byte("# nothing\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	loads := func() error {
		c := &command{options: options{Recipes: []string{dir}}}
		_, err := c.load()
		return err
	}
	if err := loads(); err == nil || strings.Contains(err.Error(), "others may write") {
		t.Fatalf("a folder of one's own: %v", err) // it is no profile
	}
	if err := os.Chmod(file, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := loads(); err == nil || !strings.Contains(err.Error(), file+": others may write") {
		t.Errorf("a file of others: %v", err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(other, file); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(other, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := loads(); err == nil || !strings.Contains(err.Error(), other+": others may write") {
		t.Errorf("a link to a file of others: %v", err)
	}
}
