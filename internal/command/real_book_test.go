package command

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tlsfloor/tlsfloor/internal/engine/fetch"
)

// needs prepares what a page's script finds in a variable of that name.
var needs = map[string]func(*testing.T) string{
	"packages":     func(t *testing.T) string { return newPool(t, "trixie").unpacked(t, clientPackages...) },
	"older":        func(t *testing.T) string { return newPool(t, "bookworm").unpacked(t, clientPackages...) },
	"cryptography": func(t *testing.T) string { return newPool(t, "trixie").unpacked(t, "python3-cryptography") },
	"mongodb":      ferretDB,
	"registry":     func(t *testing.T) string { return strings.TrimSuffix(distribution(t, nil).address(""), "/") },
	"suite": func(t *testing.T) string {
		bases, err := fetch.HostApt{}.Bases(t.Context())
		if err != nil || len(bases) == 0 {
			t.Skipf("no mirror of a distribution is known here: %v", err)
		}
		return strings.TrimRight(bases[0], "/") + "/dists/bookworm"
	},
}

// book runs the commands that the documents show, each page in a shell of its own in which the built
// toolchain stands at /opt, and compares what they print with what the page shows.
func (r *real) book(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("an /opt of its own needs root")
	}
	pages, texts := book(t)
	for _, p := range pages {
		var own []shown
		for _, c := range p.commands(texts[p.Page], map[string]bool{}) {
			if a := p.as(c); a.By == "" && a.Untried == "" {
				own = append(own, c)
			}
		}
		if len(own) > 0 {
			t.Run(strings.TrimSuffix(filepath.Base(p.Page), ".md"), func(t *testing.T) { r.runPage(t, p, own) })
		}
	}
}

// prelude is what a page's script begins with. A server that a page starts is waited for, and takes the place
// of the one before.
const prelude = `mount --bind "$opt" /opt || exit 70
cd "$HOME" || exit 70
serving() {
  [ -z "$server" ] || { kill $server; wait $server; }
  tlsfloor serve "$@" >"$HOME/.server" 2>&1 & server=$!
  for i in $(seq 200); do grep -q "^curl " "$HOME/.server" && break; kill -0 $server 2>/dev/null || break; sleep 0.05; done
  case "$*" in *-mtls*) ;; *) for i in $(seq 200); do grep -q "^python " "$HOME/.server" && break; sleep 0.05; done ;; esac
  cat "$HOME/.server"
  kill -0 $server
}
listening() { for i in $(seq 200); do (: </dev/tcp/localhost/$port) 2>/dev/null && break; sleep 0.05; done; }
ended() { [ -z "$server" ] || kill $server; }
trap ended EXIT
`

// separator stands before what each command prints, and before its exit status.
const separator = "\x1e"

func (r *real) runPage(t *testing.T, p page, commands []shown) {
	home, opt := t.TempDir(), t.TempDir()
	if out, err := exec.Command("cp", "-a", filepath.Join(r.root, "opt")+"/.", opt).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	vars := r.pageVariables(t, p, home, opt)
	expand := func(s string) string {
		for from, to := range p.Replace {
			s = strings.ReplaceAll(s, from, os.Expand(to, func(name string) string { return vars[name] }))
		}
		return s
	}
	var script strings.Builder
	fmt.Fprintf(&script, "%s{\n:\n%s\n} >&2 || exit 70\n", prelude, p.Setup)
	for _, c := range commands {
		a := p.as(c)
		if a.Before != "" {
			fmt.Fprintf(&script, "%s || exit 70\n", a.Before)
		}
		fmt.Fprintf(&script, "printf '%s'\n{\n%s\n} 2>&1\nprintf '%s%%d\\n' $?\n", separator, runnable(c, a, expand), separator)
	}
	cmd := exec.Command("unshare", "-m", "bash", "-c", script.String())
	cmd.Env = os.Environ()
	for name, value := range vars {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	parts := strings.Split(string(out), separator)
	if err != nil || len(parts) != 2*len(commands)+1 {
		t.Fatalf("the script ends with %v after %d of %d commands\n%s\n%s", err, len(parts)/2, len(commands), errs.String(), out)
	}
	digests := map[string]string{}
	for i, c := range commands {
		a := p.as(c)
		code, _, _ := strings.Cut(parts[2*i+2], "\n")
		if code != strconv.Itoa(a.Status) {
			t.Errorf("`%s`: exit status %s, not %d\n%s", c.command, code, a.Status, parts[2*i+1])
			continue
		}
		if want := lines(expand(strings.Join(c.output, "\n")), a.Drop); len(want) > 0 {
			if err := p.printed(lines(parts[2*i+1], strings.TrimPrefix(a.Drop+"|"+passing, "|")), want, digests); err != nil {
				t.Errorf("`%s`: %v", c.command, err)
			}
		}
	}
}

// pageVariables are those of the page's shell.
func (r *real) pageVariables(t *testing.T, p page, home, opt string) map[string]string {
	t.Helper()
	sources, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(home, ".bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(program, filepath.Join(home, ".bin", "tlsfloor")); err != nil {
		t.Fatal(err)
	}
	port := freePorts(t)
	advisories := filepath.Join(sources, "internal", "engine", "advisory", "testdata", "osv")
	vars := map[string]string{"HOME": home, "opt": opt, "sources": sources, "advisories": advisories,
		"port": strconv.Itoa(port), "next": strconv.Itoa(port + 1), "TLSFLOOR_STORE": r.store, "TLSFLOOR_MIRROR": os.Getenv("TLSFLOOR_TEST_MIRROR"), "TMPDIR": os.TempDir(),
		"PATH": filepath.Join(home, ".bin") + ":" + os.Getenv("PATH")}
	for _, name := range p.Needs {
		vars[name] = needs[name](t)
	}
	return vars
}

// runnable is a command as the script has it.
func runnable(c shown, a shownAs, expand func(string) string) string {
	if a.Instead != "" {
		return a.Instead
	}
	command := expand(strings.ReplaceAll(c.command, "go tool mage ", "tlsfloor "))
	if file, ok := strings.CutPrefix(command, "cat "); ok && !strings.Contains(file, "<") { // what it shows is the file
		return "cat >" + file + " <<'\x1d'\n" + expand(strings.Join(c.output, "\n")) + "\n\x1d\ncat " + file
	}
	if args, ok := strings.CutPrefix(command, "tlsfloor serve "); ok {
		return "serving " + strings.TrimSuffix(args, " &")
	}
	if strings.HasSuffix(command, "&") { // a person waits for the server by being slow
		return command + "\nlistening"
	}
	return command
}

// passing is what is gone from a terminal: steps that begin or have nothing to do.
const passing = `^(?:build|fetch)/\S+ +(?:building|reused .*)$|^verify +begins$`

// lines are a text's, without those that drop matches.
func lines(text, drop string) (all []string) {
	for line := range strings.Lines(strings.TrimRight(text, "\n")) {
		line = strings.TrimRight(line, "\n")
		if drop == "" || !regexp.MustCompile(drop).MatchString(line) {
			all = append(all, line)
		}
	}
	return all
}

// freePorts returns a port that is free as the one after it is.
func freePorts(t *testing.T) int {
	t.Helper()
	for range 100 {
		first, err := net.Listen("tcp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := first.Addr().(*net.TCPAddr).Port
		second, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port+1))
		first.Close()
		if err == nil {
			second.Close()
			return port
		}
	}
	t.Fatal("no two free ports beside each other")
	return 0
}

// cosign runs its commands that the page of bundles shows, with a program of the public module.
func (b *bundled) cosign(t *testing.T) {
	bin := t.TempDir()
	install := exec.Command("go", "install", "github.com/sigstore/cosign/v2/cmd/cosign@v2.6.5")
	install.Dir, install.Env = bin, append(os.Environ(), "GOBIN="+bin, "GOFLAGS=-mod=mod", "CGO_ENABLED=0")
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	_, texts := book(t)
	ran := 0
	for _, c := range (page{}).commands(texts["docs/bundles.md"], map[string]bool{}) {
		if !strings.HasPrefix(c.command, "cosign ") {
			continue
		}
		ran++
		for _, dir := range []string{b.dir, filepath.Join(b.dir, "proof")} {
			for key, want := range map[string]bool{"key": true, "other": false} {
				command := strings.NewReplacer("NAME", filepath.Base(b.dir), " key.pub.pem", " "+b.file(key+".pub.pem")).Replace(c.command)
				if strings.Contains(command, "attestation") && dir != b.dir {
					continue // its Statements are about the files beside the folder
				}
				cmd := exec.Command("sh", "-c", command)
				cmd.Dir, cmd.Env = dir, []string{"PATH=" + bin + ":/usr/bin:/bin", "HOME=" + bin}
				out, err := cmd.CombinedOutput()
				if (err == nil) != want || want && !slices.Equal(lines(string(out), "^WARNING: "), c.output) { // of what it would ask the network about
					t.Errorf("%s, with %s: %v\n%s", command, key, err, out)
				}
			}
		}
	}
	if ran < 2 {
		t.Errorf("%d commands were run", ran)
	}
}
