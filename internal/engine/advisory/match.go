package advisory

import (
	"cmp"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/tlsfloor/tlsfloor/recipes/version"
)

// upstream are the ecosystems whose versions are the projects' own.
var upstream = []string{"", "Bitnami", "OSS-Fuzz", "GIT", "ConanCenter"}

const (
	pypi    = "PyPI"
	generic = "pkg:generic/" // the package URL of no ecosystem
)

// is reports whether the advisory's package, or a repository of its ranges, is the subject.
func (s Subject) is(a *affected) bool {
	if p := a.Package; p != nil {
		ours := slices.Contains(upstream, p.Ecosystem) || strings.HasPrefix(p.PURL, generic) ||
			s.PyPI && p.Ecosystem == pypi
		if ours && slices.Contains(s.Names, strings.ToLower(path.Base(p.Name))) {
			return true
		}
		if !ours {
			return false
		}
	}
	return slices.ContainsFunc(a.Ranges, func(r ranged) bool {
		return r.Repo != "" && slices.Contains(s.Names, strings.ToLower(strings.TrimSuffix(path.Base(r.Repo), ".git")))
	})
}

// holds reports whether the version may be affected, whether that is sure, and where it is mended. What
// cannot be read, and could mean the version, is no good news: it is affected then, and not surely.
func holds(a *affected, v string) (affected, sure bool, fixed []string) {
	known, doubt := false, false
	for _, tag := range a.Versions {
		if t := bound(tag, v); t != "" {
			known = true
			affected = affected || version.Compare(t, v) == 0
		} else {
			doubt = doubt || mayMean(tag, v)
		}
	}
	for _, r := range a.Ranges {
		if r.Type == commits && len(r.Events) == 0 { // trimmed has looked for versions
			continue
		}
		if in, readable := within(r.Events, v); readable {
			known, affected = true, affected || in
		} else {
			doubt = true
		}
		for _, e := range r.Events {
			if f := bound(e.Fixed, v); f != "" && version.Compare(f, v) > 0 {
				fixed = append(fixed, f)
			}
		}
	}
	// Where nothing is known, there are only commits, and nobody has said which versions these are in.
	return affected || doubt || !known, affected, fixed
}

// step begins or ends a range.
type step struct {
	at     string // "" before every version
	begins bool
	after  bool // it ends behind at
}

// steps are those of the events, in order. One that cannot be read makes the others worthless.
func steps(events []event, v string) (all []step, readable bool) {
	for _, e := range events {
		for _, one := range []struct {
			text string
			step
		}{
			{e.Introduced, step{begins: true}}, {e.Fixed, step{}}, {e.LastAffected, step{after: true}},
		} {
			if one.text == "" {
				continue
			}
			if one.at = bound(one.text, v); one.at == "" {
				return nil, false
			}
			if one.begins && one.text == "0" {
				one.at = ""
			}
			all = append(all, one.step)
		}
		if e.Limit != "" && e.Limit != "*" {
			return nil, false
		}
	}
	slices.SortStableFunc(all, func(a, b step) int {
		switch {
		case a.at == "" || b.at == "":
			return len(a.at) - len(b.at)
		default:
			return version.Compare(a.at, b.at)
		}
	})
	return all, len(all) > 0
}

// within follows the events of a range, each of which begins or ends it (the OSV schema, "Evaluation"), and
// reports whether they could be read.
func within(events []event, v string) (in, readable bool) {
	all, readable := steps(events, v)
	for _, s := range all {
		order := -1
		if s.at != "" {
			order = version.Compare(s.at, v)
		}
		if order < 0 || order == 0 && !s.after {
			in = s.begins
		}
	}
	return in, readable
}

// tagForm has the numbers, the word behind them and its number. A project's name may end in a digit.
var tagForm = regexp.MustCompile(
	`^(?:[A-Za-z]*[A-Za-z_./-]*?|[A-Za-z]+\d-)(\d+(?:[._]\d+)*(?:\+\d+)?)(?:([-_.]?)([A-Za-z]+)[-_.]?(\d*))?$`)

// words are what versions say before a release, in the order in which they come, and after one; as
// version.Compare orders them, which has them by the alphabet, capitals first. PEP 440 and SemVer both
// have words that mean the same.
var words = map[string]string{
	"dev": "D", "snapshot": "D", "a": "a", "alpha": "a", "b": "b", "beta": "b",
	"c": "rc", "rc": "rc", "pre": "rc", "preview": "rc",
	"post": ".0.0.", "p": ".0.0.", "pl": ".0.0.", "patch": ".0.0.",
}

// untag makes a version of a tag such as v3.8.1, openssl-3.0.1, OpenSSL_1_1_1d, 3.5.0-beta.1 or REL_15_2; ""
// where there is none in it, or one whose order is not known, such as a distribution's 3.5.7-1.el9.
func untag(tag string) string {
	m := tagForm.FindStringSubmatch(strings.TrimSpace(tag))
	if m == nil {
		return ""
	}
	v, word, n := strings.ReplaceAll(m[1], "_", "."), strings.ToLower(m[3]), m[4]
	switch means := words[word]; {
	case word == "":
	case m[2] != "" && word == "x": // any
		return ""
	case n == "" && len(word) <= 2 && word != "rc" && m[2] != ".": // a patch letter of OpenSSL's
		v += word
	case means == "":
		return ""
	default:
		v += means + cmp.Or(n, "0")
	}
	if version.Check(v) != nil {
		return ""
	}
	return v
}

// bound is untag for what is held against v. A version in a form of its own, such as libedit's
// 20250104-3.1, is held against others of that form.
func bound(tag, v string) string {
	if t := untag(tag); t != "" || untag(v) != "" || version.Check(tag) != nil {
		return t
	}
	return tag
}

// ranging are signs of a text that means more than one version.
var ranging = regexp.MustCompile(`[<>=*^~,]|[-_.][xX]$`)

// mayMean reports whether a tag that is no version could mean v: it has its numbers in it, or is a range.
func mayMean(tag, v string) bool {
	if ranging.MatchString(tag) {
		return true
	}
	plain := strings.NewReplacer("_", ".", "-", ".").Replace
	numbers := regexp.QuoteMeta(plain(v))
	return regexp.MustCompile(`(^|[^0-9.]|[^0-9]\.)` + numbers + `($|[^0-9])`).MatchString(plain(tag))
}

// versions sorts, and drops what stands twice.
func versions(list []string) []string {
	slices.SortFunc(list, version.Compare)
	return slices.CompactFunc(list, func(a, b string) bool { return version.Compare(a, b) == 0 })
}
