package command

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tlsfloor/tlsfloor/artifacts/bundle/bundletest"
	tuf "github.com/tlsfloor/tlsfloor/artifacts/repository"
	"github.com/tlsfloor/tlsfloor/artifacts/sign"
	"github.com/tlsfloor/tlsfloor/internal/engine/store"
	"github.com/tlsfloor/tlsfloor/internal/ground/event"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
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
		"-keys="+m.keys()); !strings.Contains(out, repo+": published, and read back\n") {
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
	// The word of the repository is enough.
	unsigned := bundletest.Make(t, t.TempDir(), bundletest.Options{Python: "3.13.17"})
	m.says(0, "publish", unsigned, "-unsigned", "-sequence=4", "-to="+repo, "-keys="+m.keys())
	install(0, repo)
	if got := m.version(); got != "3.13.17" {
		t.Errorf("%s is in use", got)
	}
}

// TestPolicyOfRepositories: the administrator says which root.json is trusted, for what, and how many have
// to sign.
func TestPolicyOfRepositories(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("a policy is root's")
	}
	m := newReceiving(t)
	repo, _, root := m.published()
	defer func(was string) { etc = was }(etc)
	etc = filepath.Join(m.dir, "etc")
	text, err := os.ReadFile(root)
	if err == nil {
		err = os.MkdirAll(filepath.Join(etc, tuf.RootsDir), 0o755)
	}
	for _, name := range []string{"us.json", "copy.json"} {
		if err == nil {
			err = os.WriteFile(filepath.Join(etc, tuf.RootsDir, name), text, 0o644)
		}
	}
	st, err2 := store.Open(filepath.Join(m.dir, "store"))
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	for policy, codes := range map[string]map[string]int{ // -trustroot -> exit status
		"":                                   {"us": 0, "copy": 0, root: 0, "": 2, "none": 6},
		`{"format": 1, "signed_only": true}`: {"us": 0, root: 6},
		`{"format": 1, "threshold": 2}`:      {"us": 6, root: 6},
		`{"format": 1, "roots": {"us.json": {}}}`:                      {"us": 0, "copy": 6, root: 6},
		`{"format": 1, "roots": {"us.json": {"profiles": ["lts-*"]}}}`: {"us": 6},
	} {
		file := filepath.Join(etc, sign.PolicyFile)
		os.Remove(file)
		if policy != "" {
			if err := os.WriteFile(file, []byte(policy), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		for trusted, want := range codes {
			c := &command{options: options{From: repo, TrustRoot: trusted, Profile: "min-tls1_2"},
				sink: func(event.Event) {}}
			trust, err := c.bundleTrust()
			if err == nil {
				_, err = c.take(t.Context(), st, t.TempDir(), trust, false)
			}
			if got := int(fault.CodeOf(err)); got != want {
				t.Errorf("%s -trustroot=%s: exit status %d, want %d: %v", policy, trusted, got, want, err)
			}
		}
	}
	stranger := filepath.Join(etc, tuf.RootsDir, "us.json")
	os.Remove(filepath.Join(etc, sign.PolicyFile))
	if err := os.Chown(stranger, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	if _, _, err := tuf.TrustedRoot("us", etc); fault.CodeOf(err) != fault.BadSignature ||
		fault.HintOf(err) == "" {
		t.Errorf("a root.json that is not root's: %v", err)
	}
}
