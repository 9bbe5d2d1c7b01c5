package command

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// module loads the modulefile with Environment Modules and with Lmod, and unloads it.
func (r *real) module(t *testing.T) {
	const lmod = "/usr/share/lmod/lmod/libexec/lmod"
	if !exists(lmod) {
		if out, err := exec.Command("apt-get", "install", "-y", "--no-install-recommends", "lmod", "tcl").CombinedOutput(); err != nil {
			t.Skipf("no lmod here: %v\n%s", err, out)
		}
	}
	// The two cannot be installed beside each other.
	tree := newPool(t, "bookworm").rooted(t, "environment-modules")
	found, err := filepath.Glob(filepath.Join(tree, "usr/lib/*/modulecmd.tcl"))
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	for _, one := range []struct{ name, command, shell string }{{"environment-modules", found[0], "sh"}, {"lmod", lmod, "bash"}} {
		name := one.name
		script := `set -e
export MODULEPATH=/opt/.tlsfloor/modulefiles PATH=/usr/bin:/bin
module() { eval "$(` + one.command + ` ` + one.shell + ` "$@")"; }
module load python-min-tls1_2/3.13.15
command -v python3 openssl
python3 -c 'import ssl; print(ssl.OPENSSL_VERSION)'
module unload python-min-tls1_2
echo "PATH=$PATH"`
		cmd, err := r.beside(t, []string{tree}, "/bin/bash", "-c", script)
		if err != nil {
			t.Fatal(err)
		}
		text, err := cmd.CombinedOutput()
		out := string(text)
		want := "/opt/python-with-min-tls1_2/bin/python3\n/opt/openssl-with-min-tls1_2/bin/openssl\nOpenSSL 3.5.7 "
		if err != nil || !strings.HasPrefix(out, want) || !strings.HasSuffix(out, "PATH=/usr/bin:/bin\n") {
			t.Errorf("%s: %v, it prints\n%s", name, err, out)
		}
	}
	// A file of others beside it stays, one of an older version goes.
	dir := filepath.Join(r.root, "opt", ".tlsfloor", "modulefiles", "python-min-tls1_2")
	for name, text := range map[string]string{".version": "#%Module1.0\n", "3.13.14": "#%Module1.0\n# Written by tlsfloor when\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	proved, _, err := r.site().Stored(1)
	if err == nil {
		err = r.site().Switch(proved)
	}
	if err != nil {
		t.Fatal(err)
	}
	if exists(filepath.Join(dir, "3.13.14")) || !exists(filepath.Join(dir, ".version")) || !exists(filepath.Join(dir, "3.13.15")) {
		t.Error("an older one is left, or others' is gone")
	}
	os.Remove(filepath.Join(dir, ".version"))
}
