// Package advisory holds versions of components against a folder of advisories in OSV format
// (https://ossf.github.io/osv-schema/): what osv.dev publishes, a mirror of it, or files of one's own. It
// asks no network.
//
// Advisories about a component come in three ways, and all are read: ranges of versions; lists of tags, such
// as OpenSSL_1_1_1d; and ranges of commits, whose versions the database has put beside them. A range of
// commits without any version cannot be held against a version, nor can a range with a bound that is no
// version, or a list with a tag that has the version's numbers in another form: such a hit is not Sure. An
// advisory counts for nothing from when it is withdrawn. Pre-releases come before their release (3.5.0-beta.1
// before 3.5.0), in SemVer's words and in PEP 440's. Packages of distributions, whose versions are their own,
// are not looked at.
package advisory

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

const hint = "a folder of OSV files (*.json), or an all.zip of osv.dev"

// Database is a set of advisories.
type Database struct {
	all []*vulnerability // that may speak of a component
	n   int              // that were read
}

// Len counts the advisories that were read.
func (db *Database) Len() int { return db.n }

// Read reads every *.json below a folder, or in a .zip file. One that cannot be read is an error: a hole in
// the database is no good news. So is one that is larger than any advisory is, fault.Failed.
func Read(where string) (*Database, error) { return read(where, defaults) }

func read(where string, l limits) (*Database, error) {
	info, err := os.Stat(where)
	if err != nil {
		return nil, fault.New(fault.Usage, hint, "advisories: %w", err)
	}
	r := &reader{limits: l, where: where}
	switch {
	case info.IsDir():
		err = r.folder()
	case info.Mode().IsRegular():
		err = r.zip()
	default: // a pipe would wait for somebody to write into it
		err = fault.New(fault.Usage, hint, "advisories: %s is neither a folder nor a regular file", where)
	}
	if err == nil && r.db.n == 0 {
		err = fault.New(fault.Usage, hint, "advisories: there is none in %s", where)
	}
	if err != nil {
		return nil, err
	}
	return &r.db, nil
}

// parse reads one advisory.
func parse(text []byte) (*vulnerability, error) {
	v := &vulnerability{}
	if err := json.Unmarshal(text, v); err != nil {
		return nil, err
	}
	if v.ID == "" {
		return nil, fmt.Errorf("it has no id")
	}
	return v, nil
}

// Subject is one version of a component, and the names that it goes by.
type Subject struct {
	Version string
	Names   []string // of packages and repositories, in lower case
	PyPI    bool     // it is a package of Python's index, and not only a project
}

// Hit is an advisory that speaks of a subject's version.
type Hit struct {
	ID       string   `json:"id"` // the CVE's number, where it has one
	Aliases  []string `json:"aliases,omitempty"`
	Summary  string   `json:"summary,omitempty"`
	Severity Severity `json:"severity"`
	Score    float64  `json:"cvss,omitempty"`
	Fixed    []string `json:"fixed,omitempty"` // versions, oldest first
	Sure     bool     `json:"sure"`            // false: only commits, or what is no version
}

// Affecting lists what is known of the subject, worst first. The same vulnerability in several databases is
// one hit.
func (db *Database) Affecting(s Subject) []Hit {
	var hits []Hit
	own := cmp.Or(untag(s.Version), s.Version) // written as what it is held against
	for _, v := range db.all {
		affected, sure, fixed := false, false, []string(nil)
		for i := range v.Affected {
			a := &v.Affected[i]
			if !s.is(a) {
				continue
			}
			yes, known, mended := holds(a, own)
			affected, sure = affected || yes, sure || known && yes
			if yes {
				fixed = append(fixed, mended...)
			}
		}
		if affected {
			hits = merge(hits, newHit(v, sure, fixed))
		}
	}
	slices.SortFunc(hits, func(a, b Hit) int {
		return cmp.Or(-cmp.Compare(a.Severity, b.Severity), -cmp.Compare(a.Score, b.Score), cmp.Compare(a.ID, b.ID))
	})
	return hits
}

func newHit(v *vulnerability, sure bool, fixed []string) Hit {
	h := Hit{ID: v.ID, Summary: cmp.Or(v.Summary, firstLine(v.Details)), Sure: sure, Fixed: versions(fixed)}
	for _, alias := range append(slices.Clone(v.Aliases), v.Upstream...) {
		if strings.HasPrefix(alias, "CVE-") && !strings.HasPrefix(h.ID, "CVE-") {
			h.ID, alias = alias, h.ID
		}
		if alias != h.ID {
			h.Aliases = append(h.Aliases, alias)
		}
	}
	h.Severity, h.Score = severity(v)
	return h
}

// merge adds a hit, or what it knows beyond the one of the same number.
func merge(hits []Hit, h Hit) []Hit {
	i := slices.IndexFunc(hits, func(have Hit) bool { return have.ID == h.ID || slices.Contains(have.Aliases, h.ID) })
	if i < 0 {
		return append(hits, h)
	}
	have := &hits[i]
	have.Aliases = slices.Compact(slices.Sorted(slices.Values(append(have.Aliases, h.Aliases...))))
	have.Fixed = versions(append(have.Fixed, h.Fixed...))
	have.Summary, have.Sure = cmp.Or(have.Summary, h.Summary), have.Sure || h.Sure
	if h.Severity > have.Severity {
		have.Severity, have.Score = h.Severity, h.Score
	}
	return hits
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return line
}
