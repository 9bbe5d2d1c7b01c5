package command

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tlsfloor/tlsfloor/artifacts/bundle"
	"github.com/tlsfloor/tlsfloor/artifacts/deploy"
	"github.com/tlsfloor/tlsfloor/artifacts/packages"
	"github.com/tlsfloor/tlsfloor/internal/engine/store"
)

// packages writes packages with a bundle, holds what linters say of them against docs/packages.md, and has
// dpkg and rpm install, upgrade and remove them in a root folder.
func (r *real) packages(t *testing.T) {
	p := &packaged{bundled: &bundled{real: r, work: t.TempDir()}, root: debootstrapped(t, "bookworm")}
	p.tlsfloor(t, 0, "bundle", "-packages=deb,rpm", "-out="+p.file("out"), "-store="+r.store)
	p.dir = filepath.Join(p.file("out"), "tlsfloor-min-tls1_2-python-3.13.15-openssl-3.5.7-linux-x86_64")
	if out := p.tlsfloor(t, 0, "bundle:verify", p.dir, "-unsigned"); !strings.Contains(out, ": pass") {
		t.Errorf("it says\n%s", out)
	}
	install(t, "rpm", "lintian", "rpmlint", "cpio")
	t.Run("swapped", p.swapped)
	t.Run("lint", p.lint)
	t.Run("signed", p.signed)
	if out, err := exec.Command("chroot", p.root, "apt-get", "install", "-y", "--no-install-recommends", "ca-certificates").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Run("dpkg", func(t *testing.T) {
		p.lifetime(t, packages.Deb, []string{"dpkg", "--root=" + p.root, "-i"}, []string{"dpkg", "--root=" + p.root, "--verify", packageName}, []string{"dpkg", "--root=" + p.root, "--purge", packageName})
	})
	t.Run("rpm", func(t *testing.T) {
		rpm := []string{"rpm", "--root=" + p.root, "--nodeps"} // rpm does not know what dpkg has installed there
		p.lifetime(t, packages.RPM, append(slices.Clone(rpm), "-U"), append(slices.Clone(rpm), "-V", packageName), append(slices.Clone(rpm), "-e", packageName))
	})
}

// signed writes the packages with OpenPGP signatures, which rpm and gpg take.
func (p *packaged) signed(t *testing.T) {
	home := t.TempDir()
	gpg := func(args ...string) string {
		return p.does(t, append([]string{"gpg", "--homedir", home, "--batch", "--quiet", "--passphrase", ""},
			args...)...)
	}
	gpg("--quick-gen-key", "Somebody <somebody@localhost>", "rsa3072", "sign", "never")
	for file, what := range map[string]string{"pgp.asc": "--export-secret-keys", "pgp.pub.asc": "--export"} {
		if err := os.WriteFile(p.file(file), []byte(gpg("--armor", what)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p.key(t, "key")
	out := p.tlsfloor(t, 0, "bundle", "-packages=deb,rpm", "-sign="+p.file("key.pem"),
		"-pgpkey="+p.file("pgp.asc"), "-out="+p.file("signed"), "-store="+p.store)
	if !strings.Contains(out, "packages signed by OpenPGP key ") {
		t.Errorf("it says\n%s", out)
	}
	dir := filepath.Join(p.file("signed"), "tlsfloor-min-tls1_2-python-3.13.15-openssl-3.5.7-linux-x86_64")
	s := &packaged{bundled: &bundled{real: p.real, work: p.work, dir: dir}}
	s.tlsfloor(t, 0, "bundle:verify", dir, "-key="+p.file("key.pub.pem"))
	db := "--dbpath=" + t.TempDir()
	p.does(t, "rpmkeys", db, "--import", p.file("pgp.pub.asc"))
	said := p.does(t, "rpmkeys", db, "-K", "-v", s.the(t, "rpm"))
	if strings.Count(said, "Signature, key ID") != 2 {
		t.Errorf("rpm says\n%s", said)
	}
	gpg("--verify", s.the(t, "deb")+".asc", s.the(t, "deb"))
	flipByte(t, s.the(t, "rpm"))
	if said, err := exec.Command("rpmkeys", db, "-K", s.the(t, "rpm")).CombinedOutput(); err == nil {
		t.Errorf("an altered one is taken: %s", said)
	}
}

const packageName = "tlsfloor-min-tls1-2"

// install has the host's package manager install what the test wants to try things with.
func install(t *testing.T, names ...string) {
	t.Helper()
	if out, err := exec.Command("apt-get", append([]string{"install", "-y", "--no-install-recommends"}, names...)...).CombinedOutput(); err != nil {
		t.Skipf("%v cannot be had: %v\n%s", names, err, out)
	}
}

type packaged struct {
	*bundled
	root string
}

// the finds a file of the bundle.
func (p *packaged) the(t *testing.T, kind string) string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(p.dir, "*."+kind))
	if err != nil || len(all) != 1 {
		t.Fatalf("%s: %v, %v", kind, all, err)
	}
	return all[0]
}

// next is a newer package of the same name, whose trees are one file each.
func (p *packaged) next(t *testing.T, kind string) string {
	t.Helper()
	site := p.site()
	site.Root = ""
	s := &packages.Spec{Site: site, Trees: map[string]packages.Tree{}, Floor: "1.2", Arch: "x86_64", License: "Apache-2.0", Licences: []byte("terms\n"), Maintainer: "Somebody <somebody@localhost>",
		When: time.Unix(1900000000, 0), Generation: deploy.Generation{Profile: "min-tls1_2", GLIBC: "2.17", Components: map[string]deploy.Component{}}}
	for name, prefix := range site.Prefixes {
		dir := filepath.Join(t.TempDir(), name)
		err := os.MkdirAll(filepath.Join(dir, "bin"), 0o755)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, "bin", "next"), []byte("#!/bin/sh\necho next\n"), 0o755)
		}
		list, err2 := store.Summed(t.Context(), dir)
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		s.Trees[name], s.Generation.Components[name] = packages.Tree{Dir: dir, List: list}, deploy.Component{Version: "9.9", Prefix: "/opt/" + prefix}
	}
	file := filepath.Join(t.TempDir(), s.File(kind))
	if err := packages.Write(t.Context(), s, kind, file); err != nil {
		t.Fatal(err)
	}
	return file
}

// does runs a command, which has to end well.
func (p *packaged) does(t *testing.T, argv ...string) string {
	t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", argv, err, out)
	}
	return string(out)
}

// lifetime installs, upgrades, rolls back and removes; purge is the last of it.
func (p *packaged) lifetime(t *testing.T, kind string, install, verify, remove []string) {
	within := func(argv ...string) string { return p.does(t, append([]string{"chroot", p.root}, argv...)...) }
	site := p.site()
	site.Root = p.root
	blocked := filepath.Join(p.root, "opt", "python-with-min-tls1_2")
	if err := os.MkdirAll(blocked, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(install[0], append(install[1:], p.the(t, kind))...).CombinedOutput(); err == nil || !bytes.Contains(out, []byte("/opt/python-with-min-tls1_2 stands there")) {
		t.Errorf("over what stands there: %v\n%s", err, out)
	}
	if err := os.Remove(blocked); err != nil {
		t.Fatal(err)
	}
	p.does(t, append(install, p.the(t, kind))...)
	p.does(t, verify...)
	const program = `import ssl; print(ssl.OPENSSL_VERSION.split()[1], ssl.HAS_TLSv1_1, len(ssl.create_default_context().get_ca_certs()) > 99)`
	if out := within(python3, "-c", program); out != "3.5.7 False True\n" {
		t.Errorf("it prints %s", out)
	}
	if altered, _, err := site.Altered(t.Context(), 1, true); err != nil || len(altered) > 0 {
		t.Errorf("altered: %v, %v", altered, err)
	}
	if out := p.tlsfloor(t, 0, "status", "-root="+p.root); !strings.Contains(out, "from the package "+packageName) || !strings.Contains(out, "/etc/ssl/certs/ca-certificates.crt") || strings.Contains(out, "altered") {
		t.Errorf("status says\n%s", out)
	}
	if out := p.tlsfloor(t, 2, "uninstall", "-root="+p.root); !strings.Contains(out, "dpkg -r "+packageName) {
		t.Errorf("uninstall says\n%s", out)
	}
	p.does(t, append(install, p.next(t, kind))...)
	p.does(t, verify...)
	if out := within("/opt/python-with-min-tls1_2/bin/next") + within("ls", "/opt/python-with-min-tls1_2/", "/opt/python-with-min-tls1_2/bin"); out != "next\n/opt/python-with-min-tls1_2/:\nbin\n\n/opt/python-with-min-tls1_2/bin:\nnext\n" {
		t.Errorf("it prints %s", out)
	}
	p.tlsfloor(t, 0, "rollback", "-root="+p.root)
	if out := within(python3, "-c", program); out != "3.5.7 False True\n" {
		t.Errorf("rolled back, it prints %s", out)
	}
	if altered, _, err := site.Altered(t.Context(), 1, true); err != nil || len(altered) > 0 {
		t.Errorf("altered by the upgrade: %v, %v", altered, err)
	}
	p.does(t, remove...)
	if left := p.does(t, "find", p.root, "-xdev", "-name", "*tlsfloor*", "-o", "-name", "*min-tls1*"); left != "" {
		t.Errorf("left is\n%s", left)
	}
}

// swapped puts another package into the bundle, and makes everything that is written of it fit: what is in it
// does not.
func (p *packaged) swapped(t *testing.T) {
	for _, kind := range []string{packages.Deb, packages.RPM} {
		dir := filepath.Join(t.TempDir(), filepath.Base(p.dir))
		if err := os.CopyFS(dir, os.DirFS(p.dir)); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, filepath.Base(p.the(t, kind)))
		sum := func() string { return strings.Fields(p.does(t, "sha256sum", file))[0] }
		was := sum()
		p.does(t, "cp", p.next(t, kind), file)
		p.tlsfloor(t, 6, "bundle:verify", dir, "-unsigned")
		p.does(t, "sed", "-i", "s/"+was+"/"+sum()+"/g", filepath.Join(dir, bundle.IndexFile), filepath.Join(dir, bundle.ProvenanceFile), filepath.Join(dir, bundle.SBOMFile))
		entries, err := os.ReadDir(dir)
		var names []string
		for _, e := range entries {
			if !e.IsDir() && e.Name() != bundle.Sums {
				names = append(names, e.Name())
			}
		}
		if err == nil {
			err = bundle.WriteSums(dir, names)
		}
		if err != nil {
			t.Fatal(err)
		}
		if out := p.tlsfloor(t, 6, "bundle:verify", dir, "-unsigned"); !strings.Contains(out, "is not what index.json claims") {
			t.Errorf("%s: it says\n%s", kind, out)
		}
	}
}

// lint holds what Debian's linters find against the page that says why it is so.
func (p *packaged) lint(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "packages.md"))
	if err != nil {
		t.Fatal(err)
	}
	// rpmlint unpacks with cpio, which would write to the absolute names that are in the package.
	relative := t.TempDir()
	if err := os.WriteFile(filepath.Join(relative, "cpio"), []byte("#!/bin/sh\nexec /usr/bin/cpio --no-absolute-filenames \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for tool, c := range map[string]struct {
		argv []string
		tag  *regexp.Regexp
	}{
		"lintian": {[]string{"lintian", "--tag-display-limit", "0", "--fail-on", "none", p.the(t, packages.Deb)}, regexp.MustCompile(`(?m)^[EW]: \S+ ([a-z0-9-]+)`)},
		"rpmlint": {[]string{"sh", "-c", `PATH=$1:$PATH; rpmlint "$0" || true`, p.the(t, packages.RPM), relative}, regexp.MustCompile(`(?m)^\S+ [EW]: ([a-z0-9-]+)`)},
	} {
		found, listed := map[string]bool{}, map[string]bool{}
		for _, m := range c.tag.FindAllStringSubmatch(p.does(t, c.argv...), -1) {
			found[m[1]] = true
		}
		for _, m := range regexp.MustCompile("(?m)^\\| "+tool+" \\| `([a-z0-9-]+)`").FindAllStringSubmatch(string(page), -1) {
			listed[m[1]] = true
		}
		for tag := range found {
			if !listed[tag] {
				t.Errorf("%s finds %s, of which docs/packages.md says nothing", tool, tag)
			}
		}
		for tag := range listed {
			if !found[tag] {
				t.Errorf("docs/packages.md speaks of %s, which %s does not find", tag, tool)
			}
		}
	}
}
