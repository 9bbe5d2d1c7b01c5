package elfpolicy

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
)

// forbiddenMethods finds the names of fixed-version methods, and of the data behind one, whatever the
// compiler appended.
type forbiddenMethods struct {
	floor string
	name  *regexp.Regexp
	word  *regexp.Regexp // in C text
}

func methodsOf(floor, versions string) *forbiddenMethods {
	name := `(?:` + versions + `)_(?:client_|server_)?method`
	return &forbiddenMethods{floor, regexp.MustCompile(`^` + name + `(_data)?(\..*)?$`), regexp.MustCompile(`\b` + name + `\b`)}
}

// forbidden has by floor the methods that speak a version below it.
var forbidden = map[string]*forbiddenMethods{
	"1.2": methodsOf("1.2", `SSLv2|SSLv3|TLSv1|TLSv1_1|DTLSv1`),
	"1.3": methodsOf("1.3", `SSLv2|SSLv3|TLSv1|TLSv1_1|TLSv1_2|DTLSv1|DTLSv1_2`),
}

// negotiating is the method that every libssl has: where it is not found, the absence of others proves
// nothing.
const negotiating = "TLS_method"

// methodBreaches looks through all symbols of what is linked, not only through those that are exported:
// hidden code runs too.
func methodBreaches(s *scan, o *object) []string {
	names, proven := o.defined, o.hasTable
	holds := o.kind == library && filepath.Base(o.path) == "libssl.a"
	if o.kind == program || o.kind == shared {
		versions, err := OpenSSLVersions(io.NewSectionReader(o.reader, 0, 1<<62))
		if err != nil {
			return []string{err.Error()}
		}
		carries := len(versions) > 0
		holds = carries && o.kind == program
		if !proven {
			names, proven = s.before(o)
		}
		if carries && !proven {
			return when(true, "unproven: it holds OpenSSL and was stripped of its symbols")
		}
	}
	if holds && !slices.Contains(names, negotiating) {
		return when(true, "unproven: its symbols do not have "+negotiating)
	}
	var out []string
	for _, name := range names {
		if s.methods.name.MatchString(name) {
			out = append(out, fmt.Sprintf("defines %s, which speaks a version below %s", name, s.methods.floor))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// before returns the symbols that a stripped object had, from the file with the same build ID.
func (s *scan) before(o *object) (names []string, found bool) {
	id := o.buildID()
	if id == nil || s.Unstripped == "" {
		return nil, false
	}
	entries, err := os.ReadDir(s.Unstripped)
	if err != nil {
		return nil, false
	}
	for _, e := range entries {
		if !e.Type().IsRegular() { // a pipe would wait for ever
			continue
		}
		if names, found := symbolsOf(filepath.Join(s.Unstripped, e.Name()), id); found {
			return names, true
		}
	}
	return nil, false
}

// symbolsOf returns the full symbol table of the file at path, if that was linked with this build ID.
func symbolsOf(path string, id []byte) (names []string, found bool) {
	f, err := os.Open(path)
	if err != nil {
		return nil, false
	}
	defer f.Close()
	o, err := open(path, f)
	if err != nil || !o.hasTable || !bytes.Equal(o.buildID(), id) {
		return nil, false
	}
	return o.defined, true
}

// versionText is what every libcrypto carries (OPENSSL_VERSION_TEXT: "OpenSSL 3.5.7 9 Jun 2026").
var versionText = regexp.MustCompile(`OpenSSL (\d{1,3}\.\d{1,3}\.\d{1,3}[a-z]?) {1,4}\d{1,2} [A-Z][a-z]{2} \d{4}`)

// longestText is more than versionText can match.
const longestText = 64

// OpenSSLVersions lists the versions of OpenSSL whose text r carries, sorted. It holds a piece of r at a
// time.
func OpenSSLVersions(r io.Reader) ([]string, error) {
	found := map[string]bool{}
	piece := make([]byte, 256<<10)
	kept := 0 // bytes of the piece before, in which a text may begin
	for {
		n, err := io.ReadFull(r, piece[kept:])
		text := piece[:kept+n]
		for _, m := range versionText.FindAllSubmatch(text, -1) {
			found[string(m[1])] = true
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			return slices.Sorted(maps.Keys(found)), nil
		}
		if err != nil {
			return nil, err
		}
		kept = copy(piece, text[len(text)-longestText:])
	}
}
