package steps

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/tlsfloor/tlsfloor/internal/engine/plan"
	"github.com/tlsfloor/tlsfloor/internal/engine/sandbox"
	"github.com/tlsfloor/tlsfloor/internal/engine/store"
	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/patches"
	"github.com/tlsfloor/tlsfloor/recipes"
)

const triple = "test-linux-gnu"

// tarOf packs files, and links where the text begins with an arrow; a name that ends in .deb is a package.
func tarOf(t *testing.T, name string, files ...[2]string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		h := tar.Header{Name: f[0], Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(f[1]))}
		target, link := strings.CutPrefix(f[1], "-> ")
		if link {
			h = tar.Header{Name: f[0], Typeflag: tar.TypeSymlink, Linkname: target}
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
		if !link {
			w.Write([]byte(f[1]))
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(name, ".deb") {
		return b.Bytes()
	}
	deb := []byte("!<arch>\n")
	for _, m := range [][2]string{{"debian-binary", "2.0\n"}, {"data.tar", b.String()}} {
		deb = fmt.Appendf(deb, "%-16s%-12d%-6d%-6d%-8s%-10d`\n%s", m[0], 0, 0, 0, "100644", len(m[1]), m[1])
	}
	return deb
}

// shared compiles a libc of one function, which has that symbol version.
func shared(t *testing.T, symbolVersion string) string {
	t.Helper()
	dir := t.TempDir()
	script, out := filepath.Join(dir, "map"), filepath.Join(dir, "libc.so")
	if err := os.WriteFile(script, []byte(symbolVersion+" { global: on_the_floor; };"), 0o644); err != nil {
		t.Fatal(err)
	}
	object(t, out, "int on_the_floor(void) { return 0; }", "-Wl,-soname,libc.so.6", "-Wl,--version-script="+script)
	text, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// sysrooted is the plan of a small component on a sysroot of the built-in recipe's commands, with packages that hold libc.
func sysrooted(t *testing.T, st *store.Store, mode sandbox.Mode, libc, script string) *plan.Plan {
	t.Helper()
	set, err := recipes.Load()
	if err != nil {
		t.Fatal(err)
	}
	profile, err := set.Profile(recipes.DefaultProfile)
	if err != nil {
		t.Fatal(err)
	}
	if profile.Sysroot, err = set.Sysroot("bullseye", "amd64"); err != nil {
		t.Fatal(err)
	}
	all, err := set.Resolve(profile)
	if err != nil {
		t.Fatal(err)
	}
	root, small := all[0], all[1]
	small.Name, small.Version, small.Role, small.Needs, small.Env, small.Files = "small", "1.0", recipes.Library, []string{recipes.SysrootName}, nil, nil
	small.Checks = []recipes.Check{recipes.CheckGlibc}
	small.Build = []recipes.Command{{Argv: []string{"sh", "build.sh"}}}
	small.Install = []recipes.Command{{Argv: []string{"sh", "-c", `mkdir -p "$0" && cp *.so "$0"`, "{dest}{prefix}"}}}
	put := func(r *recipes.Recipe, name string, files ...[2]string) {
		d, err := st.Put(tarOf(t, name, files...))
		if err != nil {
			t.Fatal(err)
		}
		r.Sources = append(r.Sources, recipes.Source{File: name, SHA256: d})
	}
	root.Sources, small.Sources = nil, nil
	put(root, "libc6_2.31_test.deb", [2]string{"./lib/" + triple + "/libc-2.31.so", libc},
		[2]string{"./lib/" + triple + "/libc.so.6", "-> libc-2.31.so"}, [2]string{"./lib64/ld.so", "-> /lib/" + triple + "/ld-2.31.so"})
	put(root, "libc6-dev_2.31_test.deb", [2]string{"./usr/include/floor.h", "#include <bits/floor.h>\n#include <linux/floor.h>\n"},
		[2]string{"./usr/include/" + triple + "/bits/floor.h", "int on_the_floor(void);\n"},
		[2]string{"./usr/lib/" + triple + "/libc.so", "GROUP ( /lib/" + triple + "/libc.so.6 )\n"})
	put(root, "linux-libc-dev_5.10_test.deb", [2]string{"./usr/include/linux/floor.h", "/* the kernel's */\n"})
	put(small, "small.tar", [2]string{"small/build.sh", script}, [2]string{"small/small.c", "#include <floor.h>\nint small(void) { return on_the_floor(); }\n"})
	p, err := plan.New(plan.Input{Profile: profile, Recipes: []*recipes.Recipe{root, small}, Base: "/opt", Host: plan.Host{Triple: triple, Sandbox: string(mode)},
		Patches: func(string, string) ([]patches.Patch, error) { return nil, nil }})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const (
	compiled = "set -e\ncc -shared -fPIC -nostartfiles -o small.so small.c\n"
	hostless = compiled + "echo '#include <stdlib.h>' >host.c\nif cc -c host.c; then echo the host has headers here; exit 1; fi\n" +
		"echo 'int malloc(void); int main(void) { return malloc() + malloc(); }' >host.c\nif gcc -nostartfiles -fno-builtin host.c; then echo the host has a libc here; exit 1; fi\n"
	missing = "cc -shared -fPIC -nostartfiles -Wl,-z,defs -o small.so -x c - <<E\nint f(void); int g(void) { return f(); }\nE\n"
	boxed   = hostless + "test -z \"$(ls /usr/include)\"\nif ls /usr/lib/*/libc.so /usr/lib*/libc.so /usr/lib/*/libc.a; then exit 1; fi\n"
)

// TestSysroot compiles against a libc of one function: it is found, and the host's is not.
func TestSysroot(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs Linux")
	}
	for _, mode := range []sandbox.Mode{sandbox.Namespaces, sandbox.None} {
		for name, c := range map[string]struct {
			version, script, want string
			mode                  sandbox.Mode // the only one, if any
		}{
			"as it should be":   {"GLIBC_2.31", hostless, "", ""},
			"a newer symbol":    {"GLIBC_2.32", compiled, "what was built wants glibc 2.32, newer than the sysroot's 2.31", ""},
			"an older symbol":   {"GLIBC_2.2.5", compiled, "", sandbox.Namespaces},
			"an unknown one":    {"GLIBC_ABI_DT_RELR", compiled, "what was built wants glibc 2.36, newer than", sandbox.None},
			"not in the libc":   {"GLIBC_2.31", missing, "exit status 1", sandbox.None},
			"host out of sight": {"GLIBC_2.31", boxed, "", sandbox.Namespaces},
		} {
			if c.mode != "" && c.mode != mode {
				continue
			}
			t.Run(string(mode)+"/"+name, func(t *testing.T) {
				if probed, reason := sandbox.Probe(t.Context()); mode == sandbox.Namespaces && probed != mode {
					t.Skip(reason)
				}
				st, err := store.Open(filepath.Join(t.TempDir(), "store"))
				if err != nil {
					t.Fatal(err)
				}
				p := sysrooted(t, st, mode, shared(t, c.version), c.script)
				b := &Builder{Store: st, Mode: mode, Jobs: 1,
					Fetch: func(_ context.Context, src *recipes.Source) (digest.Digest, error) { return src.SHA256, nil }}
				_, err = b.Run(t.Context(), p)
				matches(t, err, c.want)
			})
		}
	}
}
