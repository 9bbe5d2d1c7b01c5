package bench

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tlsfloor/tlsfloor/internal/ground/event"
)

// A source whose configure keeps its flags, and whose make installs an interpreter that does nothing.
const fakeConfigure = `#!/bin/sh
printf 'all:\n\ninstall:\n\tmkdir -p %s/bin\n\techo "#!/bin/sh" >%s/bin/python3\n\tchmod +x %s/bin/python3\n\techo "%s" >%s/flags\n' \
	"${1#--prefix=}" "${1#--prefix=}" "${1#--prefix=}" "$*" "${1#--prefix=}" >Makefile
`

// A tlsfloor that builds nothing: exit status 9 for the profile without controls, as the real one.
const fakeProgram = `#!/bin/sh
echo "$*" >>"${0%/*}/calls"
status=0
for a in "$@"; do case $a in
-trace=*) echo '{"traceEvents":[{"name":"build/openssl","cat":"step","ts":0,"dur":3000000},{"name":"build/python-profile","cat":"step","ts":2000000,"dur":4000000},
{"name":"make","cat":"command","ts":2000000,"dur":4000000},{"name":"build/python","cat":"step","ts":6000000,"dur":5500000}]}' >"${a#-trace=}";;
-root=*) mkdir -p "${a#-root=}/opt/ssl" "${a#-root=}/opt/py/bin";;
-store=*) mkdir -p "${a#-store=}";;
-profile=*) status=9;;
esac; done
exit $status
`

func fakeInterpreters(t *testing.T) Interpreters {
	t.Helper()
	work := t.TempDir()
	var source bytes.Buffer
	w := tar.NewWriter(&source)
	if err := w.WriteHeader(&tar.Header{Name: "Python-1/configure", Mode: 0o755, Size: int64(len(fakeConfigure)), Typeflag: tar.TypeReg}); err != nil {
		t.Fatal(err)
	}
	w.Write([]byte(fakeConfigure))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"Python.tar": source.String(), "tlsfloor": fakeProgram} {
		if err := os.WriteFile(filepath.Join(work, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return Interpreters{
		Builds: Builds{Program: filepath.Join(work, "tlsfloor"), Work: work, Sources: work, Python: "Python.tar", Plain: "bench", Overlay: "/overlay", Jobs: 3},
		Steps:  []string{"build/python", "build/python-profile"}, OpenSSLPrefix: "/opt/ssl", PythonPrefix: "/opt/py", Cache: filepath.Join(work, "cache"), Identity: "one"}
}

func TestMake(t *testing.T) {
	p := fakeInterpreters(t)
	var steps []string
	sink := func(e event.Event) {
		if e.Kind == event.Begin {
			steps = append(steps, e.Step)
		}
	}
	all, err := p.Make(t.Context(), sink)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(steps, ", "); got != "interpreter tlsfloor, interpreter plain, interpreter stock" {
		t.Errorf("built %s", got)
	}
	root := filepath.Join(p.Cache, "tlsfloor", "root")
	for i, want := range []Interpreter{
		{Name: "plain", Path: filepath.Join(p.Cache, "plain/python/bin/python3")},
		{Name: "stock", Path: filepath.Join(p.Cache, "stock/python/bin/python3")},
		{Name: "tlsfloor", Path: filepath.Join(root, "opt/py/bin/python3"), Wall: 9.5, Beside: 1},
	} {
		got := all[i]
		if got.Name != want.Name || got.Path != want.Path || got.Reused || got.Built.IsZero() || got.Wall <= 0 || want.Wall > 0 && (got.Wall != want.Wall || got.Beside != want.Beside) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	ssl := "--with-openssl=" + filepath.Join(root, "opt/ssl") + " --disable-shared"
	for name, flags := range map[string]string{"plain": ssl, "stock": ssl + " --enable-optimizations --with-lto"} {
		text, err := os.ReadFile(filepath.Join(p.Cache, name, "python/flags"))
		if want := "--prefix=" + filepath.Join(p.Cache, name, "python") + " " + flags; err != nil || strings.TrimSpace(string(text)) != want {
			t.Errorf("%s is configured with %s, want %s (%v)", name, text, want, err)
		}
	}
	calls, err := os.ReadFile(filepath.Join(p.Work, "calls"))
	lines := strings.Split(strings.TrimSpace(string(calls)), "\n")
	if err != nil || len(lines) != 2 || !strings.Contains(lines[0], " -profile=bench -recipes=/overlay") || strings.Contains(lines[1], "-profile") {
		t.Errorf("tlsfloor ran as %s, %v", calls, err)
	}
}

// TestMakeReuses: what is there is taken when it was built in the same way, and only then.
func TestMakeReuses(t *testing.T) {
	p := fakeInterpreters(t)
	first, err := p.Make(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	reused := func(want ...bool) {
		t.Helper()
		all, err := p.Make(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		for i, w := range want {
			if all[i].Reused != w || all[i].Path != first[i].Path {
				t.Errorf("%s: %+v, reused should be %v", all[i].Name, all[i], w)
			}
			if w && (all[i].Wall != first[i].Wall || !all[i].Built.Equal(first[i].Built)) {
				t.Errorf("%s: %+v, at first %+v", all[i].Name, all[i], first[i])
			}
		}
		first = all
	}
	reused(true, true, true)
	p.Identity = "two"
	reused(true, true, false)
	if err := os.WriteFile(filepath.Join(p.Cache, "stock", "build.json"), []byte(`{"Inputs":`), 0o644); err != nil {
		t.Fatal(err)
	}
	reused(true, false, true)
	if err := os.Remove(filepath.Join(p.Cache, "plain", "build.json")); err != nil {
		t.Fatal(err)
	}
	reused(false, true, true)
}

func TestMakeStops(t *testing.T) {
	p := fakeInterpreters(t)
	p.Steps = append(p.Steps, "build/nosuch")
	if _, err := p.Make(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "building the interpreter tlsfloor: the trace has no step build/nosuch") {
		t.Errorf("a step that the trace lacks: %v", err)
	}
	p = fakeInterpreters(t)
	if err := os.Truncate(filepath.Join(p.Sources, p.Python), 700); err != nil {
		t.Fatal(err)
	}
	for range 2 { // a build that stopped is not reused
		if _, err := p.Make(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "building the interpreter plain: tar, which") {
			t.Errorf("half a source: %v", err)
		}
	}
	for what, spoil := range map[string]func(string) error{
		"writable": func(dir string) error { return os.Chmod(dir, 0o777) },
		"a link":   func(dir string) error { return os.Symlink(p.Work, dir) },
	} {
		p := fakeInterpreters(t)
		if what == "writable" {
			if err := os.Mkdir(p.Cache, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := spoil(p.Cache); err != nil {
			t.Fatal(err)
		}
		if _, err := p.Make(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "not yours alone") {
			t.Errorf("%s: %v", what, err)
		}
	}
}
