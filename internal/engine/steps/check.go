package steps

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/tlsfloor/tlsfloor/internal/engine/elfpolicy"
	"github.com/tlsfloor/tlsfloor/recipes"
)

// subject is an installed tree and what it is held against.
type subject struct {
	tree       string
	unstripped string        // folder of the build, where programs still have their symbols
	openssl    string        // the version that was built
	floor      recipes.Floor // the profile's
	glibc      string        // the sysroot's
	log        io.Writer
}

func (j *job) subject(tree string) subject {
	s := subject{tree: tree, unstripped: j.src(), floor: j.plan.Profile.Floor, glibc: recipes.Glibc(j.plan.Profile.Sysroot), log: j.log}
	if step := j.plan.Step("build/openssl"); step != nil {
		s.openssl = step.Recipe.Version
	}
	return s
}

// checks are what a recipe can ask for by name: each finds a reason to stop, or none.
var checks = map[recipes.Check]func(subject) error{
	recipes.CheckSSL:   oneOpenSSL,
	recipes.CheckFloor: noMethods,
	recipes.CheckELF:   wholePolicy,
	recipes.CheckGlibc: oldGlibc,
}

func check(name recipes.Check, s subject) error {
	do, ok := checks[name]
	if !ok {
		return errors.New("there is no such check")
	}
	return do(s)
}

// policy holds the whole tree to rules of the ELF policy; none means all. What it finds goes to the log, the
// first also into the error.
func (s subject) policy(rules ...elfpolicy.Rule) error {
	report, err := elfpolicy.Scan(s.tree, elfpolicy.Policy{Floor: string(s.floor), Rules: rules, Unstripped: s.unstripped})
	if err != nil {
		return err
	}
	fmt.Fprintf(s.log, "\nELF policy: %s\n", report)
	for _, f := range report.Findings {
		fmt.Fprintln(s.log, f)
	}
	return report.Err()
}

func wholePolicy(s subject) error { return s.policy() }

// noMethods holds OpenSSL's tree to the floor: none of the methods below it is defined in libssl.a or
// declared in a header.
func noMethods(s subject) error {
	if info, err := os.Lstat(filepath.Join(s.tree, "lib", "libssl.a")); err != nil || !info.Mode().IsRegular() {
		return errors.Join(err, errors.New("there is no file lib/libssl.a"))
	}
	return s.policy(elfpolicy.Methods, elfpolicy.Readable)
}

// modules are those that hold an OpenSSL.
var modules = []string{"_ssl", "_hashlib"}

// oneOpenSSL holds a Python tree to this: _ssl and _hashlib are there, the objects that hold them carry the
// OpenSSL that was built and no other, nothing in the tree loads a libssl or libcrypto, and none of their
// symbols is exported.
func oneOpenSSL(s subject) error {
	homes := map[string]string{} // module -> the file that holds it
	err := filepath.WalkDir(s.tree, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		symbols, err := elfpolicy.Exported(path)
		for _, module := range modules {
			if slices.Contains(symbols, "PyInit_"+module) {
				homes[module] = path
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, module := range modules {
		if homes[module] == "" {
			return fmt.Errorf("module %s was not built: neither in the interpreter nor in lib-dynload", module)
		}
		if err := carries(homes[module], s.openssl); err != nil {
			return fmt.Errorf("%s holds %s, but %w", filepath.Base(homes[module]), module, err)
		}
	}
	return s.policy(elfpolicy.Needed, elfpolicy.Exports, elfpolicy.Readable)
}

// carries says that the file at path holds the version text of OpenSSL want, and of no other.
func carries(path, want string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	found, err := elfpolicy.OpenSSLVersions(f)
	if err != nil {
		return err
	}
	for _, v := range found {
		if v != want {
			return fmt.Errorf("it carries OpenSSL %s, not %s", v, want)
		}
	}
	if len(found) == 0 {
		return fmt.Errorf("it does not carry OpenSSL %s", want)
	}
	return nil
}
