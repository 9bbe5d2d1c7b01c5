package bump

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/engine/fetch"
	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// Sizes in bytes that the files of an archive may have. Debian's are 200 kB and 80 MB.
const (
	maxRelease = 8 << 20
	maxSources = 512 << 20
)

// sourcesPath is what an InRelease calls the list that is read, as apt keeps it: not packed.
const sourcesPath = "main/source/Sources"

// release is what an InRelease says (https://wiki.debian.org/DebianRepository/Format).
type release struct {
	suite, codename string
	date, until     time.Time // until may be zero: Debian's stable has none
	files           map[string]listed
}

type listed struct {
	sha256 digest.Digest
	size   int64
}

// read verifies each list that apt has fetched, and keeps the stanzas of the wanted packages.
func (l Lists) read() (*Apt, error) {
	ring, err := os.ReadFile(l.Keyring)
	if err != nil {
		return nil, fmt.Errorf("keyring: %w", err)
	}
	lists, err := filepath.Glob(filepath.Join(l.Dir, "lists", "*_"+strings.ReplaceAll(sourcesPath, "/", "_")))
	if err != nil {
		return nil, err
	}
	if len(lists) == 0 {
		return nil, fault.New(fault.Failed, "run: apt-get update", "apt has fetched no list of sources")
	}
	a := &Apt{}
	for _, list := range lists {
		prefix := strings.TrimSuffix(list, strings.ReplaceAll(sourcesPath, "/", "_"))
		stanzas, err := l.list(prefix+"InRelease", list, ring)
		if err != nil {
			hint := "nothing of it was used; ask another mirror, or say -stale=720h for one that stands still"
			return nil, fault.New(fault.BadSignature, hint, "list %s: %w", filepath.Base(list), err)
		}
		a.stanzas = append(a.stanzas, stanzas...)
	}
	return a, nil
}

// list returns the wanted stanzas of one list. The bytes that are hashed are those that are read.
func (l Lists) list(inRelease, sources string, ring []byte) (wanted []string, err error) {
	message, err := readFile(inRelease, maxRelease)
	if err != nil {
		return nil, fmt.Errorf("it is not signed: %w", err)
	}
	text, err := fetch.Clearsigned(message, ring, l.Now())
	if err != nil {
		return nil, fmt.Errorf("InRelease: %w", err)
	}
	r, err := parseRelease(text)
	if err == nil {
		err = r.check(suiteOf(inRelease), l.Now(), l.Stale)
	}
	if err != nil {
		return nil, fmt.Errorf("InRelease: %w", err)
	}
	want, ok := r.files[sourcesPath]
	if !ok {
		return nil, fmt.Errorf("InRelease has no SHA-256 digest of %s", sourcesPath)
	}
	content, err := readFile(sources, maxSources)
	if err != nil {
		return nil, err
	}
	if got := digest.Of(content); got != want.sha256 || int64(len(content)) != want.size {
		return nil, fmt.Errorf("its digest is %s, and the signed InRelease has %s", got, want.sha256)
	}
	for stanza := range bytes.SplitSeq(content, []byte("\n\n")) {
		if name, ok := bytes.CutPrefix(bytes.TrimLeft(stanza, "\n"), []byte("Package: ")); ok {
			name, _, _ = bytes.Cut(name, []byte("\n"))
			if slices.Contains(l.Packages, string(bytes.TrimSpace(name))) {
				wanted = append(wanted, string(stanza))
			}
		}
	}
	return wanted, nil
}

// suiteOf is the suite in apt's name of a file: ..._dists_stable_InRelease.
func suiteOf(file string) string {
	name := strings.TrimSuffix(filepath.Base(file), "_InRelease")
	return name[strings.LastIndexByte(name, '_')+1:]
}

func readFile(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(content)) > limit {
		err = fmt.Errorf("%s has more than %d bytes", filepath.Base(path), limit)
	}
	return content, err
}

// check holds the release against the suite that was asked for, and against the time.
func (r release) check(suite string, now time.Time, stale time.Duration) error {
	switch {
	case suite != r.suite && suite != r.codename:
		return fmt.Errorf("it is of suite %q, and %q was asked for", r.suite, suite)
	case r.date.IsZero() || r.date.After(now.Add(24*time.Hour)):
		return fmt.Errorf("its date %s is none, or in the future", r.date.UTC().Format(time.DateOnly))
	case !r.until.IsZero() && now.After(r.until.Add(stale)):
		return fmt.Errorf("it was valid until %s: an old one is served",
			r.until.UTC().Format(time.DateOnly))
	}
	return nil
}

// parseRelease reads the fields that check needs, and the SHA-256 digests: MD5 and SHA-1 count for nothing.
// A field that stands twice is an error, because two readers could see two different ones.
func parseRelease(text []byte) (r release, err error) {
	r.files = map[string]listed{}
	seen := map[string]bool{}
	field := ""
	sc := bufio.NewScanner(bytes.NewReader(text))
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		line := sc.Text()
		value := line
		if !strings.HasPrefix(line, " ") {
			field, value, _ = strings.Cut(line, ":")
			if field = strings.ToLower(field); seen[field] && strings.TrimSpace(line) != "" {
				return r, fmt.Errorf("field %q stands twice", field)
			}
			seen[field] = true
		}
		value = strings.TrimSpace(value)
		switch field {
		case "suite":
			r.suite = value
		case "codename":
			r.codename = value
		case "date":
			r.date, err = releaseTime(value)
		case "valid-until":
			r.until, err = releaseTime(value)
		case "sha256":
			if name, l, ok := fileLine(value); ok {
				if was, twice := r.files[name]; twice && was != l {
					return r, fmt.Errorf("file %q stands twice", name)
				}
				r.files[name] = l
			}
		}
		if err != nil {
			return r, fmt.Errorf("%s: %w", field, err)
		}
	}
	return r, sc.Err()
}

// releaseTime reads the form that archives write: that of RFC 1123 in UTC.
func releaseTime(s string) (time.Time, error) {
	for _, form := range []string{"Mon, 2 Jan 2006 15:04:05 UTC", "Mon, 2 Jan 2006 15:04:05 GMT",
		time.RFC1123Z} {
		if t, err := time.Parse(form, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no time", s)
}

// fileLine reads a digest, a size and a name.
func fileLine(line string) (name string, l listed, ok bool) {
	words := strings.Fields(line)
	if len(words) != 3 {
		return "", listed{}, false
	}
	sum, err := digest.Parse(words[0])
	size, err2 := strconv.ParseInt(words[1], 10, 64)
	return words[2], listed{sum, size}, err == nil && err2 == nil && size >= 0
}

// stanza is a source package's.
type stanza struct {
	pkg, version string
	files        map[string]listed
}

// parseStanza reads the files with their digests, and the package's name and version, from a stanza of a
// Sources index (Debian's repository format).
func parseStanza(text string) stanza {
	s := stanza{files: map[string]listed{}}
	field := ""
	sc := bufio.NewScanner(strings.NewReader(text))
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		line := sc.Text()
		if !strings.HasPrefix(line, " ") {
			field, line, _ = strings.Cut(line, ":")
		}
		words := strings.Fields(line)
		switch {
		case len(words) == 1 && field == "Package":
			s.pkg = words[0]
		case len(words) == 1 && field == "Version":
			s.version = words[0]
		case field == "Checksums-Sha256":
			if name, l, ok := fileLine(line); ok {
				s.files[name] = l
			}
		}
	}
	return s
}
