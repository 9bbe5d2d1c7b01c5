package command

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tlsfloor/tlsfloor/artifacts/bundle"
	"github.com/tlsfloor/tlsfloor/artifacts/bundle/bundletest"
	"github.com/tlsfloor/tlsfloor/artifacts/deploy"
	"github.com/tlsfloor/tlsfloor/artifacts/sign"
	"github.com/tlsfloor/tlsfloor/internal/ground/event"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/verify"
)

// receiving is a machine on which small bundles are installed, whose proofs are taken from them.
type receiving struct {
	*testing.T
	dir    string
	signer *sign.Signer
	key    sign.Key
}

func newReceiving(t *testing.T) *receiving {
	m := &receiving{T: t, dir: t.TempDir()}
	m.signer, m.key = bundletest.Key(t, filepath.Join(m.dir, "key"))
	return m
}

func (m *receiving) site() deploy.Site {
	return deploy.Site{Base: filepath.Join(m.dir, "opt"), Profile: "min-tls1_2"}
}

// release makes a signed bundle.
func (m *receiving) release(o bundletest.Options) string {
	m.Helper()
	o.Signer = m.signer
	return bundletest.Make(m.T, m.TempDir(), o)
}

// numbered is a release that is good for a day.
func numbered(n int64) *bundle.Release {
	now := time.Now().UTC().Truncate(time.Second)
	return &bundle.Release{Sequence: n, Made: now.Add(-time.Hour), Expires: now.Add(24 * time.Hour)}
}

// says runs the program with the exit status that is wanted, and returns what it prints.
func (m *receiving) says(want int, args ...string) string {
	m.Helper()
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), "TLSFLOOR_STORE="+filepath.Join(m.dir, "store"), "TLSFLOOR_PREFIX="+m.site().Base)
	out, err := cmd.CombinedOutput()
	if got := cmd.ProcessState.ExitCode(); got != want {
		m.Fatalf("%v: exit status %d, want %d: %v\n%s", args, got, want, err, out)
	}
	return string(out)
}

func (m *receiving) install(want int, from string, args ...string) string {
	m.Helper()
	return m.says(want, append([]string{"install", "-unproved", "-from=" + from, "-key=" + m.key.From}, args...)...)
}

// version is that of the Python in use.
func (m *receiving) version() string {
	g, err := m.site().Generation(m.site().Current())
	if err != nil {
		return ""
	}
	return g.Components["python"].Version
}

// TestOldReleases: an older release than what is in use, or was, is refused, and what is in use stays;
// -downgrade installs it, and it is noted.
func TestOldReleases(t *testing.T) {
	m := newReceiving(t)
	old := m.release(bundletest.Options{Python: "3.13.14", Release: numbered(1)})
	new := m.release(bundletest.Options{Release: numbered(2)})
	same := m.release(bundletest.Options{Text: "built anew", Release: numbered(1)})
	ancient := m.release(bundletest.Options{Text: "signed before there were numbers"})
	m.install(0, old)
	m.install(0, new)
	m.install(0, new) // again
	refused := func(from, why string) {
		t.Helper()
		if out := m.install(6, from); !strings.Contains(out, why) || !strings.Contains(out, "hint: ") {
			t.Errorf("%s: it says\n%s", why, out)
		}
	}
	refused(old, "is older than release 2 of tlsfloor-min-tls1_2-python-3.13.15")
	refused(old, "python 3.13.15 of generation 2, where this has 3.13.14")
	refused(same, "is older than release 2")
	refused(ancient, "where this is 0")
	m.says(0, "rollback")
	refused(same, "is older than release 2") // what was in use counts
	m.says(0, "uninstall")
	refused(old, "is older than release 2") // and it is remembered
	if got := m.version(); got != "" {
		t.Errorf("%s is in use", got)
	}
	m.install(0, new)
	m.install(0, old, "-downgrade")
	if out := m.says(0, "status"); !strings.Contains(out, "-downgrade: it was older than release 2 of tlsfloor-min-tls1_2-python-3.13.15") {
		t.Errorf("status says\n%s", out)
	}
	if got := m.version(); got != "3.13.14" {
		t.Errorf("%s is in use", got)
	}
	refused(same, "is older than release 2")
	m.install(0, m.release(bundletest.Options{Release: numbered(3)}))
}

// TestOlderVersions: without numbers, and whoever signed them, versions do not go back either.
func TestOlderVersions(t *testing.T) {
	m := newReceiving(t)
	m.install(0, m.release(bundletest.Options{OpenSSL: "3.5.7"}))
	from := bundletest.Make(t, t.TempDir(), bundletest.Options{OpenSSL: "3.5.6", Python: "3.13.16"})
	out := m.says(6, "install", "-unproved", "-unsigned", "-from="+from)
	if !strings.Contains(out, "openssl 3.5.7 of generation 1, where this has 3.5.6") {
		t.Errorf("it says\n%s", out)
	}
	other, _ := bundletest.Key(t, filepath.Join(m.dir, "other"))
	from = bundletest.Make(t, t.TempDir(), bundletest.Options{OpenSSL: "3.5.6", Signer: other, Release: numbered(1)})
	m.says(6, "install", "-unproved", "-from="+from, "-key="+filepath.Join(m.dir, "other.pub.pem"))
	if m.site().Current() != 1 {
		t.Error("generation 1 is no longer in use")
	}
}

// TestAnotherThanWasAskedFor: profile and floor are held against what was asked for, by flag and by variable.
func TestAnotherThanWasAskedFor(t *testing.T) {
	m := newReceiving(t)
	from := m.release(bundletest.Options{Release: numbered(1)})
	says := "it is of profile min-tls1_2, and min-tls1_3 was asked for"
	if out := m.install(6, from, "-profile=min-tls1_3"); !strings.Contains(out, says) {
		t.Errorf("it says\n%s", out)
	}
	if out := m.install(6, from, "-floor=1.3"); !strings.Contains(out, "its floor is TLS 1.2, and TLS 1.3 is wanted") {
		t.Errorf("it says\n%s", out)
	}
	if out := m.says(6, "bundle:verify", from, "-key="+m.key.From, "-profile=min-tls1_3"); !strings.Contains(out, says) {
		t.Errorf("it says\n%s", out)
	}
	lower := m.release(bundletest.Options{Profile: "min-tls1_3", Floor: verify.TLS12, Release: numbered(1)})
	if out := m.install(6, lower); !strings.Contains(out, "its floor is TLS 1.2, and TLS 1.3 is wanted") {
		t.Errorf("it says\n%s", out)
	}
	t.Setenv("TLSFLOOR_PROFILE", "min-tls1_3")
	if out := m.install(6, from); !strings.Contains(out, says) {
		t.Errorf("it says\n%s", out)
	}
	t.Setenv("TLSFLOOR_PROFILE", "min-tls1_2")
	m.install(0, from, "-floor=1.2")
}

// TestAnotherName: at the name of one bundle lies another one, well signed: of another profile, or of another
// version. A place with a name of its own says nothing.
func TestAnotherName(t *testing.T) {
	m := newReceiving(t)
	right := m.release(bundletest.Options{Release: numbered(2)})
	for _, o := range []bundletest.Options{{Profile: "legacy", Floor: verify.TLS12, Release: numbered(9)},
		{Python: "3.13.99", Release: numbered(9)}} {
		wrong := m.release(o)
		at := filepath.Join(t.TempDir(), filepath.Base(right))
		if err := os.CopyFS(at, os.DirFS(wrong)); err != nil {
			t.Fatal(err)
		}
		for _, from := range []string{at, at + "/"} {
			says := filepath.Base(wrong) + ": it lies at the name of " + filepath.Base(right)
			if out := m.install(6, from); !strings.Contains(out, says) {
				t.Errorf("it says\n%s", out)
			}
			if out := m.says(6, "bundle:verify", from, "-key="+m.key.From); !strings.Contains(out, says) {
				t.Errorf("it says\n%s", out)
			}
		}
	}
	latest := filepath.Join(t.TempDir(), "latest")
	if err := os.CopyFS(latest, os.DirFS(right)); err != nil {
		t.Fatal(err)
	}
	m.install(0, latest)
	m.install(0, right)
}

func TestNamedIn(t *testing.T) {
	const name = "tlsfloor-min-tls1_2-python-3.13.15-openssl-3.5.7-linux-x86_64"
	for from, want := range map[string]string{
		"/srv/" + name: name, name + "/": name, "./" + name + "/" + name + ".tar.xz": name,
		"https://host/x/" + name + "/" + name + ".tar.zst": name, "https://host/" + name + "/?a=b": name,
		"oci://host/tools:" + name: name, "oci+http://127.0.0.1:5000/a/b:" + name: name,
		"oci://host/tools:1.0": "", "/srv/latest": "", "https://host/": "", "latest.tar.xz": "",
		"/srv/" + name + "/latest": "",
	} {
		if got := namedIn(from); got != want {
			t.Errorf("%s: %q", from, got)
		}
	}
}

// TestExpired: a release is refused by name when its time is over, by the clock or by what was in use here
// before; and a release of another bundle is none of this.
func TestExpired(t *testing.T) {
	m := newReceiving(t)
	now := time.Now().UTC().Truncate(time.Second)
	over := m.release(bundletest.Options{Release: &bundle.Release{Sequence: 1, Made: now.Add(-48 * time.Hour), Expires: now.Add(-time.Hour)}})
	for _, args := range [][]string{{"install", "-unproved", "-from=" + over}, {"bundle:verify", over}, {"publish", over, "-to=" + m.dir + "/share"}} {
		if out := m.says(6, append(args, "-key="+m.key.From)...); !strings.Contains(out, "it has expired: release 1 was signed to be used until ") {
			t.Errorf("%v: it says\n%s", args, out)
		}
	}
	// This machine's clock is behind: a release of the year after next was in use, so that of tomorrow is
	// over.
	later := now.AddDate(2, 0, 0)
	m.install(0, m.release(bundletest.Options{Release: &bundle.Release{Sequence: 3, Made: later, Expires: later.Add(time.Hour)}}))
	if out := m.install(6, m.release(bundletest.Options{Text: "next", Release: &bundle.Release{Sequence: 4, Made: now, Expires: now.Add(time.Hour)}})); !strings.Contains(out, "it has expired") {
		t.Errorf("it says\n%s", out)
	}
	for says, spoil := range map[string]func(*bundle.Release){
		"about another bundle":        func(r *bundle.Release) { r.Name = "tlsfloor-other" },
		"counts from 1":               func(r *bundle.Release) { r.Sequence = 0 },
		"ends after it begins":        func(r *bundle.Release) { r.Expires = r.Made },
		"format 2 is not known":       func(r *bundle.Release) { r.Format = 2 },
		"as tlsfloor writes it":       nil,
		"release.json: invalid":       nil,
		"not written as tlsfloor wri": nil,
	} {
		dir := m.release(bundletest.Options{Release: numbered(5)})
		file := filepath.Join(dir, bundle.ReleaseFile)
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case spoil != nil:
			var r bundle.Release
			if err := json.Unmarshal(text, &r); err != nil {
				t.Fatal(err)
			}
			spoil(&r)
			text, _ = r.Encode()
		case strings.HasSuffix(says, "invalid"):
			text = []byte("x")
		default:
			text = []byte(strings.Replace(string(text), `"sequence": 5`, `"sequence": 4, "sequence": 5`, 1))
		}
		if err := os.WriteFile(file, text, 0o644); err != nil {
			t.Fatal(err)
		}
		bundletest.Seal(t, dir, m.signer)
		if out := m.install(6, dir); !strings.Contains(out, says) {
			t.Errorf("%s: it says\n%s", says, out)
		}
	}
}

// TestWithoutWeakPeers: nothing is put in use unproved unless that was said, on the command line, and then
// it is said by status.
func TestWithoutWeakPeers(t *testing.T) {
	m := newReceiving(t)
	from := m.release(bundletest.Options{Release: numbered(1), Controls: true, Without: []string{}})
	controls, err := filepath.Glob(filepath.Join(from, "*-controls.tar.zst"))
	if err != nil || len(controls) != 1 {
		t.Fatal(controls, err)
	}
	if err := os.Remove(controls[0]); err != nil {
		t.Fatal(err)
	}
	never := m.release(bundletest.Options{Release: numbered(1)})
	for _, dir := range []string{from, never} { // taken away, or never made
		for _, env := range []string{"", "true"} {
			t.Setenv("TLSFLOOR_UNPROVED", env)
			out := m.says(9, "install", "-from="+dir, "-key="+m.key.From)
			if !strings.Contains(out, "the weak peers are missing") || m.site().Current() != 0 {
				t.Errorf("it says\n%s", out)
			}
		}
	}
	m.install(0, from)
	if out := m.says(0, "status"); !strings.Contains(out, "elsewhere: it came with tlsfloor-min-tls1_2-python-3.13.15") ||
		!strings.Contains(out, "2026-11-25") {
		t.Errorf("status says\n%s", out)
	}
}

// TestSignaturesStay: an environment variable does not switch them off.
func TestSignaturesStay(t *testing.T) {
	m := newReceiving(t)
	t.Setenv("TLSFLOOR_UNSIGNED", "true")
	from := bundletest.Make(t, t.TempDir(), bundletest.Options{})
	if out := m.says(6, "install", "-unproved", "-from="+from); !strings.Contains(out, "no key is trusted here") || m.site().Current() != 0 {
		t.Errorf("it says\n%s", out)
	}
	m.says(0, "install", "-unproved", "-unsigned", "-from="+from)
}

// TestPolicyIsNotOverridden: whatever flags and variables say, the administrator's word stands.
func TestPolicyIsNotOverridden(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("a policy is root's")
	}
	m := newReceiving(t)
	bundletest.Key(t, filepath.Join(m.dir, "other"))
	defer func(was string) { etc = was }(etc)
	etc = filepath.Join(m.dir, "etc")
	keys := filepath.Join(etc, "keys.d")
	text, err := os.ReadFile(m.key.From)
	if err == nil {
		err = os.MkdirAll(keys, 0o755)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(keys, "us.pem"), text, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	from := m.release(bundletest.Options{Release: numbered(1)})
	other := m.dir + "/other.pub.pem"
	for policy, codes := range map[string]map[string]int{ // how it is called -> exit status
		"":                                   {"": 0, "-unsigned": 0, "-key=us": 0, "-key=other": 6},
		`{"format": 1, "signed_only": true}`: {"": 0, "-unsigned": 6, "-key=us": 0, "-key=other": 6},
		`{"format": 1, "keys": {}}`:          {"": 6, "-unsigned": 0, "-key=us": 6, "-key=other": 6},
		`{"format": 1, "keys": {"us.pem": {"profiles": ["lts-*"]}}}`:               {"": 6, "-key=us": 6},
		`{"format": 1, "keys": {"us.pem": {"profiles": ["lts-*", "min-tls1_2"]}}}`: {"": 0, "-key=us": 0},
		`{"format": 1, "threshold": 2}`:                                            {"": 6, "-unsigned": 6, "-key=us": 6},
		`{"format": 1, "signed_only": true, "sined": true}`:                        {"": 6, "-unsigned": 6, "-key=us": 6},
	} {
		file := filepath.Join(etc, sign.PolicyFile)
		os.Remove(file)
		if policy != "" {
			if err := os.WriteFile(file, []byte(policy), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		for how, want := range codes {
			c := &command{options: options{From: from, Unsigned: how == "-unsigned"}, sink: func(event.Event) {}}
			switch how {
			case "-key=us":
				c.Key = []string{m.key.From}
			case "-key=other":
				c.Key = []string{other}
			}
			trust, err := c.bundleTrust()
			if err == nil {
				_, err = c.take(t.Context(), nil, t.TempDir(), trust, false)
			}
			if got := int(fault.CodeOf(err)); got != want {
				t.Errorf("%s %s: exit status %d, want %d: %v", policy, how, got, want, err)
			}
		}
	}
}
