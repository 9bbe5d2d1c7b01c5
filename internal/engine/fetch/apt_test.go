package fetch

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// bases is an AptSource with a fixed answer.
type bases []string

func (b bases) Bases(context.Context) ([]string, error) { return b, nil }

func TestPools(t *testing.T) {
	var got []string
	for _, p := range pools([]string{"http://a.test/debian/", "http://a.test/debian", "http://a.test/debian-security", "https://b.test//ubuntu//", "cdrom:[Disc]/", "mirror+file:/etc/m", "file:/srv/apt", ""},
		"libffi", "libffi_3.4+x~1.orig.tar.gz") {
		got = append(got, p.String())
	}
	want := []string{
		"http://a.test/debian/pool/main/libf/libffi/libffi_3.4+x~1.orig.tar.gz",
		"http://a.test/debian-security/pool/updates/main/libf/libffi/libffi_3.4+x~1.orig.tar.gz",
		"https://b.test/ubuntu/pool/main/libf/libffi/libffi_3.4+x~1.orig.tar.gz",
		"/srv/apt/pool/main/libf/libffi/libffi_3.4+x~1.orig.tar.gz",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for pkg, want := range map[string]string{"openssl": "o", "libzstd": "libz", "lib": "l", "python3.13": "p"} {
		if got := poolPrefix(pkg); got != want {
			t.Errorf("%s: %s, want %s", pkg, got, want)
		}
	}
}

// TestHostApt puts a program in apt-get's place that notes how it was called.
func TestHostApt(t *testing.T) {
	dir := t.TempDir()
	host := HostApt{Path: dir}
	t.Setenv("APT_CONFIG", "/planted")
	if got, err := host.Bases(t.Context()); err != nil || got != nil {
		t.Errorf("without apt-get: %v, %v", got, err)
	}
	fake := func(script string) {
		if err := os.WriteFile(filepath.Join(dir, "apt-get"), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	fake(`echo "$@" >` + dir + `/args; echo http://a.test/debian/; echo http://a.test/debian/; echo http://a.test/debian-security/`)
	got, err := host.Bases(t.Context())
	if err != nil || !slices.Equal(got, []string{"http://a.test/debian/", "http://a.test/debian/", "http://a.test/debian-security/"}) {
		t.Errorf("got %v, %v", got, err)
	}
	args, _ := os.ReadFile(filepath.Join(dir, "args"))
	if !strings.Contains(string(args), "indextargets --format $(REPO_URI)") || !strings.Contains(string(args), "Dir::Cache::pkgcache=") {
		t.Errorf("called with %s", args)
	}
	fake("exit 100")
	if _, err := host.Bases(t.Context()); err == nil {
		t.Error("an apt-get that fails was not reported")
	}
	fake(`echo "$APT_CONFIG"`)
	if got, err := host.Bases(t.Context()); err != nil || len(got) > 0 {
		t.Errorf("the caller's environment reaches it: %v, %v", got, err)
	}
	// What stands in the caller's PATH is not asked.
	fake("touch " + dir + "/planted")
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	HostApt{}.Bases(t.Context())
	if _, err := os.Stat(dir + "/planted"); err == nil {
		t.Error("an apt-get of the caller's PATH was run")
	}
}

type brokenApt struct{ asked int }

func (b *brokenApt) Bases(context.Context) ([]string, error) {
	b.asked++
	return nil, errors.New("no lists")
}

func TestAptIsAskedOnce(t *testing.T) {
	apt := &brokenApt{}
	r := newRig(t, Options{Apt: apt})
	for range 2 {
		r.Fetch(t.Context(), source())
	}
	if apt.asked != 1 || strings.Count(r.said(), "no apt mirror: no lists") != 1 {
		t.Errorf("asked %d times; said %s", apt.asked, r.said())
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, source().File), payload)
	apt = &brokenApt{}
	newRig(t, Options{Apt: apt, Mirrors: []string{dir}}).brings(t, source(), dir)
	if apt.asked != 0 {
		t.Error("apt was asked although a mirror had the file")
	}
}
