package command

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// pipeline is what the file of one runs, for GitHub Actions or GitLab CI.
type pipeline struct {
	commands []string
	env      map[string]string
}

// readPipeline reads docs/examples/<file>.
func readPipeline(t *testing.T, file string) pipeline {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "examples", file))
	if err != nil {
		t.Fatal(err)
	}
	var doc any
	if err := yaml.Unmarshal(text, &doc); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	p := pipeline{env: map[string]string{}}
	var walk func(any)
	walk = func(node any) {
		switch n := node.(type) {
		case []any:
			for _, one := range n {
				walk(one)
			}
		case map[string]any:
			for key, value := range n {
				switch key {
				case "run":
					p.commands = append(p.commands, value.(string))
				case "script":
					for _, line := range value.([]any) {
						p.commands = append(p.commands, line.(string))
					}
				case "env", "variables":
					for name, v := range value.(map[string]any) {
						p.env[name] = v.(string)
					}
				default:
					walk(value)
				}
			}
		}
	}
	walk(doc)
	if len(p.commands) < 2 {
		t.Fatalf("%s runs %q", file, p.commands)
	}
	return p
}

// run runs the commands one after the other in one shell, as a runner does, but for those that install what
// this machine has.
func (p pipeline) run(t *testing.T, dir string, env ...string) (string, int) {
	t.Helper()
	kept := slices.DeleteFunc(slices.Clone(p.commands), func(c string) bool { return strings.HasPrefix(c, "apt-get ") })
	if len(kept) < len(p.commands)-1 {
		t.Fatalf("too few of %q are left", p.commands)
	}
	var script strings.Builder
	for name, value := range p.env {
		fmt.Fprintf(&script, "export %s=\"${%s-%s}\"\n", name, name, value) // what is set outside goes first, as in GitLab
	}
	cmd := exec.Command("sh", "-ec", script.String()+strings.Join(kept, "\n"))
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	out, _ := cmd.CombinedOutput()
	return string(out), cmd.ProcessState.ExitCode()
}

// release writes the bundle by docs/examples/release/gitlab.yml, in a checkout, with the program that its
// `dist` makes.
func (b *bundled) release(t *testing.T) string {
	t.Helper()
	key, err := os.ReadFile(b.file("key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	checkout := b.file("checkout")
	script := `mkdir "$1" && (git ls-files -coz --exclude-standard | xargs -0 cp --parents -t "$1") && cp "$2" "$1/key.pub.pem" && cp -r internal/engine/advisory/testdata/osv "$1/osv"`
	cp := exec.Command("sh", "-ec", script, "sh", checkout, b.file("key.pub.pem"))
	cp.Dir = filepath.Join("..", "..")
	if out, err := cp.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	out, code := readPipeline(t, "release/gitlab.yml").run(t, checkout, "SIGNING_KEY="+string(key), "TO="+b.file("share"), "OUT="+b.file("out"), "TLSFLOOR_STORE="+b.store,
		"CI_PROJECT_DIR="+checkout, "CI_REGISTRY=registry.example:5000", "CI_REGISTRY_USER=job", "CI_REGISTRY_PASSWORD=a long secret")
	if code != 0 || !strings.Contains(out, "published, and read back") || !strings.Contains(out, "7 advisories were read") {
		t.Fatalf("exit status %d\n%s", code, out)
	}
	var login struct {
		Auths map[string]struct{ Auth string }
	}
	text, err := os.ReadFile(filepath.Join(checkout, ".docker", "config.json"))
	if err != nil || json.Unmarshal(text, &login) != nil || login.Auths["registry.example:5000"].Auth != base64.StdEncoding.EncodeToString([]byte("job:a long secret")) {
		t.Errorf("the login is %s, %v", text, err)
	}
	return out
}

// TestPipelines holds GitHub's file of a release against GitLab's, which TestReal runs: the same program and
// the same script, with all that it asks for.
func TestPipelines(t *testing.T) {
	hub, lab := readPipeline(t, "release/github.yml"), readPipeline(t, "release/gitlab.yml")
	for _, command := range []string{"go tool mage dist -o=tlsfloor", "docs/examples/release/release.sh"} {
		if !slices.Contains(hub.commands, command) || !slices.Contains(lab.commands, command) {
			t.Errorf("%s is not run by both: %q, %q", command, hub.commands, lab.commands)
		}
	}
	script, err := os.ReadFile(filepath.Join("..", "..", "docs", "examples", "release", "release.sh"))
	if err != nil {
		t.Fatal(err)
	}
	asked := regexp.MustCompile(`(?m)^# +([A-Z_]+)  `).FindAllStringSubmatch(string(script), -1)
	if len(asked) < 4 {
		t.Errorf("release.sh asks for %q", asked)
	}
	for _, m := range asked {
		if hub.env[m[1]] == "" || lab.env[m[1]] == "" && m[1] != "SIGNING_KEY" { // which is a setting of the project there
			t.Errorf("%s is not given by both", m[1])
		}
	}
}

// pipelines runs the gates of docs/examples/audit, with our Python, which passes, and with the host's, of
// which they find what it lacks.
func (b *bundled) pipelines(t *testing.T) {
	for _, file := range []string{"audit/github.yml", "audit/gitlab.yml"} {
		p := readPipeline(t, file)
		for python, want := range map[string]int{filepath.Join(b.site().Dir(1), "python", "bin"): 0, "/usr/bin": 3} {
			if want == 3 && exec.Command("/usr/bin/python3", "-c", "import ensurepip, ssl; assert ssl.HAS_TLSv1_1").Run() != nil {
				continue // the host has none, or makes no environments
			}
			dir := t.TempDir()
			if err := os.Symlink(program, filepath.Join(dir, "tlsfloor")); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "requirements.txt"), nil, 0o644); err != nil { // there is no index here
				t.Fatal(err)
			}
			out, code := p.run(t, dir, "PATH="+python+":"+os.Getenv("PATH"), "PIP_DISABLE_PIP_VERSION_CHECK=1")
			left, err := filepath.Glob(filepath.Join(dir, "tls.*"))
			if code != want || err != nil || len(left) != 1 {
				t.Errorf("%s with %s: exit status %d, not %d, and %v\n%s", file, python, code, want, left, out)
			}
		}
	}
}
