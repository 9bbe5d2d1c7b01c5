package cli

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tlsfloor/tlsfloor/artifacts/bundle/bundletest"
)

// published is a repository with the releases 1 and 2 in it, and one with release 1 only.
func (m *receiving) published() (repo, old, root string) {
	m.Helper()
	repo, old, root = filepath.Join(m.dir, "repo"), filepath.Join(m.dir, "old"), filepath.Join(m.dir,
		"root.json")
	if out := m.says(0, "keys:init", "-to="+repo, "-keys="+m.keys()); !strings.Contains(out,
		"is a repository") {
		m.Errorf("it says\n%s", out)
	}
	text, err := os.ReadFile(filepath.Join(repo, "metadata", "1.root.json"))
	if err == nil {
		err = os.WriteFile(root, text, 0o644)
	}
	if err != nil {
		m.Fatal(err)
	}
	m.publishes(repo, m.release(bundletest.Options{Python: "3.13.14", Release: numbered(1)}))
	if err := os.CopyFS(old, os.DirFS(repo)); err != nil {
		m.Fatal(err)
	}
	m.publishes(repo, m.release(bundletest.Options{Release: numbered(2)}))
	return repo, old, root
}

func (m *receiving) keys() string { return filepath.Join(m.dir, "keys") }

func (m *receiving) publishes(repo, from string) {
	m.Helper()
	if out := m.says(0, "publish", from, "-key="+m.key.From, "-to="+repo,
		"-keys="+m.keys()); !strings.Contains(out, repo+": published\n") {
		m.Errorf("it says\n%s", out)
	}
}

// TestRepository installs from a folder and from a web server, follows a rotation, and refuses what is
// old.
func TestRepository(t *testing.T) {
	m := newReceiving(t)
	repo, old, root := m.published()
	web := httptest.NewServer(http.FileServer(http.Dir(m.dir)))
	defer web.Close()
	install := func(want int, from string, more ...string) string {
		t.Helper()
		return m.says(want, append([]string{"install", "-unproved", "-from=" + from, "-trustroot=" + root},
			more...)...)
	}
	install(0, old)
	if got := m.version(); got != "3.13.14" {
		t.Errorf("%s is in use", got)
	}
	install(0, repo)
	if got := m.version(); got != "3.13.15" {
		t.Errorf("%s is in use", got)
	}
	for _, from := range []string{old, "tuf+" + web.URL + "/old"} { // the same keys, and an older time
		if out := install(6, from); !strings.Contains(out, "rolled back") || m.version() != "3.13.15" {
			t.Errorf("%s: it says\n%s", from, out)
		}
	}
	store := filepath.Join(t.TempDir(), "another store") // the site knows too
	if out := install(6, old, "-store="+store); !strings.Contains(out, "older than release 2") {
		t.Errorf("it says\n%s", out)
	}
	out := m.says(0, "keys:list", "-to="+repo, "-keys="+m.keys(), "-json")
	if !strings.Contains(out, `"role": "timestamp"`) {
		t.Errorf("it says\n%s", out)
	}
	for _, role := range []string{"targets", "snapshot", "timestamp"} {
		m.says(0, "keys:rotate", "-to="+repo, "-keys="+m.keys(), "-role="+role)
	}
	m.says(2, "keys:rotate", "-to="+repo, "-keys="+m.keys(), "-role=root") // which of three?
	m.says(2, "keys:sign", "-to="+repo, "-keys="+m.keys())                 // nothing waits
	m.publishes(repo, m.release(bundletest.Options{Python: "3.13.16", Release: numbered(3)}))
	m.says(0, "keys:refresh", "-to="+repo, "-keys="+m.keys())
	install(0, "tuf+"+web.URL+"/repo")
	if out := m.says(0, "status"); m.version() != "3.13.16" || !strings.Contains(out,
		", from a bundle that key ") {
		t.Errorf("status says\n%s", out)
	}
	install(2, repo, "-key="+m.key.From)
	install(2, repo, "-unsigned")
	install(1, repo, "-profile=min-tls1_3") // there is none in it
	install(6, "tuf+"+web.URL+"/nowhere")
	install(2, "tuf+ftp://x/y")
	install(2, "tuf+"+web.URL+"/repo", "-offline")
	if out := m.says(6, "install", "-unproved", "-from="+repo); !strings.Contains(out,
		"no repository is trusted here") {
		t.Errorf("it says\n%s", out)
	}
	m.says(0, "bundle:verify", repo, "-trustroot="+root)
}
