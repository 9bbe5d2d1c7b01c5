package report

import (
	"encoding/xml"
	"fmt"
	"time"

	"github.com/tlsfloor/tlsfloor/verify"
)

// The elements of the JUnit format that build servers read; there is no standard of it, only the schema that
// Jenkins' xunit plugin publishes (junit-10.xsd). It knows no warning: a warned case is a passed one whose
// output says so.
type (
	suite struct {
		XMLName   xml.Name   `xml:"testsuite"`
		Name      string     `xml:"name,attr"`
		Tests     int        `xml:"tests,attr"`
		Failures  int        `xml:"failures,attr"`
		Errors    int        `xml:"errors,attr"`
		Skipped   int        `xml:"skipped,attr"`
		Timestamp string     `xml:"timestamp,attr"` // ISO 8601 without a zone, in UTC
		Cases     []testcase `xml:"testcase"`
	}
	testcase struct {
		Class   string  `xml:"classname,attr"`
		Name    string  `xml:"name,attr"`
		Skipped *remark `xml:"skipped"`
		Error   *remark `xml:"error"`
		Failure *remark `xml:"failure"`
		Out     string  `xml:"system-out,omitempty"`
	}
	remark struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr,omitempty"`
	}
)

// JUnit gives the proof as JUnit XML: a test for each case, and one named "proof" for the whole, which is an
// error when the proof is not complete although every case passed. What was not proved is an error, so that
// it is never green.
func JUnit(p *verify.Proof) ([]byte, error) {
	r, err := read(p)
	if err != nil {
		return nil, err
	}
	s := suite{Name: "TLS floor " + r.Floor.String(), Timestamp: r.Time.UTC().Format("2006-01-02T15:04:05")}
	for _, one := range r.results {
		s.add(one.testcase())
	}
	s.add(r.whole())
	text, err := xml.MarshalIndent(s, "", "  ") // it writes U+FFFD for what XML 1.0 does not allow (section 2.2)
	if err != nil {
		return nil, fmt.Errorf("junit: %w", err)
	}
	return append([]byte(xml.Header), append(text, '\n')...), nil
}

func (s *suite) add(c testcase) {
	s.Tests++
	for n, there := range map[*int]bool{&s.Skipped: c.Skipped != nil, &s.Errors: c.Error != nil, &s.Failures: c.Failure != nil} {
		if there {
			*n++
		}
	}
	s.Cases = append(s.Cases, c)
}

func (r result) testcase() testcase {
	c := testcase{Class: "tlsfloor." + clean(string(r.Role)), Name: clean(r.Name), Out: clean(r.Why) + "\n\n" + r.section()}
	why := clean(r.Reason)
	switch {
	case r.warned():
		c.Out = "warned: " + why + "\n\n" + c.Out
	case r.Status == verify.Pass:
	case r.Status == verify.Fail:
		c.Failure = &remark{why, "fail"}
	case r.Status == verify.Skip:
		c.Skipped = &remark{Message: why}
	default:
		c.Error = &remark{why, "unproven"}
	}
	return c
}

// whole is the test of what no single case shows.
func (r *reading) whole() testcase {
	c := testcase{Class: "tlsfloor", Name: "proof", Out: r.Summary() + "\nproved at " + r.Time.UTC().Format(time.RFC3339)}
	switch {
	case r.holds():
	case r.Breached():
		c.Failure = &remark{r.Summary(), "fail"}
	default:
		c.Error = &remark{r.Summary(), "unproven"}
		if lack := r.incomplete(); lack != "" {
			c.Error.Message += ": " + lack
		}
	}
	return c
}
