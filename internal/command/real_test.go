package command

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tlsfloor/tlsfloor/artifacts/deploy"
	"github.com/tlsfloor/tlsfloor/artifacts/deploy/deploytest"
	"github.com/tlsfloor/tlsfloor/internal/engine/sandbox"
	"github.com/tlsfloor/tlsfloor/internal/engine/store"
)

// part is one part of TestReal. It runs alone too, such as by -run TestReal/bundle, on its own copy of what
// the cold build installed.
type part struct {
	name string
	// "" runs each time. Of the groups with a name CI runs one each day (.ci/run lists them), and "long" are
	// those that only `test -long` runs.
	group string
	run   func(*real, *testing.T)
}

// long is the group of the parts that only `test -long` runs.
const long = "long"

var parts = []part{
	{"claimed", "", (*real).claimed},
	{"nothing to do", "", (*real).nothingToDo},
	{"python", "", (*real).python},
	{"trust", "", (*real).trust},
	{"modules", "", (*real).modules},
	{"hello", "", (*real).hello},
	{"pip", "", (*real).pip},
	{"altered file", "", (*real).altered},
	{"corrupt store", "", (*real).corruptStore},
	{"moved", "", (*real).moved},
	{"switch under a running python", "", (*real).runningPython},
	{"ordinary user", "", (*real).ordinaryUser},
	{"missing link", "", (*real).missingLink},
	{"module", "", (*real).module},
	{"judge", "", (*real).judge},
	{"planted", "", (*real).planted},
	{"others", "programs", (*real).others},
	{"audit", "programs", (*real).audit},
	{"bump", "programs", (*real).bump},
	{"clients", "clients", (*real).clients},
	{"book", "pages", (*real).book},
	{"bundle", "bundles", (*real).bundle},
	{"postgres", "postgres", (*real).postgres},
	{"rebuild", "rebuild", (*real).rebuild},
	{"killed", long, (*real).killed},
	{"the guide's flags", long, (*real).guidesFlags},
	{"sysroot", long, (*real).sysroot},
	{"sets", long, (*real).sets},
	{"lts-3.0", long, func(r *real, t *testing.T) { r.profile(t, "lts-3.0") }},
	{"legacy", long, func(r *real, t *testing.T) { r.profile(t, "legacy") }},
	{"fresh machine", long, (*real).freshMachine},
	{"packages", long, (*real).packages}, // last: what it installs on the host can bring a newer perl
}

// groups are those that the environment asks for: TLSFLOOR_TEST_GROUPS, else all but long, which
// TLSFLOOR_TEST=long adds.
func groups(t *testing.T) map[string]bool {
	t.Helper()
	known := map[string]bool{}
	for _, p := range parts {
		known[p.group] = p.group != long || os.Getenv("TLSFLOOR_TEST") == long
	}
	asked, set := os.LookupEnv("TLSFLOOR_TEST_GROUPS")
	if !set {
		return known
	}
	some := map[string]bool{"": true}
	for _, name := range strings.FieldsFunc(asked, func(r rune) bool { return r == ',' || r == ' ' }) {
		if _, is := known[name]; !is {
			t.Fatalf("TLSFLOOR_TEST_GROUPS: no part is of group %q", name)
		}
		some[name] = true
	}
	return some
}

// TestReal builds the default profile from an empty store into an image's root folder, proves it there, and
// tries what a user does next. `mage test` asks for it with TLSFLOOR_TEST=real.
func TestReal(t *testing.T) {
	if os.Getenv("TLSFLOOR_TEST") == "" {
		t.Skip("builds OpenSSL and Python, which takes minutes: run `go tool mage test`")
	}
	first := &real{t: t, root: filepath.Join(t.TempDir(), "image"), store: os.Getenv("TLSFLOOR_TEST_STORE")}
	if first.store == "" {
		first.store = filepath.Join(t.TempDir(), "store")
	}
	var costs strings.Builder
	try := func(name string, run func(t *testing.T)) bool {
		wall, cpu := time.Now(), spent(t)
		passed := t.Run(name, run)
		if d := time.Since(wall); d > 10*time.Millisecond { // else -run left it out
			fmt.Fprintf(&costs, "%8.1f %8.1f  %s\n", d.Seconds(), (spent(t) - cpu).Seconds(), name)
		}
		return passed
	}
	if !try("cold build", first.cold) {
		return
	}
	asked := groups(t)
	for _, p := range parts {
		if asked[p.group] {
			try(p.name, func(t *testing.T) { p.run(first.copied(t), t) })
		}
	}
	t.Logf("seconds, and of processors:\n%s", costs.String())
}

// copied is the installation of the cold build, in an image of the part's own.
func (r *real) copied(t *testing.T) *real {
	t.Helper()
	if _, err := os.Stat(r.root); err != nil { // -run left the cold build out
		r.tlsfloor(t, "build")
	}
	mine := &real{t: t, root: filepath.Join(t.TempDir(), "image"), store: r.store}
	if out, err := exec.Command("cp", "-a", "--reflink=auto", r.root, mine.root).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return mine
}

// spent is what this process and those that it waited for have had of the processors.
func spent(t *testing.T) (sum time.Duration) {
	t.Helper()
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if err := syscall.Getrusage(who, &u); err != nil {
			t.Fatal(err)
		}
		sum += time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	return sum
}

// missingLink takes a prefix's link away: that is not "nothing to do".
func (r *real) missingLink(t *testing.T) {
	link := filepath.Join(r.root, "opt", "python-with-min-tls1_2")
	if err := os.Remove(link); err != nil {
		t.Fatal(err)
	}
	r.tlsfloor(t, "build")
	if _, err := os.Stat(link + "/bin/python3"); err != nil {
		t.Errorf("the link was not put back: %v", err)
	}
}

type real struct {
	t           *testing.T
	root, store string
}

// tlsfloor runs the program against the image and returns its standard output and error.
func (r *real) tlsfloor(t *testing.T, args ...string) (stdout, stderr string) {
	t.Helper()
	// A careful root's umask must not decide who can use a toolchain.
	cmd := exec.Command("/bin/sh", append([]string{"-c", `umask 077 && exec "$0" "$@"`, program}, append(args, "-root="+r.root)...)...)
	cmd.Env = append(os.Environ(), "TLSFLOOR_STORE="+r.store, "TLSFLOOR_MIRROR="+os.Getenv("TLSFLOOR_TEST_MIRROR"))
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, io.MultiWriter(&errs, os.Stderr)
	begun := time.Now()
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out.String())
	}
	t.Logf("tlsfloor %v took %.1f s", args, time.Since(begun).Seconds())
	return out.String(), errs.String()
}

// site is the image's place of the default profile.
func (r *real) site() deploy.Site {
	return deploy.Site{Root: r.root, Base: "/opt", Profile: "min-tls1_2", Prefixes: map[string]string{"openssl": "openssl-with-min-tls1_2", "python": "python-with-min-tls1_2"}}
}

func (r *real) cold(t *testing.T) {
	stdout, _ := r.tlsfloor(t, "build")
	t.Log("\n" + stdout)
	b, err := os.ReadFile(filepath.Join(r.site().Dir(1), "proof.json"))
	if err != nil {
		t.Fatal(err)
	}
	var proof struct {
		Status   string
		Findings []struct{ Status string }
	}
	if err := json.Unmarshal(b, &proof); err != nil {
		t.Fatal(err)
	}
	proved := 0
	warned := 0
	for _, f := range proof.Findings {
		if f.Status == "warned" {
			warned++
		}
		if f.Status == "pass" {
			proved++
		}
	}
	if proof.Status != "pass" || proved < 60 || proved+warned != len(proof.Findings) {
		t.Fatalf("the proof is %q with %d of %d cases", proof.Status, proved, len(proof.Findings))
	}
}

func (r *real) nothingToDo(t *testing.T) {
	stdout, stderr := r.tlsfloor(t, "build")
	if !strings.Contains(stdout, "proof of ") || !strings.Contains(stdout, " reused") {
		t.Errorf("the proof was not reused:\n%s", stdout)
	}
	if strings.Contains(stderr, "building") {
		t.Errorf("something was built again:\n%s", stderr)
	}
}

// inside runs a command where the image's trees stand at their compiled-in prefixes.
func (r *real) inside(t *testing.T, argv ...string) string {
	t.Helper()
	cmd, err := r.command(t, argv...)
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", argv, err, out)
	}
	return string(out)
}

func (r *real) command(t *testing.T, argv ...string) (*exec.Cmd, error) {
	return r.beside(t, nil, argv...)
}

// beside prepares a command that also sees folders of the host, each where it stands.
func (r *real) beside(t *testing.T, folders []string, argv ...string) (*exec.Cmd, error) {
	mode, reason := sandbox.Probe(context.Background())
	if mode != sandbox.Namespaces {
		t.Skip("no namespaces here: " + reason)
	}
	work := t.TempDir()
	mounts := []sandbox.Mount{{From: filepath.Join(r.root, "opt"), To: "/opt"},
		{From: work, To: work, Writable: true}}
	for _, folder := range folders {
		mounts = append(mounts, sandbox.Mount{From: folder, To: folder})
	}
	return sandbox.Command(context.Background(), sandbox.Spec{Mode: mode, Argv: argv, Dir: work, HostView: true,
		Env: []string{"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8", "HOME=" + work}, Mounts: mounts})
}

const python3 = "/opt/python-with-min-tls1_2/bin/python3"

func (r *real) python(t *testing.T) {
	if got := r.inside(t, python3, "--version"); got != "Python 3.13.15\n" {
		t.Errorf("python3 --version prints %q", got)
	}
	got := r.inside(t, python3, "-c", "import ssl, hashlib, zlib, sys, sysconfig; print(ssl.OPENSSL_VERSION, ssl.HAS_TLSv1_1, sys.prefix, sysconfig.get_config_var('prefix'))")
	if !strings.HasPrefix(got, "OpenSSL 3.5.7 ") || !strings.HasSuffix(got, " False /opt/python-with-min-tls1_2 /opt/python-with-min-tls1_2\n") {
		t.Errorf("ssl and sysconfig say %q", got)
	}
	got = r.inside(t, "/bin/sh", "-c", python3+" -m venv venv && venv/bin/pip --version && venv/bin/python -c 'import ssl; print(ssl.OPENSSL_VERSION)'")
	if !strings.Contains(got, "pip ") || !strings.Contains(got, "OpenSSL 3.5.7") {
		t.Errorf("a venv says %q", got)
	}
	text, err := os.ReadFile(filepath.Join(r.root, "/opt/python-with-min-tls1_2/lib/python3.13/EXTERNALLY-MANAGED"))
	if err != nil || !strings.Contains(string(text), "/opt/python-with-min-tls1_2/bin/python3 -m venv") {
		t.Errorf("EXTERNALLY-MANAGED: %v\n%s", err, text)
	}
	r.inside(t, "/opt/openssl-with-min-tls1_2/bin/openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-keyout", "key.pem", "-out", "cert.pem")
	got = r.inside(t, "/opt/openssl-with-min-tls1_2/bin/openssl", "version", "-d", "-v")
	if !strings.Contains(got, "OpenSSL 3.5.7") || !strings.Contains(got, `"/opt/openssl-with-min-tls1_2/ssl"`) {
		t.Errorf("openssl says %q", got)
	}
}

// corruptStore flips a byte of one stored file: a fresh installation finds it, builds what is missing anew,
// and no wrong byte arrives.
func (r *real) corruptStore(t *testing.T) {
	st, err := store.Open(r.store)
	if err != nil {
		t.Fatal(err)
	}
	rec := r.record(t, st, "build/python-weak") // a step of seconds
	tree, err := st.Tree(rec.Output)
	if err != nil {
		t.Fatal(err)
	}
	blob := filepath.Join(r.store, "blobs", tree[len(tree)-1].Digest.String()[:2], tree[len(tree)-1].Digest.String())
	b, err := os.ReadFile(blob)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.Chmod(blob, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(blob, b, 0o444); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	_, stderr := r.tlsfloor(t, "verify", "-report="+dir)
	reported(t, dir)
	if !strings.Contains(stderr, "built python-weak") {
		t.Errorf("the corrupt step was not built again:\n%s", stderr)
	}
}

// runningPython switches generations under a Python that runs: it goes on importing its own standard library.
func (r *real) runningPython(t *testing.T) {
	cmd, err := r.command(t, python3, "-c", "import sys\nprint('up', flush=True)\nsys.stdin.readline()\n"+
		"import decimal, email.mime.text, xml.dom.minidom, asyncio, http.server, ssl\nprint('imported', decimal.__file__, flush=True)\n")
	if err != nil {
		t.Fatal(err)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	first := make([]byte, 3)
	if _, err := io.ReadFull(out, first); err != nil || string(first) != "up\n" {
		t.Fatalf("python says %q, %v, %s", first, err, errs.String())
	}
	r.emptyGeneration(t)
	io.WriteString(in, "go on\n")
	rest, err := io.ReadAll(out)
	if waitErr := cmd.Wait(); err != nil || waitErr != nil || !strings.Contains(string(rest), "/.tlsfloor/min-tls1_2/1/python/lib/") {
		t.Errorf("after the switch: %q, %v, %v\n%s", rest, err, waitErr, errs.String())
	}
	if stdout, _ := r.tlsfloor(t, "rollback"); !strings.Contains(stdout, "generation 1 is in use") {
		t.Errorf("rollback says %q", stdout)
	}
}

// emptyGeneration switches to a generation without any file.
func (r *real) emptyGeneration(t *testing.T) {
	t.Helper()
	site := r.site()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "empty"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	st, err := store.Open(r.store)
	if err != nil {
		t.Fatal(err)
	}
	output, err := st.AddTree(context.Background(), dir)
	if err != nil {
		t.Fatal(err)
	}
	g := deploy.Generation{Profile: site.Profile, Created: time.Now(), Components: map[string]deploy.Component{}}
	for name := range site.Prefixes {
		g.Components[name] = deploy.Component{Version: "0", Prefix: site.Prefix(name), Output: output}
	}
	if g, err = site.Stage(context.Background(), deploy.FromStore(st), g); err != nil {
		t.Fatal(err)
	}
	deploytest.Use(t, site, g)
}

// reachable lets everybody come to what a test has made: its folders are its own user's otherwise.
func reachable(t *testing.T, path string) {
	t.Helper()
	for dir := filepath.Dir(path); dir != "/" && dir != os.TempDir(); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// ordinaryUser looks at the root's installation as somebody who may write nothing.
func (r *real) ordinaryUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("becoming another user needs root")
	}
	reachable(t, r.root)
	cmd := exec.Command("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "/bin/sh", "-c", filepath.Join(r.root, python3)+` -c "import ssl; print(ssl.OPENSSL_VERSION)"`)
	cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=/nonexistent"}
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "OpenSSL 3.5.7") {
		t.Errorf("%v\n%s", err, out)
	}
}
