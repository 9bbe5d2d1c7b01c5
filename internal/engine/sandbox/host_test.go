package sandbox

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

const fakeGCC = "#!/bin/sh\necho 'gcc (fake) 1.0'\n"

// fakeHost is the host with some tools replaced by scripts.
func fakeHost(t *testing.T, tools map[string]string) (Host, string) {
	t.Helper()
	dir := t.TempDir()
	for name, script := range tools {
		write(t, filepath.Join(dir, name), script, 0o755)
	}
	return Host{Path: dir + ":" + systemPath}, dir
}

// readHost reads all of the host's tools once for all tests.
var readHost = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "tlsfloor-test-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if _, err := (Host{}).Fingerprint(context.Background(), dir); err != nil {
		return nil, err
	}
	return os.ReadFile(filepath.Join(dir, cacheName))
})

// warmCache returns a cache folder as it is after the first call on this host.
func warmCache(t *testing.T) string {
	t.Helper()
	text, err := readHost()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Dir(write(t, filepath.Join(t.TempDir(), cacheName), string(text), 0o644))
}

func fingerprint(t *testing.T, h Host, cache string) digest.Lines {
	t.Helper()
	lines, err := h.Fingerprint(t.Context(), cache)
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

func TestFingerprint(t *testing.T) {
	h, dir := fakeHost(t, map[string]string{"gcc": fakeGCC})
	cache := warmCache(t)
	first := fingerprint(t, h, cache)
	for _, label := range []string{"tool cc", "tool make", "tool perl", "tool sh", "tool sed", "cc cc1", "cc collect2", "headers", "perl modules", "lib libc.so.6"} {
		if !slices.ContainsFunc(first, func(l digest.Line) bool { return l.Label == label && l.Value != "" }) {
			t.Errorf("no line %q in\n%s", label, first)
		}
	}
	gcc := filepath.Join(dir, "gcc")
	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(gcc, later, later); err != nil {
		t.Fatal(err)
	}
	if again := fingerprint(t, h, cache); again.Sum() != first.Sum() {
		t.Errorf("touched, but equal: %v", digest.Diff(first, again))
	}

	write(t, gcc, strings.Replace(fakeGCC, "1.0", "1.1", 1), 0o755)
	if err := os.Chtimes(gcc, later, later); err != nil { // same size, same time: the inode's change time tells
		t.Fatal(err)
	}
	changes := digest.Diff(first, fingerprint(t, h, cache))
	if len(changes) != 1 || changes[0].Label != "tool gcc" || !strings.HasSuffix(changes[0].New, " gcc (fake) 1.1") {
		t.Errorf("a changed gcc: %v", changes)
	}
}

// TestFingerprintTree plants a change in a part of the compiler that is no tool by itself.
func TestFingerprintTree(t *testing.T) {
	parts := t.TempDir()
	cc1, header := write(t, parts+"/cc1", "cc1", 0o755), write(t, parts+"/include/stdarg.h", "1", 0o644)
	h, _ := fakeHost(t, map[string]string{"cc": "#!/bin/sh\ntest $1 = -print-prog-name=cc1 && echo " + cc1 + "\n"})
	cache := warmCache(t)
	first := fingerprint(t, h, cache)
	write(t, header, "2", 0o644)
	changes := digest.Diff(first, fingerprint(t, h, cache))
	if len(changes) != 1 || changes[0].Label != "cc folder "+parts {
		t.Errorf("a changed header of the compiler: %v", changes)
	}
	write(t, cc1, "cc2", 0o755)
	changes = digest.Diff(first, fingerprint(t, h, cache))
	if len(changes) != 2 || changes[0].Label != "cc cc1" {
		t.Errorf("a changed cc1: %v", changes)
	}
}

// TestFingerprintPerl installs a module, the stamp of perl itself staying as it was.
func TestFingerprintPerl(t *testing.T) {
	real, inc := Host{}.Find("perl"), t.TempDir()
	if real == "" {
		t.Skip("no perl here")
	}
	h, _ := fakeHost(t, map[string]string{"perl": "#!/bin/sh\nexec " + real + " -I/usr/local/planted -I" + inc + ` "$@"` + "\n"})
	answer := parsePerl(h.askPerl(t.Context(), h.Find("perl")))
	if !slices.Contains(answer["inc"], inc) || len(answer["name"]) < len(perlModules) || len(answer["core"]) != 2 {
		t.Fatalf("perl's answer: %v", answer)
	}
	if slices.ContainsFunc(answer["inc"], func(dir string) bool { return within(dir, "/usr/local") }) {
		t.Errorf("@INC has what a sandbox hides: %v", answer["inc"])
	}
	cache := warmCache(t)
	last := fingerprint(t, h, cache)
	for _, module := range []struct{ file, text string }{
		{"Text/Template.pm", "package Text::Template; eval { require Planted::Option }; 1"}, // asked for; mostly not there
		{"File/Copy.pm", "package File::Copy; 1"},                                           // now before the core's
		{"Planted/Option.pm", "package Planted::Option; 1"},                                 // what another one looks for
	} {
		write(t, filepath.Join(inc, module.file), module.text, 0o644)
		// What was looked for in vain counts as soon as it is there, in a folder that exists or not.
		next := fingerprint(t, h, cache)
		if changes := digest.Diff(last, next); len(changes) != 1 || changes[0].Label != "perl modules" {
			t.Errorf("a new %s: %v", module.file, changes)
		}
		last = next
	}
	text, err := os.ReadFile(filepath.Join(cache, cacheName))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(cache, cacheName), strings.Replace(string(text), `inc `+inc, `inc `+inc+`\nkept KEPT`, 1), 0o644)
	fingerprint(t, h, cache)
	if text, _ := os.ReadFile(filepath.Join(cache, cacheName)); !strings.Contains(string(text), "KEPT") {
		t.Error("perl was asked again though nothing changed")
	}
}

// TestFingerprintMinimalPerl: a distribution's minimal perl names folders of a package that is not installed,
// and the fingerprint is taken before that package is.
func TestFingerprintMinimalPerl(t *testing.T) {
	core := filepath.Join(t.TempDir(), "perl")
	h, _ := fakeHost(t, map[string]string{"perl": "#!/bin/sh\necho core " + core + "\n"})
	cache := warmCache(t)
	first := fingerprint(t, h, cache)
	if !strings.Contains(first.String(), "absent") {
		t.Errorf("no line says that the folder is absent:\n%s", first)
	}
	write(t, filepath.Join(core, "Some.pm"), "1;", 0o644)
	if next := fingerprint(t, h, cache); next.Sum() == first.Sum() {
		t.Error("the folder came, and the fingerprint is the same")
	}
}

func TestFingerprintCache(t *testing.T) {
	cache := warmCache(t)
	first := fingerprint(t, Host{}, cache)
	file := filepath.Join(cache, cacheName)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	make := Host{}.Find("make")
	planted := strings.Replace(string(text), "GNU Make", "KEPT", 1)
	if make == "" || planted == string(text) {
		t.Fatalf("no make in the cache:\n%s", text)
	}
	write(t, file, planted, 0o644)
	if kept := fingerprint(t, Host{}, cache).String(); !strings.Contains(kept, "KEPT") {
		t.Error("the second call did not use what the first one kept")
	}
	write(t, file, planted[:len(planted)/2], 0o644)
	if again := fingerprint(t, Host{}, cache); again.Sum() != first.Sum() {
		t.Errorf("with a torn cache: %v", digest.Diff(first, again))
	}
	c := openCache("/proc/nowhere")
	c.new["a"] = cached{}
	if err := c.close(); err == nil {
		t.Error("a cache folder that cannot be made gave no error")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (Host{}).Fingerprint(ctx, ""); err == nil {
		t.Error("cancelled, but no error")
	}
}

func TestTools(t *testing.T) {
	found, missing := Host{}.Tools(t.Context(), BuildNeeds())
	if len(missing) != 0 || len(found) != len(BuildNeeds()) {
		t.Errorf("missing on a host that builds: %v", missing)
	}
	for _, tool := range found {
		if !filepath.IsAbs(tool.Path) || tool.Need == "make" && !strings.HasPrefix(tool.Version, "GNU Make") {
			t.Errorf("tool %+v", tool)
		}
	}
	empty := Host{Path: t.TempDir()}
	if found, missing := empty.Tools(t.Context(), BuildNeeds()); len(found) != 0 || !slices.Equal(missing, BuildNeeds()) {
		t.Errorf("found on an empty host: %v", found)
	}
	h, _ := fakeHost(t, map[string]string{
		"cc":   "#!/bin/sh\nexit 1\n",
		"perl": "#!/bin/sh\necho IPC::Cmd\necho FindBin\necho done\n",
	})
	_, missing = h.Tools(t.Context(), BuildNeeds())
	if want := []Need{NeedLibc, "perl:FindBin", "perl:IPC::Cmd"}; !slices.Equal(missing, want) {
		t.Errorf("a compiler without headers, a perl without modules: got %v, want %v", missing, want)
	}
}

func TestPackages(t *testing.T) {
	missing := []Need{"cc", NeedLibc, "ld", "ar", "make", "perl", "perl:IPC::Cmd", "perl:FindBin", "awk"}
	for manager, want := range map[string]string{
		"apt-get": "binutils gcc libc6-dev make mawk perl",
		"dnf":     "binutils gawk gcc glibc-devel kernel-headers make perl(FindBin) perl(IPC::Cmd) perl-interpreter",
		"yum":     "binutils gawk gcc glibc-devel kernel-headers make perl perl(FindBin) perl(IPC::Cmd)",
		"zypper":  "binutils gawk gcc glibc-devel linux-glibc-devel make perl",
		"pacman":  "",
	} {
		equal(t, manager, strings.Join(PackagesFor(manager, missing), " "), want)
	}
	for _, n := range BuildNeeds() {
		for _, manager := range managers {
			if len(PackagesFor(manager, []Need{n})) == 0 {
				t.Errorf("%s has no package for %s", manager, n)
			}
		}
	}
	for manager, want := range map[string]string{
		"dnf":    "run as root: dnf install -y gcc 'perl(IPC::Cmd)'",
		"zypper": "run as root: zypper --non-interactive install gcc perl",
		"none":   "install a C compiler with libc's headers, binutils, make and perl with its core modules",
	} {
		_, dir := fakeHost(t, map[string]string{manager: "#!/bin/sh\n"})
		err := Host{Path: dir}.MissingError([]Need{"cc", "perl:IPC::Cmd"})
		equal(t, "the hint", fault.HintOf(err), want)
		equal(t, "the error", err.Error(), "missing host tools: cc, perl:IPC::Cmd")
		if fault.CodeOf(err) != fault.MissingTool {
			t.Errorf("exit code %d", fault.CodeOf(err))
		}
	}
	if err := (Host{}).MissingError(nil); err != nil {
		t.Error(err)
	}
}

func TestWorldUndeclaredTools(t *testing.T) {
	if out, err := shell(t, Spec{}, "python3 -c 1 || git --version || pkg-config --version"); err == nil {
		t.Errorf("an undeclared tool is in PATH: %s", out)
	}
}

func TestVeilPlugins(t *testing.T) {
	lib := t.TempDir()
	dir := filepath.Join(lib, pluginsName)
	write(t, filepath.Join(dir, "LLVMgold-14.so"), "LLVM's", 0o644)
	own := write(t, filepath.Join(dir, "liblto_plugin.so"), "GCC's", 0o644)
	var veils []veil
	if got := pluginDirs([]string{"/nowhere", lib}); !slices.Equal(got, []string{dir}) {
		t.Fatalf("folders of plug-ins: %v", got)
	}
	if err := veilPlugins(dir, &veils); err != nil || len(veils) != 1 || len(veils[0].show) != 1 || veils[0].show[0].Name != filepath.Base(own) {
		t.Fatalf("the veil: %+v, %v", veils, err)
	}
	c, sums := openCache(t.TempDir()), []digest.Digest{}
	for _, text := range []string{"GCC's", "GCC's, changed"} {
		write(t, own, text, 0o644)
		var lines digest.Lines
		if err := c.pluginLines(&lines, veils); err != nil || len(lines) != 1 {
			t.Fatalf("lines %v, %v", lines, err)
		}
		sums = append(sums, lines.Sum())
	}
	if sums[0] == sums[1] {
		t.Error("a changed plug-in gives the same line")
	}
}

// TestWorldPlugins looks for plug-ins inside, and has ar and ld use GCC's.
func TestWorldPlugins(t *testing.T) {
	const script = `for f in /usr/lib*/bfd-plugins/* /usr/lib/*/bfd-plugins/*; do case $f in *'*' | */liblto_plugin.so*) ;; *) echo "$f" ;; esac; done
		echo 'int f(void) { return 0; }' | cc -flto -x c -c -o f.o - && gcc-ar rcs libf.a f.o &&
		echo 'int f(void); int main(void) { return f(); }' | cc -flto -x c -o out - -x none -L. -lf && ./out`
	equal(t, "plug-ins that are not GCC's", must(t, Spec{Work: t.TempDir()}, script), "")
}

func TestForDevelopment(t *testing.T) {
	for name, want := range map[shown]bool{
		{Name: "libz.so", Link: "libz.so.1"}:               true,
		{Name: "libncurses.so"}:                            true, // a linker script
		{Name: "libz.a"}:                                   true,
		{Name: "libz.la"}:                                  true,
		{Name: "libfoo-2.0.so", Link: "libfoo-2.0.so.0"}:   true,
		{Name: "libz.so.1", Link: "libz.so.1.3"}:           false,
		{Name: "libbfd-2.40-system.so"}:                    false, // what the assembler loads
		{Name: "libc-2.28.so"}:                             false,
		{Name: "crt1.o"}:                                   false,
		{Name: "ld-linux-x86-64.so.2"}:                     false,
		{Name: "lib.so", Dir: true}:                        false,
		{Name: "preloadable_libintl.so"}:                   false,
		{Name: "libc_malloc_debug.so.0", Link: "whatever"}: false,
	} {
		if got := forDevelopment(name); got != want {
			t.Errorf("%v: got %v", name, got)
		}
	}
}

// TestBuiltinNames holds the list for hosts without a package database against this host's database.
func TestBuiltinNames(t *testing.T) {
	own, err := libcFiles(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	known, ok := own.(manifest)
	if !ok {
		t.Skip("no package database here")
	}
	list := builtin()
	checked := 0
	for path := range known.files {
		info, err := os.Lstat(path)
		if err != nil || info.IsDir() {
			continue
		}
		development := forDevelopment(shown{Name: filepath.Base(path)}) && slices.Contains(libraryDirs(), filepath.Dir(path))
		if within(path, "/usr/include") || development {
			if checked++; !list.file(path) {
				t.Errorf("the built-in names lack %s", path)
			}
		}
	}
	if checked < 500 {
		t.Errorf("only %d files checked", checked)
	}
	for _, path := range []string{"/usr/include/zlib.h", "/usr/include/openssl/ssl.h", "/usr/include/x86_64-linux-gnu/openssl/opensslconf.h",
		"/usr/include/crypt.h", "/usr/lib/libcrypt.so", "/usr/lib64/libssl.a"} {
		if list.file(path) || known.files[path] {
			t.Errorf("%s is not libc's", path)
		}
	}
}
