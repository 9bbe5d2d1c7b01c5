package bump

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/tlsfloor/tlsfloor/internal/digest"
	"github.com/tlsfloor/tlsfloor/recipes"
)

// Suites are those of Debian in which newer versions can be.
var Suites = []string{"stable", "testing", "unstable"}

const debianKeys = "/usr/share/keyrings/debian-archive-keyring.gpg"

// Apt is the lists of source packages of some suites, which apt has fetched and whose signatures it has verified.
type Apt struct{ options []string }

// NewApt has apt fetch the lists of the suites from the archives into the folder dir; the host's own lists are left alone.
func NewApt(ctx context.Context, dir string, bases, suites []string) (*Apt, error) {
	for _, sub := range []string{"lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return nil, err
		}
	}
	var list strings.Builder
	for _, base := range bases {
		if security := strings.HasSuffix(strings.TrimRight(base, "/"), "-security"); strings.Contains(base, "debian") && !strings.Contains(list.String(), " "+base+" ") {
			for _, suite := range suites {
				if security {
					suite += "-security"
				}
				if suite != "unstable-security" && suite != "testing-security" {
					fmt.Fprintf(&list, "deb-src [signed-by=%s] %s %s main\n", debianKeys, base, suite)
				}
			}
		}
	}
	if list.Len() == 0 {
		return nil, fmt.Errorf("apt knows no archive of Debian's here")
	}
	if err := os.WriteFile(filepath.Join(dir, "sources.list"), []byte(list.String()), 0o644); err != nil {
		return nil, err
	}
	a := &Apt{}
	for _, option := range []string{"Dir::State::lists=" + dir + "/lists", "Dir::Etc::sourcelist=" + dir + "/sources.list", "Dir::Etc::sourceparts=-", "Dir::Cache=" + dir + "/cache",
		"Dir::State::status=/dev/null", "APT::Sandbox::User=", "Acquire::Languages=none"} {
		a.options = append(a.options, "-o", option)
	}
	_, err := a.run(ctx, "apt-get", "--error-on=any", "update")
	return a, err
}

func (a *Apt) run(ctx context.Context, program string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, program, append(slices.Clone(a.options), args...)...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w: %s", program, args[len(args)-1], err, bytes.TrimSpace(errs.Bytes()))
	}
	return out, nil
}

type listed struct {
	sha256 digest.Digest
	size   int64
}

// Has reports whether the lists can be asked for the source: its file's name has to hold its version.
func (a *Apt) Has(s recipes.Source, old string) bool {
	return s.Apt != nil && pattern(s.Apt.File, old) != nil
}

// Candidates are the versions newer than old of the source that the lists have.
func (a *Apt) Candidates(ctx context.Context, s recipes.Source, old string, sameSeries bool) (all []Candidate, err error) {
	names := pattern(s.Apt.File, old)
	text, err := a.run(ctx, "apt-cache", "showsrc", s.Apt.Package)
	if err != nil {
		return nil, err
	}
	for _, stanza := range strings.Split(string(text), "\n\n") {
		files, name := parseStanza(stanza)
		for file, l := range files {
			m := names.FindStringSubmatch(file)
			if m == nil || m[0] != file || !newer(m[1], old, sameSeries) || renamed(s, old, m[1]).File == s.File {
				continue
			}
			c := Candidate{Version: m[1], Source: renamed(s, old, m[1]), Voucher: "Debian's signed list of sources has the digest, of " + name}
			c.Source.SHA256, c.Source.Size = l.sha256, l.size
			if g := c.Source.Signature; g != nil && g.Apt != nil {
				if sig, ok := files[g.Apt.File]; ok {
					g.SHA256 = sig.sha256
				} else {
					g.Apt = nil
				}
			}
			all = append(all, c)
		}
	}
	return all, nil
}

// parseStanza reads the files with their digests, and the package's name and version, from a stanza of a Sources index (Debian's
// repository format).
func parseStanza(stanza string) (files map[string]listed, name string) {
	files = map[string]listed{}
	field, pkg, v := "", "", ""
	sc := bufio.NewScanner(strings.NewReader(stanza))
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		line := sc.Text()
		if !strings.HasPrefix(line, " ") {
			field, line, _ = strings.Cut(line, ":")
		}
		words := strings.Fields(line)
		switch {
		case len(words) == 1 && field == "Package":
			pkg = words[0]
		case len(words) == 1 && field == "Version":
			v = words[0]
		case len(words) == 3 && field == "Checksums-Sha256":
			sum, err := digest.Parse(words[0])
			size, err2 := strconv.ParseInt(words[1], 10, 64)
			if err == nil && err2 == nil {
				files[words[2]] = listed{sum, size}
			}
		}
	}
	return files, pkg + " " + v
}
