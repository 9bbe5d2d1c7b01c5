package report

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"time"

	"github.com/tlsfloor/tlsfloor/verify"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Funcs(template.FuncMap{"clean": clean, "day": day}).Parse(pageText))

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// openFiles is how many tested files a page shows at once: the programs and OpenSSL's libraries. Extension
// modules come after them, and there are many.
const openFiles = 4

// sheet is what the page shows.
type sheet struct {
	About
	*reading
	Mood, Headline, Meaning        string
	Rows, Broken, Warned           []row
	Lack                           string
	Tested, More                   []verify.Tested
	Parts                          []part
	Limits                         []string
	VerdictSum, CasesSum, Verifier string
}

// row is a case on the page.
type row struct {
	result
	Steps []step
}

// part is a component with its state at the time of the proof: a page must not change while nothing else
// does.
type part struct {
	Component
	Past bool
}

// HTML gives the proof as one page without scripts and without anything from elsewhere: the verdict first,
// then what is wrong, what was tested, every case, and what the proof does not show.
func HTML(p *verify.Proof, about About) ([]byte, error) {
	r, err := read(p)
	if err != nil {
		return nil, err
	}
	cases, err := r.caseList()
	if err != nil {
		return nil, err
	}
	s := sheet{About: about, reading: r, Lack: r.incomplete(), Limits: r.limits(), VerdictSum: sum(r.Verdict()), CasesSum: sum(cases), Verifier: verifier}
	s.Mood, s.Headline, s.Meaning = r.verdict()
	for _, one := range r.results {
		next := row{one, one.steps()}
		s.Rows = append(s.Rows, next)
		switch {
		case one.warned():
			s.Warned = append(s.Warned, next)
		case !one.passed():
			s.Broken = append(s.Broken, next)
		}
	}
	shown := min(openFiles, len(r.Subjects))
	s.Tested, s.More = r.Subjects[:shown], r.Subjects[shown:]
	for _, c := range about.Components {
		s.Parts = append(s.Parts, part{c, !c.EOL.IsZero() && r.Time.After(c.EOL)})
	}
	var b bytes.Buffer
	if err := page.Execute(&b, s); err != nil {
		return nil, fmt.Errorf("page: %w", err)
	}
	return b.Bytes(), nil
}

// verdict is the result in words: a class of the page's style, a headline, and what follows from it.
func (r *reading) verdict() (mood, headline, meaning string) {
	floor := "TLS " + r.Floor.String()
	switch {
	case r.Breached():
		return "fail", "Failed: the floor of " + floor + " is not kept",
			"In this run something happened that must not happen. Do not use this toolchain where the floor matters."
	case !r.holds():
		return "unproven", "Not proved: nothing can be said about the floor of " + floor,
			"Nothing below the floor was seen, but not everything that has to be shown was shown. Treat it as failed."
	case r.count(verify.Warned) > 0:
		return "pass", "Proved: nothing below " + floor + " was reached",
			fmt.Sprintf("Every attempt below the floor was refused for the right reason, and every control behaved as it must. %d warnings name what is not below the floor but worth knowing.", r.count(verify.Warned))
	}
	return "pass", "Proved: nothing below " + floor + " was reached",
		"Every attempt below the floor was refused for the right reason, and every control behaved as it must."
}

// limits say what the proof does not show.
func (r *reading) limits() []string {
	return []string{
		"TLS libraries that other packages bring along: a wheel may hold an OpenSSL of its own, with old versions in it.",
		"Programs other than what was tested, such as a browser, a database client or the system's own Python.",
		"Files with other digests than those above. Another build, another version or an altered file needs its own proof.",
		"Cipher suites beyond the cases: a version floor is no floor of ciphers, and a program may still choose a weak one. The warnings name what it can reach.",
		"Faults in the code of the versions that remain, and whether a component is validated under FIPS 140.",
	}
}
