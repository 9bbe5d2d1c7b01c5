package command

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tlsfloor/tlsfloor/artifacts/deploy"
	"github.com/tlsfloor/tlsfloor/internal/engine/cacerts"
	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/internal/ground/turntest"
)

// damaged is an installed profile with two generations, of which the second is in use, that somebody damages.
// Its paths are compiled in, so that each damage is done to a copy that takes the place of the one before.
type damaged struct {
	t        *testing.T
	dir      string
	env      []string
	pristine string
}

func newDamaged(t *testing.T) *damaged {
	dir, env := crashSite(t, true)
	env = append(env, "TLSFLOOR_PROFILE=empty", "TLSFLOOR_TRUST=host")
	d := &damaged{t: t, dir: dir, env: env, pristine: filepath.Join(dir, "pristine")}
	for _, version := range []string{"3.1.1", "3.1.2"} {
		name := "openssl-" + version
		b, err := pack([][2]string{
			{name + "/build.sh", "printf '#!/bin/sh\\n# " + version + "\\n' >wrapper; chmod 755 wrapper\n"},
			{name + "/install.sh", "mkdir -p \"$1/bin\" \"$1/lib\" && cp wrapper \"$1/bin/openssl\" && " +
				"cp wrapper \"$1/lib/library\"\n"},
		})
		if err != nil {
			t.Fatal(err)
		}
		for path, text := range map[string]string{
			"mirror/" + name + ".tar.gz": string(b),
			"site/profiles/empty.yaml":   fmt.Sprintf(emptyProfile, version),
			"site/openssl.yaml":          fmt.Sprintf(impostorRecipe, "openssl", version, digest.Of(b), len(b)),
		} {
			if err := os.WriteFile(filepath.Join(dir, path), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if code, out := d.run("build"); code != 0 {
			t.Fatalf("exit status %d\n%s", code, out)
		}
	}
	if err := os.Rename(filepath.Join(d.dir, "prefix"), d.pristine); err != nil {
		t.Fatal(err)
	}
	return d
}

// at is a path below the profile's folder.
func (d *damaged) at(name string) string {
	return filepath.Join(d.dir, "prefix", ".tlsfloor", "empty", name)
}

// prefix is the link that people use.
func (d *damaged) prefix() string { return filepath.Join(d.dir, "prefix", "openssl-empty") }

// run runs a target with its flags. The judge of build and verify finds everything as wanted.
func (d *damaged) run(target string, flags ...string) (code int, out string) {
	d.t.Helper()
	cmd := exec.Command(program, append([]string{target}, flags...)...)
	cmd.Env = d.env
	if target == "build" || target == "verify" {
		cmd = exec.Command(os.Args[0])
		cmd.Env = append(d.env, "TLSFLOOR_CRASH=none:0", "TLSFLOOR_CRASH_TARGET="+target)
		for _, f := range flags {
			cmd.Env = append(cmd.Env, "TLSFLOOR_"+strings.ToUpper(strings.TrimPrefix(f, "-"))+"=true")
		}
	}
	text, err := cmd.CombinedOutput()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		d.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(text)
}

// fresh puts an undamaged copy in place, and damages that.
func (d *damaged) fresh(do func() error) {
	d.t.Helper()
	err := os.RemoveAll(filepath.Join(d.dir, "prefix"))
	if err == nil {
		err = exec.Command("cp", "-a", d.pristine, filepath.Join(d.dir, "prefix")).Run()
	}
	if err = errors.Join(err, do()); err != nil {
		d.t.Fatal(err)
	}
}

// instead puts something else in a path's place.
func instead(path string, do func(path string) error) func() error {
	return func() error { return errors.Join(os.RemoveAll(path), do(path)) }
}

func garbage(path string) error { return os.WriteFile(path, []byte("garbage\n"), 0o644) }
func nothing(string) error      { return nil }
func folder(path string) error {
	return errors.Join(os.Mkdir(path, 0o755), os.WriteFile(filepath.Join(path, "file"), nil, 0o644))
}
func copyOf(file string) func(string) error {
	return func(path string) error { return exec.Command("cp", file, path).Run() }
}
func empty(path string) error { return os.Mkdir(path, 0o755) }
func link(target string) func(string) error {
	return func(path string) error { return os.Symlink(target, path) }
}

// claims edits a generation's record.
func (d *damaged) claims(pattern, text string) func() error {
	return func() error {
		b, err := os.ReadFile(d.at("2/generation.json"))
		if err != nil {
			return err
		}
		edited := regexp.MustCompile(pattern).ReplaceAll(b, []byte(text))
		if bytes.Equal(edited, b) {
			return fmt.Errorf("the record has no %q", pattern)
		}
		return os.WriteFile(d.at("2/generation.json"), edited, 0o644)
	}
}

// damageTargets are tried on each damage; the codes of a row are in this order.
var damageTargets = []string{"status", "verify", "build", "rollback", "uninstall", "trust:list"}

type damage struct {
	name  string
	codes string
	do    func() error
}

func (d *damaged) damages() []damage {
	at, prefix := d.at, d.prefix()
	return []damage{
		{"nothing", "0 0 0 0 0 0", func() error { return nil }},
		{"current leads to nothing", "9 9 0 1 0 0", instead(at("current"), link("7"))},
		{"current leads to no number", "9 9 0 1 0 1", instead(at("current"), link("x/y"))},
		{"current is a folder", "9 9 0 1 0 1", instead(at("current"), folder)},
		{"current is a file", "9 9 0 1 0 1", instead(at("current"), garbage)},
		{"current is missing", "9 9 0 1 0 1", instead(at("current"), nothing)},
		{"record is garbage", "9 9 0 1 0 0", instead(at("2/generation.json"), garbage)},
		{"record is missing", "9 9 0 1 0 0", instead(at("2/generation.json"), nothing)},
		{"record is a folder", "9 9 0 1 0 0", instead(at("2/generation.json"), folder)},
		{"record says adopted", "9 9 0 0 0 0", d.claims(`"created"`, `"adopted": true, "created"`)},
		{"record says another prefix", "9 9 0 0 0 0",
			d.claims(`"prefix": "[^"]*"`, `"prefix": "/usr/openssl-empty"`)},
		{"record says another Output", "9 9 0 0 0 0", d.claims(`"output": "...`, `"output": "000`)},
		{"record says another proof", "9 0 0 0 0 0", d.claims(`"digest": "...`, `"digest": "000`)},
		{"record has no proof", "9 0 0 0 0 0", d.claims(`(?s),\s*"proof": \{.*?\}`, ``)},
		{"list is garbage", "9 9 0 0 1 0", instead(at("2/openssl.tree"), garbage)},
		{"list is missing", "9 9 0 0 0 0", instead(at("2/openssl.tree"), nothing)},
		{"list is a folder", "9 9 0 0 1 0", instead(at("2/openssl.tree"), folder)},
		{"list of other files", "9 9 0 0 0 0", instead(at("2/openssl.tree"), copyOf(at("1/openssl.tree")))},
		{"index is garbage", "0 0 0 0 0 0", instead(at("2/index"), garbage)},
		{"index is missing", "0 0 0 0 0 0", instead(at("2/index"), nothing)},
		{"index is a folder", "9 9 0 0 0 0", instead(at("2/index"), folder)},
		{"index agrees with an altered program", "9 9 0 0 0 0", func() error {
			if err := garbage(at("2/openssl/bin/openssl")); err != nil {
				return err
			}
			site, err := deploy.Installed("", filepath.Join(d.dir, "prefix"), "empty")
			return errors.Join(err, os.Chmod(at("2/openssl/bin/openssl"), 0o755), site.Reindex(2))
		}},
		{"proof is garbage", "9 0 0 0 0 0", instead(at("2/proof.json"), garbage)},
		{"proof is missing", "9 0 0 0 0 0", instead(at("2/proof.json"), nothing)},
		{"proof is a folder", "9 9 0 0 0 0", instead(at("2/proof.json"), folder)},
		{"proof of another generation", "9 0 0 0 0 0", instead(at("2/proof.json"), copyOf(at("1/proof.json")))},
		{"trust is missing", "9 9 0 0 0 1", instead(at("trust"), nothing)},
		{"trust.json is missing", "9 9 0 0 0 1", instead(at("trust/trust.json"), nothing)},
		{"trust follows another file", "9 9 0 0 0 1", func() error {
			return errors.Join(os.Remove(at("trust/trust.json")), os.Remove(at("trust/cert.pem")),
				os.Symlink(cacerts.HostBundles()[0], at("trust/cert.pem")))
		}},
		{"trust.json says another cert.pem", "9 9 0 0 0 1", func() error {
			text, err := os.ReadFile(at("trust/trust.json"))
			of := regexp.MustCompile(`"cert_pem": "[0-9a-f]*"`)
			text = of.ReplaceAll(text, []byte(`"cert_pem": "`+digest.Of([]byte("garbage\n")).String()+`"`))
			return errors.Join(err, os.WriteFile(at("trust/trust.json"), text, 0o644),
				garbage(at("trust/cert.pem")))
		}},
		{"trust is garbage", "9 9 0 0 0 1", instead(at("trust/trust.json"), garbage)},
		{"trust is a folder", "9 9 0 0 0 1", instead(at("trust/trust.json"), folder)},
		{"trust's folder is a file", "9 9 0 0 0 1", instead(at("trust"), garbage)},
		{"cert.pem is missing", "9 9 0 0 0 0", instead(at("trust/cert.pem"), nothing)},
		{"cert.pem is a folder", "9 9 0 0 0 0", instead(at("trust/cert.pem"), folder)},
		{"cert.pem is garbage", "9 9 0 0 0 0", instead(at("trust/cert.pem"), garbage)},
		{"lock is a folder", "0 1 1 1 1 0", instead(at("lock"), folder)},
		{"lock is an empty folder", "0 0 0 0 0 0", instead(at("lock"), empty)},
		{"lock is a link", "0 1 1 1 1 0", instead(at("lock"), link("/tmp"))},
		{"lock is missing", "0 0 0 0 0 0", instead(at("lock"), nothing)},
		{"generation is a file", "9 9 0 1 0 0", instead(at("2"), garbage)},
		{"generation is missing", "9 9 0 1 0 0", instead(at("2"), nothing)},
		{"generation is a link", "9 9 0 1 0 0", func() error {
			return errors.Join(os.Rename(at("2"), at("elsewhere")), os.Symlink("elsewhere", at("2")))
		}},
		{"generation is open", "9 9 0 0 1 0", func() error { return os.Chmod(at("2"), 0o777) }},
		{"another generation is broken", "0 0 0 2 0 0", instead(at("1/generation.json"), garbage)},
		{"prefix leads to itself", "9 9 0 0 0 0", instead(prefix, link("openssl-empty"))},
		{"prefix leads to an old generation", "9 9 0 0 0 0",
			instead(prefix, link(".tlsfloor/empty/1/openssl"))},
		{"prefix leads elsewhere", "9 9 1 1 0 0", instead(prefix, link("/usr"))},
		{"prefix leads nowhere", "9 9 1 1 0 0", instead(prefix, link("/nonexistent"))},
		{"prefix is missing", "9 9 0 0 0 0", instead(prefix, nothing)},
		{"prefix is a folder", "9 9 1 1 0 0", instead(prefix, folder)},
		{"tree is missing", "9 9 0 0 0 0", instead(at("2/openssl"), nothing)},
		{"tree is a file", "9 9 0 0 0 0", instead(at("2/openssl"), garbage)},
		{"tree is a link", "9 9 0 0 0 0", func() error {
			return errors.Join(os.Rename(at("2/openssl"), at("equal")), os.Symlink("../equal", at("2/openssl")))
		}},
		{"program is altered", "9 9 0 0 0 0", instead(at("2/openssl/bin/openssl"), garbage)},
		{"program is missing", "9 9 0 0 0 0", instead(at("2/openssl/bin/openssl"), nothing)},
		{"file is added", "9 9 0 0 0 0", func() error { return garbage(at("2/openssl/lib/libssl.so.3")) }},
		{"ssl folder is missing", "9 9 0 0 0 0", instead(at("2/openssl/ssl"), nothing)},
		{"unfinished is left", "0 0 0 0 0 0", func() error {
			return errors.Join(folder(at(".new-9")), os.Symlink("7", at(".new-current")))
		}},
	}
}

// TestDamage does one damage after the other, and runs each target on it: the exit status is the row's, who
// fails says how to go on, and after the command that `status` names everything is right.
func TestDamage(t *testing.T) {
	d := newDamaged(t)
	for i, one := range d.damages() {
		if !turntest.Now(i) {
			continue
		}
		t.Run(one.name, func(t *testing.T) {
			d.t = t
			want := strings.Fields(one.codes)
			var status string
			for i, target := range damageTargets {
				d.fresh(one.do)
				code, out := d.run(target)
				if fmt.Sprint(code) != want[i] {
					t.Errorf("%s: exit status %d, want %s\n%s", target, code, want[i], out)
				}
				if code != 0 && !strings.Contains(out, "tlsfloor: hint: ") {
					t.Errorf("%s: no hint\n%s", target, out)
				}
				if target == "status" && code != 0 {
					status = out
				}
			}
			d.fresh(one.do)
			d.heals(status)
		})
	}
}

// unblocks does what `build` says where it cannot mend something itself.
func (d *damaged) unblocks() {
	d.t.Helper()
	code, out := d.run("build")
	if code == 0 {
		return
	}
	m := regexp.MustCompile(`tlsfloor: hint: .*: mv (\S+) (\S+)`).FindStringSubmatch(out)
	if m == nil {
		d.t.Fatalf("build names no command that mends it\n%s", out)
	}
	if err := os.Rename(m[1], m[2]); err != nil {
		d.t.Fatal(err)
	}
}

// heals follows the hint of `status`, and looks whether everything is right then.
func (d *damaged) heals(status string) {
	d.t.Helper()
	if status == "" {
		d.unblocks()
	}
	if status != "" {
		m := regexp.MustCompile("tlsfloor: hint: `(build|verify)( -adopt)?").FindStringSubmatch(status)
		if m == nil {
			d.t.Fatalf("status names no command that mends it\n%s", status)
		}
		if code, out := d.run(m[1], strings.Fields(m[2])...); code != 0 {
			d.t.Errorf("%s: exit status %d\n%s", m[0], code, out)
		}
	}
	for _, target := range []string{"status", "verify"} {
		if code, out := d.run(target); code != 0 {
			d.t.Errorf("mended, and %s: exit status %d\n%s", target, code, out)
		}
	}
	text, err := os.ReadFile(filepath.Join(d.prefix(), "bin", "openssl"))
	if err != nil || string(text) != "#!/bin/sh\n# 3.1.2\n" {
		d.t.Errorf("mended, and the program is %q, %v", text, err)
	}
	if _, err := os.Stat(filepath.Join(d.prefix(), "ssl", "cert.pem")); err != nil {
		d.t.Errorf("mended, and %v", err)
	}
}
