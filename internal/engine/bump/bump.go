// Package bump looks for newer versions of what recipes pin, and writes the recipe of one.
package bump

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/recipes"
	"github.com/tlsfloor/tlsfloor/recipes/version"
)

// Candidate is a newer version, as a place has it.
type Candidate struct {
	Version string
	Source  recipes.Source // without digest where only canonical places have it
	Voucher string         // the signed list that has the digest; ""
}

// released is a version that upstream means for everybody: no letters but one behind the digits, as OpenSSL
// had them.
var released = regexp.MustCompile(`^[0-9]+(\.[0-9]+)*([+.-][0-9]{8})?[a-z]?$`)

// pattern matches names that hold the version old, and gives the version in them.
func pattern(name, old string) *regexp.Regexp {
	before, after, ok := strings.Cut(name, old)
	if !ok || strings.Contains(after, old) {
		return nil
	}
	return regexp.MustCompile(regexp.QuoteMeta(before) + `([0-9][0-9a-zA-Z.+-]*?)` + regexp.QuoteMeta(after))
}

// newer reports whether v may take the place of old: released, after it, and of the same series where that
// matters.
func newer(v, old string, sameSeries bool) bool {
	if !released.MatchString(v) || version.Check(v) != nil || version.Compare(v, old) <= 0 {
		return false
	}
	return !sameSeries || series(v) == series(old)
}

// series is what stands before the last dot: 3.13 of 3.13.15.
func series(v string) string { return v[:max(strings.LastIndexByte(v, '.'), 0)] }

// renamed is the source of another version: its names with that version in the old one's place. Digests and
// sizes are left out.
func renamed(s recipes.Source, old, v string) recipes.Source {
	swap := func(name string) string {
		name = strings.ReplaceAll(name, old, v)
		name = strings.ReplaceAll(name, strings.ReplaceAll(old, "+", "-"), strings.ReplaceAll(v, "+", "-"))
		if a, b := series(old), series(v); a != "" && a != b {
			name = strings.ReplaceAll(name, "/v"+a+"/", "/v"+b+"/") // as kernel.org has its folders
		}
		return name
	}
	all := func(names []string) (swapped []string) {
		for _, name := range names {
			swapped = append(swapped, swap(name))
		}
		return swapped
	}
	apt := func(a *recipes.Apt) *recipes.Apt {
		if a == nil {
			return nil
		}
		return &recipes.Apt{Package: a.Package, File: swap(a.File)}
	}
	s.File, s.URLs, s.Apt, s.SHA256, s.Size, s.Alternatives = swap(s.File), all(s.URLs), apt(s.Apt), digest.Digest{}, 0, nil
	if g := s.Signature; g != nil {
		s.Signature = &recipes.Signature{File: swap(g.File), URLs: all(g.URLs), Apt: apt(g.Apt), Key: g.Key}
	}
	return s
}

// order has the newest first. One that a signed list vouches for goes before the same version without.
func order(a, b Candidate) int {
	return cmp.Or(version.Compare(b.Version, a.Version), strings.Compare(b.Voucher, a.Voucher),
		strings.Compare(a.Source.SHA256.String(), b.Source.SHA256.String()))
}

// Newest returns the candidates that the places gave, one of each version, the newest version first.
func Newest(all []Candidate) []Candidate {
	all = slices.SortedFunc(slices.Values(all), order)
	return slices.CompactFunc(all, func(a, b Candidate) bool { return a.Version == b.Version })
}
