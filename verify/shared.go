package verify

import (
	"context"
	"debug/elf"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/tlsfloor/tlsfloor/internal/ground/elffile"
)

// libraries are the files that hold the TLS of an openssl command, as compiled-in paths: the static ones of
// its prefix, or the shared ones that the loader takes for it.
func (c *court) libraries(ctx context.Context, binary, prefix string) []string {
	static := []string{filepath.Join(prefix, "lib", "libssl.a"), filepath.Join(prefix, "lib", "libcrypto.a")}
	if shared, err := c.sharedTLS(ctx, binary); err == nil && len(shared) > 0 {
		return shared
	}
	return static
}

// methods names the fixed-version methods that a program can link to: in libssl.a, or where the command has
// none in its shared libssl.
func (c *court) methods(ctx context.Context, binary, prefix string) ([]string, error) {
	shared, err := c.sharedTLS(ctx, binary)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(shared, func(path string) bool { return strings.HasPrefix(filepath.Base(path), "libssl") })
	if i < 0 {
		return methodsIn(c.Locate(filepath.Join(prefix, "lib", "libssl.a")), c.Floor)
	}
	defined := map[string]bool{}
	err = elffile.Look(c.Locate(shared[i]), func(f *elf.File) error {
		symbols, err := f.DynamicSymbols()
		for _, s := range symbols {
			if s.Section != elf.SHN_UNDEF {
				defined[s.Name] = true
			}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading the symbols of %s: %w", filepath.Base(shared[i]), err)
	}
	if !defined["TLS_client_method"] {
		return nil, fmt.Errorf("reading the symbols of %s: no TLS_client_method", filepath.Base(shared[i]))
	}
	return among(methodsBelow(c.Floor), defined), nil
}

// loaded is a line of what the loader says that it maps (ld.so(8), LD_TRACE_LOADED_OBJECTS).
var loaded = regexp.MustCompile(`(?m)^\s*(lib(?:ssl|crypto)\S*) => (/\S+) `)

// sharedTLS asks the loader which libssl and libcrypto it takes for a program; the program itself does not
// run. None for one that has them inside.
func (c *court) sharedTLS(ctx context.Context, path string) (found []string, err error) {
	needed, err := importedBy(c.Locate(path))
	if err != nil {
		return nil, err
	}
	wanted := matching(needed, "libssl,libcrypto")
	if len(wanted) == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	out, err := c.Launch(ctx, []string{path}, []string{"LD_TRACE_LOADED_OBJECTS=1", "PATH=/usr/bin:/bin"}).Output()
	if err != nil {
		return nil, fmt.Errorf("asking the loader for the libraries of %s: %w", filepath.Base(path), err)
	}
	for _, m := range loaded.FindAllStringSubmatch(string(out), -1) {
		found = append(found, m[2])
	}
	if len(found) < len(wanted) {
		return nil, fmt.Errorf("asking the loader for the libraries of %s: %v, and it needs %v", filepath.Base(path), found, wanted)
	}
	return found, nil
}

// importedBy are the libraries in the DT_NEEDED of a file.
func importedBy(path string) (needed []string, err error) {
	err = elffile.Look(path, func(f *elf.File) (err error) {
		needed, err = f.ImportedLibraries()
		return err
	})
	return needed, err
}
