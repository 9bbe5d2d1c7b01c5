package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hbollon/go-edlib"

	"github.com/tlsfloor/tlsfloor/verify"
)

// Explain says in plain text why a case exists, what is done and what is expected. With a proof, which may be
// nil, what happened in it and the annotated transcripts of the case and of its controls follow.
func Explain(c verify.Case, p *verify.Proof) (string, error) {
	var b strings.Builder
	one := result{Case: c}
	fmt.Fprintf(&b, "%s (%s)\n  %s\n", clean(c.Name), clean(string(c.Role)), clean(c.Why))
	for _, s := range one.steps() {
		title := "the case"
		if s.Control != "" {
			title = "control: " + s.Control
		}
		fmt.Fprintf(&b, "\n%s\n  tried     %s\n  expected  %s\n", title, s.Tried, s.Expected)
	}
	if p == nil {
		return b.String(), nil
	}
	r, err := read(p)
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(r.results, func(one result) bool { return one.Name == c.Name })
	if i < 0 || r.results[i].Finding == nil {
		fmt.Fprintf(&b, "\nthe proof of %s does not hold it\n", p.Time.UTC().Format(time.RFC3339))
		return b.String(), nil
	}
	one = r.results[i]
	fmt.Fprintf(&b, "\nin the proof of %s: %s\n", p.Time.UTC().Format(time.RFC3339), one.Status)
	if one.Reason != "" {
		fmt.Fprintf(&b, "  %s\n", clean(one.Reason))
	}
	fmt.Fprintf(&b, "\n%s", one.section())
	return b.String(), nil
}

// Near returns up to five of names that a person may have meant by name, the nearest first: those that hold
// it, then those with the fewest letters to change (Levenshtein's distance) if that is less than half of
// them.
func Near(name string, names []string) []string {
	type candidate struct {
		name     string
		distance int
	}
	var all []candidate
	for _, n := range names {
		d := edlib.LevenshteinDistance(name, n)
		if name != "" && strings.Contains(n, name) {
			d = 0
		}
		if d <= max(len(name), len(n))/2 {
			all = append(all, candidate{n, d})
		}
	}
	slices.SortStableFunc(all, func(a, b candidate) int { return a.distance - b.distance })
	var near []string
	for _, c := range all[:min(5, len(all))] {
		near = append(near, c.name)
	}
	return near
}
