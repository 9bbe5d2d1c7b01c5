// Package version orders the version numbers that upstream projects use, and holds them against
// constraints (">=3.0, <4.0") and series ("3.13", "3.9-3.11").
//
// A version is a list of numbers and words: 3.13.15, 1.1.1w, 6.5+20250216, 3.14.0rc1. It is compared part
// by part, numbers as numbers, a missing part as 0. A word at the end is a patch letter and comes after
// the bare number (1.1.1 < 1.1.1d < 1.1.1w); a word that a number follows is a pre-release and comes
// before it (3.14.0rc1 < 3.14.0).
package version

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"
)

var (
	form  = regexp.MustCompile(`^[0-9]+[A-Za-z]*[0-9]*([.+~_-][0-9A-Za-z]+)*$`)
	piece = regexp.MustCompile(`[0-9]+|[A-Za-z]+`)
)

const longest = 64 // characters; upstream's are below 30

// Check reports whether v is a version.
func Check(v string) error {
	if len(v) > longest || !form.MatchString(v) {
		return fmt.Errorf("version %q: want numbers and words such as 3.13.15 or 1.1.1w", v)
	}
	return nil
}

// Compare returns -1, 0 or +1 as a comes before, with or after b.
func Compare(a, b string) int {
	as, bs := parts(a), parts(b)
	for i := range max(len(as), len(bs)) {
		if c := as.at(i).compare(bs.at(i)); c != 0 {
			return c
		}
	}
	return 0
}

type rank int

const (
	preRelease rank = iota
	number
	patchLetter
)

type part struct {
	rank rank
	text string
}

type list []part

func parts(v string) list {
	found := piece.FindAllString(v, -1)
	l := make(list, len(found))
	for i, text := range found {
		switch {
		case text[0] <= '9':
			l[i] = part{number, strings.TrimLeft(text, "0")}
		case i+1 < len(found) && found[i+1][0] <= '9':
			l[i] = part{preRelease, text}
		default:
			l[i] = part{patchLetter, text}
		}
	}
	return l
}

// at returns part i, and the number 0 behind the end.
func (l list) at(i int) part {
	if i < len(l) {
		return l[i]
	}
	return part{rank: number}
}

// compare puts the longer text of equal rank last: 10 after 9, and OpenSSL's 1.0.2za after 1.0.2z.
// The words of pre-releases (alpha, beta, rc) are in alphabetical order.
func (p part) compare(q part) int {
	if p.rank != q.rank {
		return cmp.Compare(p.rank, q.rank)
	}
	if p.rank == preRelease {
		return cmp.Compare(p.text, q.text)
	}
	return cmp.Or(cmp.Compare(len(p.text), len(q.text)), cmp.Compare(p.text, q.text))
}

type bound struct {
	op      string
	version string
}

// Constraint is a list of bounds that must all hold. The zero value allows every version.
type Constraint []bound

var boundForm = regexp.MustCompile(`^(>=|<=|!=|>|<|=)\s*(\S+)$`)

// ParseConstraint reads bounds separated by commas; operators are >= <= > < = and !=.
func ParseConstraint(s string) (Constraint, error) {
	var c Constraint
	for field := range strings.SplitSeq(s, ",") {
		m := boundForm.FindStringSubmatch(strings.TrimSpace(field))
		if m == nil {
			return nil, fmt.Errorf("version constraint %q: want bounds such as \">=3.0, <4.0\"", s)
		}
		if err := Check(m[2]); err != nil {
			return nil, fmt.Errorf("version constraint %q: %w", s, err)
		}
		c = append(c, bound{m[1], m[2]})
	}
	return c, nil
}

// Allows reports whether v is within all bounds.
func (c Constraint) Allows(v string) bool {
	for _, b := range c {
		if !b.allows(Compare(v, b.version)) {
			return false
		}
	}
	return true
}

func (b bound) allows(order int) bool {
	switch b.op {
	case ">=":
		return order >= 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	case "<":
		return order < 0
	case "=":
		return order == 0
	}
	return order != 0
}

// Series is a set of neighbouring versions: "3.13" is 3.13 and every 3.13.x, "3.9-3.11" all from 3.9 to
// 3.11.x. In a series a minus always separates the two ends.
type Series struct {
	low, high string
}

// ParseSeries reads one version or two with a minus between them.
func ParseSeries(s string) (Series, error) {
	low, high, isRange := strings.Cut(s, "-")
	if !isRange {
		high = low
	}
	for _, v := range []string{low, high} {
		if err := Check(v); err != nil {
			return Series{}, fmt.Errorf("version series %q: %w", s, err)
		}
	}
	if Compare(low, high) > 0 {
		return Series{}, fmt.Errorf("version series %q: %s comes after %s", s, low, high)
	}
	return Series{low, high}, nil
}

// Contains reports whether v belongs to the series.
func (s Series) Contains(v string) bool {
	fromLow := Compare(v, s.low) >= 0 || begins(v, s.low)
	return fromLow && (Compare(v, s.high) <= 0 || begins(v, s.high))
}

// Depth tells how narrow the series is: the number of parts of a single one, 0 for a range.
func (s Series) Depth() int {
	if s.low != s.high {
		return 0
	}
	return len(parts(s.low))
}

// begins reports whether v's first parts are those of prefix.
func begins(v, prefix string) bool {
	vs, ps := parts(v), parts(prefix)
	if len(vs) < len(ps) {
		return false
	}
	for i := range ps {
		if vs[i].text != ps[i].text {
			return false
		}
	}
	return true
}
