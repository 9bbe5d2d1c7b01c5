package bundle

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
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

// sumsLine is a line as WriteSums writes it: coreutils reads others too, and this program none that two
// readers could take for different things (capital digits, a carriage return, an escaped name, the mark of
// binary mode).
var sumsLine = regexp.MustCompile(`^([0-9a-f]{64})  (` + plainForm + `)$`)

// parseSums reads what WriteSums wrote, strictly: plain names in this folder, each once.
func parseSums(text []byte) (map[string]digest.Digest, error) {
	body, ended := strings.CutSuffix(string(text), "\n")
	if !ended {
		return nil, fmt.Errorf("it lists nothing, or its last line has no end")
	}
	lines := strings.Split(body, "\n")
	if len(lines) > countLimit {
		return nil, fmt.Errorf("it lists more than %d files", countLimit)
	}
	all := map[string]digest.Digest{}
	for i, line := range lines {
		m := sumsLine.FindStringSubmatch(line)
		if m == nil || strings.HasPrefix(m[2], Sums) || strings.HasSuffix(m[2], envelopeEnd) {
			return nil, fmt.Errorf("line %d: not a digest, two spaces and the name of a file beside the list", i+1)
		}
		d, err := digest.Parse(m[1])
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		if _, twice := all[m[2]]; twice {
			return nil, fmt.Errorf("line %d: %q stands twice", i+1, m[2])
		}
		all[m[2]] = d
	}
	return all, nil
}
