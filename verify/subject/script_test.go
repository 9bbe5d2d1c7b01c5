package subject

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/tlsfloor/tlsfloor/verify"
)

// Each plants in a tree something that gives scripts an _ssl without a floor, and leaves the judge's
// isolated process alone.
var planted = map[string]struct{ file, text string }{
	"sitecustomize": {"sitecustomize.py", weakSSL},
	"usercustomize": {"usercustomize.py", weakSSL},
	"a .pth file":   {"a.pth", "import sys; sys.flags.isolated or __import__('planted')\n"},
}

const weakSSL = `import importlib.machinery, importlib.util, sys
if not sys.flags.isolated:
    loader = importlib.machinery.ExtensionFileLoader("_ssl", %q)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("_ssl", loader))
    loader.exec_module(module)
    sys.modules["_ssl"] = module
`

// What a tree's own site packages do to every script is seen, although the judge's isolated process is
// spared.
func TestRealPlantedInTree(t *testing.T) {
	o := real(t)
	prefix := filepath.Dir(filepath.Dir(o.Toolchain.Python))
	for name, plant := range planted {
		t.Run(name, func(t *testing.T) {
			tree := filepath.Join(t.TempDir(), "python")
			if out, err := exec.Command("cp", "-a", "--reflink=auto", prefix,
				tree).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			found, _ := filepath.Glob(filepath.Join(tree, "lib", "python3*", "site-packages"))
			if len(found) != 1 {
				t.Fatalf("site packages: %v", found)
			}
			text := plant.text
			if text == weakSSL {
				text = fmt.Sprintf(weakSSL, o.Toolchain.WeakSSL)
			} else if err := os.WriteFile(filepath.Join(found[0], "planted.py"),
				fmt.Appendf(nil, weakSSL, o.Toolchain.WeakSSL), 0o644); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(found[0], plant.file), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			o := o
			o.Kind, o.Toolchain.WeakPython = verify.KindPython, o.Toolchain.Python
			o.Toolchain.Python = filepath.Join(tree, "bin", "python3")
			p := prove(t, o)
			failed := failures(p)
			for _, name := range []string{"client-tls11-script", "server-tls11-script", "static-import"} {
				if !slices.Contains(failed, name) {
					t.Errorf("%s does not fail: %v\n%s", name, failed, page(p))
				}
			}
			if slices.Contains(failed, "client-tls11-perm") {
				t.Error("control: the isolated process has the planted one as well")
			}
		})
	}
}
