package advisory

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/ossf/osv-schema/bindings/go/osvschema"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/tlsfloor/tlsfloor/recipes/version"
)

// upstream are the ecosystems whose versions are the projects' own.
var upstream = []string{"", "Bitnami", "OSS-Fuzz", "GIT", "ConanCenter"}

const (
	pypi    = "PyPI"
	generic = "pkg:generic/" // the package URL of no ecosystem
)

// is reports whether the advisory's package, or a repository of its ranges, is the subject.
func (s Subject) is(a *osvschema.Affected) bool {
	if p := a.Package; p != nil {
		ours := slices.Contains(upstream, p.Ecosystem) || strings.HasPrefix(p.Purl, generic) || s.PyPI && p.Ecosystem == pypi
		if ours && slices.Contains(s.Names, strings.ToLower(path.Base(p.Name))) {
			return true
		}
		if !ours {
			return false
		}
	}
	return slices.ContainsFunc(a.Ranges, func(r *osvschema.Range) bool {
		return r.Repo != "" && slices.Contains(s.Names, strings.ToLower(strings.TrimSuffix(path.Base(r.Repo), ".git")))
	})
}

// holds reports whether the version is affected, whether that is known from versions, and where it is mended.
func holds(a *osvschema.Affected, v string) (affected, known bool, fixed []string) {
	for _, tag := range a.Versions {
		if t := untag(tag); t != "" {
			known = true
			affected = affected || version.Compare(t, v) == 0
		}
	}
	commits := false
	for _, r := range a.Ranges {
		events := r.Events
		if r.Type == osvschema.Range_GIT && len(events) == 0 { // trimmed has looked for versions
			commits = true
			continue
		}
		known = true
		if within(events, v) {
			affected = true
		}
		for _, e := range events {
			if f := untag(e.Fixed); f != "" && version.Compare(f, v) > 0 {
				fixed = append(fixed, f)
			}
		}
	}
	if !known && commits { // nobody has said which versions these commits are in
		return true, false, nil
	}
	return affected, known, fixed
}

// within follows the events of a range, each of which begins or ends it (the OSV schema, "Evaluation").
func within(events []*osvschema.Event, v string) bool {
	type step struct {
		at     string
		begins bool
		after  bool // it ends behind at
	}
	var steps []step
	for _, e := range events {
		switch {
		case e.Introduced == "0":
			steps = append(steps, step{"", true, false})
		case untag(e.Introduced) != "":
			steps = append(steps, step{untag(e.Introduced), true, false})
		case untag(e.Fixed) != "":
			steps = append(steps, step{untag(e.Fixed), false, false})
		case untag(e.LastAffected) != "":
			steps = append(steps, step{untag(e.LastAffected), false, true})
		}
	}
	slices.SortStableFunc(steps, func(a, b step) int {
		switch {
		case a.at == "" || b.at == "":
			return len(a.at) - len(b.at)
		default:
			return version.Compare(a.at, b.at)
		}
	})
	in := false
	for _, s := range steps {
		order := -1
		if s.at != "" {
			order = version.Compare(s.at, v)
		}
		if order < 0 || order == 0 && !s.after {
			in = s.begins
		}
	}
	return in
}

// extracted are the versions that a database has put beside a range of commits.
func extracted(s *structpb.Struct) (events []*osvschema.Event) {
	for _, key := range []string{"extracted_events", "versions"} {
		for _, one := range s.GetFields()[key].GetListValue().GetValues() {
			f := one.GetStructValue().GetFields()
			events = append(events, &osvschema.Event{Introduced: f["introduced"].GetStringValue(), Fixed: f["fixed"].GetStringValue(), LastAffected: f["last_affected"].GetStringValue()})
		}
	}
	return events
}

var tagForm = regexp.MustCompile(`^[A-Za-z]*[A-Za-z_./-]*?(\d+(?:[._]\d+)*(?:[-_.]?[A-Za-z]+\d*)?)$`)

// untag makes a version of a tag such as v3.8.1, openssl-3.0.1, OpenSSL_1_1_1d or REL_15_2; "" where there is none in it.
func untag(tag string) string {
	m := tagForm.FindStringSubmatch(tag)
	if m == nil {
		return ""
	}
	v := strings.ReplaceAll(strings.ReplaceAll(m[1], "_", "."), "-", "")
	if version.Check(v) != nil {
		return ""
	}
	return v
}

// versions sorts, and drops what stands twice.
func versions(list []string) []string {
	slices.SortFunc(list, version.Compare)
	return slices.CompactFunc(list, func(a, b string) bool { return version.Compare(a, b) == 0 })
}
