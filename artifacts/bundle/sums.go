package bundle

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tlsfloor/tlsfloor/internal/digest"
)

// Sums is the name of the list that sha256sum -c reads.
const Sums = "SHA256SUMS"

// WriteSums lists files of dir with their digests, in order of name.
func WriteSums(dir string, files []string) error {
	files = slices.Sorted(slices.Values(files))
	var b strings.Builder
	for _, name := range files {
		d, _, err := digest.OfFile(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%s  %s\n", d, name)
	}
	return os.WriteFile(filepath.Join(dir, Sums), []byte(b.String()), 0o644)
}

// parseSums reads what WriteSums wrote, strictly: plain names in this folder, each once.
func parseSums(text []byte) (map[string]digest.Digest, error) {
	all := map[string]digest.Digest{}
	sc := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; sc.Scan(); n++ {
		sum, name, ok := strings.Cut(sc.Text(), "  ")
		d, err := digest.Parse(sum)
		if !ok || err != nil {
			return nil, fmt.Errorf("line %d: not a digest, two spaces and a name", n)
		}
		if name != path.Base(name) || strings.HasPrefix(name, ".") || name == Sums {
			return nil, fmt.Errorf("line %d: %q is no name of a file beside the list", n, name)
		}
		if _, twice := all[name]; twice {
			return nil, fmt.Errorf("line %d: %q stands twice", n, name)
		}
		all[name] = d
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("it lists nothing")
	}
	return all, sc.Err()
}
