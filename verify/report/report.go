// Package report turns a verify.Proof into what others read: a page for people, JUnit XML for a build server,
// the explanation of one case for a terminal, and in-toto Statements for a policy engine. What it promises:
//
//   - Nothing is believed that the proof says of itself: every function judges it again, from its transcripts and reports.
//   - A case counts as passed only if the proof holds it once, as it is expected. What is missing, altered, left out or not proved
//     counts as failed in a Statement, is an error in the XML, and stands at the top of the page.
//   - A property is only stated (svr.intoto.json) when the whole proof holds.
//   - Equal proofs give equal bytes. Of two proofs of the same behaviour only what the wire has random and the time differ.
//   - No text of a program, however hostile, becomes markup, a control character or a second line.
//
// The Statements are not signed. It imports verify, the standard library and an edit distance; it
// reads and writes no file.
package report

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"
	"unicode"

	"github.com/tlsfloor/tlsfloor/verify"
)

// About is what a page says beside the proof; the caller knows it, the judge does not.
type About struct {
	Profile    string
	Generation int // 0: none
	Components []Component
}

// Component is a part of what was tested.
type Component struct {
	Name, Version string
	EOL           time.Time // end of upstream's support; zero: none is known
	FIPS          string    // FIPS 140 status in plain words
}

// result is one case of a report: what is expected, and the finding that answers to it.
type result struct {
	verify.Case
	Status  verify.Status
	Reason  string          // why it is not pass
	Finding *verify.Finding // nil: the proof does not hold it
}

func (r result) passed() bool { return r.Status == verify.Pass || r.warned() }
func (r result) warned() bool { return r.Status == verify.Warned }

// reading is a proof as this package has judged it.
type reading struct {
	*verify.Proof
	results []result
}

// read judges a copy of p again.
func read(p *verify.Proof) (*reading, error) {
	text, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("proof: %w", err)
	}
	r := &reading{Proof: new(verify.Proof)}
	if err := json.Unmarshal(text, r.Proof); err != nil {
		return nil, fmt.Errorf("proof: %w", err)
	}
	r.results = r.match()
	return r, nil
}

// match brings expected cases and findings together, in the order of the expected ones; what nobody expects
// comes last.
func (r *reading) match() (all []result) {
	byName := map[string][]*verify.Finding{}
	for i := range r.Findings {
		name := r.Findings[i].Case.Name
		byName[name] = append(byName[name], &r.Findings[i])
	}
	for _, c := range r.Expected() {
		found := byName[c.Name]
		delete(byName, c.Name)
		switch {
		case len(found) == 0:
			all = append(all, result{Case: c, Reason: "the proof does not hold it"})
		case len(found) > 1:
			all = append(all, doubt(found, "the proof holds it more than once")...)
		case !reflect.DeepEqual(found[0].Case, c):
			all = append(all, doubt(found, "it is not the case that is expected")...)
		default:
			all = append(all, result{Case: c, Status: found[0].Status, Reason: found[0].Reason, Finding: found[0]})
		}
	}
	for i := range r.Findings {
		if found := byName[r.Findings[i].Case.Name]; found != nil {
			all = append(all, doubt(found[:1], "it is not an expected case")...)
			byName[r.Findings[i].Case.Name] = found[1:]
		}
	}
	return all
}

// doubt makes results that are not pass, whatever their findings say. A breach stays one.
func doubt(found []*verify.Finding, why string) (all []result) {
	for _, f := range found {
		one := result{Case: f.Case, Reason: why, Finding: f}
		if f.Status == verify.Fail {
			one.Status, one.Reason = verify.Fail, f.Reason
		}
		all = append(all, one)
	}
	return all
}

// holds reports whether the floor is proved, with or without warnings.
func (r *reading) holds() bool {
	for _, one := range r.results {
		if !one.passed() {
			return false
		}
	}
	return len(r.results) > 0 && r.Complete() && !r.Breached() && r.Status == verify.Pass
}

// count returns how many results have the status.
func (r *reading) count(status verify.Status) (n int) {
	for _, one := range r.results {
		if one.Status == status {
			n++
		}
	}
	return n
}

// incomplete says what the whole lacks beside its cases, or "".
func (r *reading) incomplete() string {
	var lacks []string
	if len(r.Subjects) == 0 && !r.Kind.Nameless() {
		lacks = append(lacks, "no tested file is named")
	}
	if len(r.Controls) == 0 {
		lacks = append(lacks, "no weak peer is named")
	}
	for _, t := range append(r.Subjects[:len(r.Subjects):len(r.Subjects)], r.Controls...) {
		if t.SHA256 == "" {
			lacks = append(lacks, clean(t.Name)+" has no digest: it could not be read")
		}
	}
	return strings.Join(lacks, "; ")
}

// clean makes one line of printable text of what a program or a stored file says: an escape sequence would
// act on a terminal, and a line of its own would look like one of ours.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case !unicode.IsPrint(r):
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(s, string(unicode.ReplacementChar)))
}
