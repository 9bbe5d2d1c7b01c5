package command

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// examples runs what docs/examples shows, as far as one machine can: Packer's template as it is, the commands
// of the others in a namespace with an /opt and an /in of its own.
func (b *bundled) examples(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("an /opt of its own needs root")
	}
	t.Run("packer", b.packer)
	for _, one := range []struct {
		name, file string
		commands   *regexp.Regexp
		want       string
	}{
		{"image builder", "parallelcluster/component.yaml", regexp.MustCompile(`(?m)^ {12}- "(.*)"$`), "proof: pass"},
		{"containerfile", "container/Containerfile", regexp.MustCompile(`(?m)^RUN (.*)$`), "generation 1 is in use"},
		{"apptainer", "container/toolchain.def", regexp.MustCompile(`(?m)^ {4}(/.*|rm .*)$`), "generation 1 is in use"},
	} {
		t.Run(one.name, func(t *testing.T) {
			var script strings.Builder
			found := one.commands.FindAllStringSubmatch(b.example(t, one.file), -1)
			for _, m := range found {
				script.WriteString(strings.NewReplacer("{{ Program }}", "/in/tlsfloor", "{{ Bundle }}", "/in/bundle", "{{ Key }}", "/in/key.pub.pem").Replace(m[1]) + "\n")
			}
			if len(found) < 2 || strings.Contains(script.String(), "{{") {
				t.Fatalf("its commands are\n%s", script.String())
			}
			script.WriteString("/opt/python-with-min-tls1_2/bin/python3 -c 'import ssl; print(ssl.OPENSSL_VERSION)'\n")
			if out := b.own(t, t.TempDir(), script.String()); !strings.Contains(out, one.want) || !strings.Contains(out, "OpenSSL 3.5.7") {
				t.Errorf("it prints\n%s", out)
			}
		})
	}
	t.Run("slurm", b.slurm)
	t.Run("pipelines", b.pipelines)
}

func (b *bundled) example(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "examples", file))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// own runs a script where opt is /opt, and /in holds the program, the bundle and the key.
func (b *bundled) own(t *testing.T, opt, script string) string {
	t.Helper()
	in := t.TempDir()
	setup := `set -e
mkdir -p "$in/bundle" /opt
cp "$program" "$in/tlsfloor"; cp "$key" "$in/key.pub.pem"
mount --bind "$bundle" "$in/bundle"
mount --bind "$opt" /opt
cd /; export TLSFLOOR_STORE="$in/store" PATH="/opt/python-with-min-tls1_2/bin:$PATH"
` + strings.ReplaceAll(script, "/in/", in+"/")
	cmd := exec.Command("unshare", "-m", "bash", "-c", setup)
	cmd.Env = append(os.Environ(), "in="+in, "program="+program, "key="+b.file("key.pub.pem"), "bundle="+b.dir, "opt="+opt)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

func (b *bundled) packer(t *testing.T) {
	if _, err := exec.LookPath("packer"); err != nil {
		if out, err := exec.Command("apt-get", "install", "-y", "--no-install-recommends", "packer").CombinedOutput(); err != nil {
			t.Skipf("no Packer here: %v\n%s", err, out)
		}
	}
	root := filepath.Join(t.TempDir(), "image")
	cmd := exec.Command("packer", "build", "-color=false", "-var", "tlsfloor="+program, "-var", "bundle="+b.dir, "-var", "key="+b.file("key.pub.pem"), "-var", "root="+root,
		filepath.Join("..", "..", "docs", "examples", "packer", "toolchain.pkr.hcl"))
	cmd.Env = append(os.Environ(), "CHECKPOINT_DISABLE=1", "HOME="+t.TempDir(), "TLSFLOOR_STORE="+b.file("store"))
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "proof: pass, 72 cases") || !exists(filepath.Join(root,
		"opt", "python-with-min-tls1_2", "bin", "python3")) {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := exec.Command("packer", "build", "-color=false", "-var", "tlsfloor="+program, "-var", "bundle="+b.dir, "-var", "key="+b.file("other.pub.pem"), "-var", "root="+root+"2",
		filepath.Join("..", "..", "docs", "examples", "packer", "toolchain.pkr.hcl")).CombinedOutput(); err == nil {
		t.Errorf("an image with a bundle of somebody else's:\n%s", out)
	}
}

// slurm runs the job's script as Slurm starts it: by bash, with the modules of a login.
func (b *bundled) slurm(t *testing.T) {
	const lmod = "/usr/share/lmod/lmod/init/bash"
	if !exists(lmod) {
		if out, err := exec.Command("apt-get", "install", "-y", "--no-install-recommends", "lmod", "tcl").CombinedOutput(); err != nil {
			t.Skipf("no lmod here: %v\n%s", err, out)
		}
	}
	job, err := filepath.Abs(filepath.Join("..", "..", "docs", "examples", "slurm", "job.sh"))
	if err != nil {
		t.Fatal(err)
	}
	out := b.own(t, t.TempDir(), "/in/tlsfloor install -from=/in/bundle -key=/in/key.pub.pem -quiet >/dev/null\nBASH_ENV="+lmod+" bash "+job+"\n")
	if !strings.Contains(out, "OpenSSL 3.5.7") || !strings.Contains(out, "TLS 1.1: False") {
		t.Errorf("it prints\n%s", out)
	}
}
