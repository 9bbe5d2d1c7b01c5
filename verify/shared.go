package verify

import (
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// libraries are the files that hold the TLS of an openssl command, as compiled-in paths: the static ones of its prefix, or the
// shared ones that the loader takes for it.
func (c *court) libraries(binary, prefix string) []string {
	static := []string{filepath.Join(prefix, "lib", "libssl.a"), filepath.Join(prefix, "lib", "libcrypto.a")}
	if shared, err := sharedTLS(c.Locate(binary)); err == nil && len(shared) > 0 {
		return shared
	}
	return static
}

// methods names the fixed-version methods that a program can link to: in libssl.a, or where the command has none in its shared libssl.
func (c *court) methods(binary, prefix string) ([]string, error) {
	shared, err := sharedTLS(c.Locate(binary))
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(shared, func(path string) bool { return strings.HasPrefix(filepath.Base(path), "libssl") })
	if i < 0 {
		return methodsIn(c.Locate(filepath.Join(prefix, "lib", "libssl.a")), c.Floor)
	}
	f, err := elf.Open(shared[i])
	if err != nil {
		return nil, err
	}
	defer f.Close()
	symbols, err := f.DynamicSymbols()
	if err != nil {
		return nil, fmt.Errorf("reading the symbols of %s: %w", filepath.Base(shared[i]), err)
	}
	defined := map[string]bool{}
	for _, s := range symbols {
		if s.Section != elf.SHN_UNDEF {
			defined[s.Name] = true
		}
	}
	if !defined["TLS_client_method"] {
		return nil, fmt.Errorf("reading the symbols of %s: no TLS_client_method", filepath.Base(shared[i]))
	}
	return among(methodsBelow(c.Floor), defined), nil
}

// sharedTLS finds libssl and libcrypto among the libraries that a program needs: where its RUNPATH says, else in the loader's usual
// folders (ld.so(8)). None for a program that has them inside.
func sharedTLS(path string) (found []string, err error) {
	f, err := elf.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	needed, err := f.ImportedLibraries()
	if err != nil {
		return nil, err
	}
	folders, err := folders(f, path)
	if err != nil {
		return nil, err
	}
	for _, name := range matching(needed, "libssl,libcrypto") {
		i := slices.IndexFunc(folders, func(dir string) bool {
			_, err := os.Stat(filepath.Join(dir, name))
			return err == nil
		})
		if i < 0 {
			return nil, errors.New(name + ": not in any of the loader's folders")
		}
		found = append(found, filepath.Join(folders[i], name))
	}
	return found, nil
}

// folders are where the loader looks, for programs of this machine type.
func folders(f *elf.File, path string) ([]string, error) {
	var all []string
	for _, tag := range []elf.DynTag{elf.DT_RPATH, elf.DT_RUNPATH} {
		values, err := f.DynString(tag)
		if err != nil && !errors.Is(err, elf.ErrNoSymbols) {
			return nil, err
		}
		for _, v := range values {
			all = append(all, strings.Split(strings.ReplaceAll(v, "$ORIGIN", filepath.Dir(path)), ":")...)
		}
	}
	triple := map[elf.Machine]string{elf.EM_X86_64: "x86_64-linux-gnu", elf.EM_AARCH64: "aarch64-linux-gnu"}[f.Machine]
	return append(all, "/lib/"+triple, "/usr/lib/"+triple, "/lib64", "/usr/lib64", "/lib", "/usr/lib"), nil
}

// firstWord is the program of a command line.
func firstWord(line string) string {
	if words := strings.Fields(line); len(words) > 0 {
		return words[0]
	}
	return ""
}
