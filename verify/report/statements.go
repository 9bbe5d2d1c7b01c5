package report

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tlsfloor/tlsfloor/verify"
)

// The predicate types of the Statements (https://github.com/in-toto/attestation/tree/main/spec/predicates).
const (
	TestResultType = "https://in-toto.io/attestation/test-result/v0.1"
	SCAIType       = "https://in-toto.io/attestation/scai/attribute-report/v0.2"
	SVRType        = "https://in-toto.io/attestation/svr/v0.1"
)

// verifier identifies the judge. Its edition is in the name, as the predicate asks of a verifier whose rules
// change.
var verifier = "https://github.com/tlsfloor/tlsfloor/verify/edition/" + strconv.Itoa(verify.Edition)

// Statements are unsigned in-toto Statements v1 over the digests of everything that was tested. An empty one
// does not hold and is not to be written: SCAI when no case passed, SVR when not the whole proof holds.
type Statements struct {
	TestResult []byte // PASSED, WARNED or FAILED, and which cases
	SCAI       []byte // for each case that passed: what was tried and seen, and the digest of its transcripts
	SVR        []byte // the properties that hold
}

// Attest states what the proof shows; nothing where its kind names no files. A tested file without digest is
// an error: there would be nothing to hold the Statement against.
func Attest(p *verify.Proof) (Statements, error) {
	r, err := read(p)
	if err != nil {
		return Statements{}, err
	}
	if r.Kind.Nameless() { // a Statement is about files
		return Statements{}, nil
	}
	subjects, err := r.subjects()
	if err != nil {
		return Statements{}, err
	}
	cases, err := r.cases()
	if err != nil {
		return Statements{}, err
	}
	var s Statements
	if s.TestResult, err = Statement(TestResultType, subjects, r.testResult(cases)); err != nil {
		return Statements{}, err
	}
	attributes, err := r.attributes()
	if err != nil {
		return Statements{}, err
	}
	if len(attributes.Attributes) > 0 {
		if s.SCAI, err = Statement(SCAIType, subjects, attributes); err != nil {
			return Statements{}, err
		}
	}
	if !r.holds() {
		return s, nil
	}
	verified, err := r.verified(cases)
	if err != nil {
		return Statements{}, err
	}
	s.SVR, err = Statement(SVRType, subjects, verified)
	return s, err
}

// subjects are all tested files.
func (r *reading) subjects() (all []Resource, err error) {
	if len(r.Subjects) == 0 {
		return nil, errors.New("statements: the proof names no tested file")
	}
	for _, t := range r.Subjects {
		d, err := descriptor(t)
		if err != nil {
			return nil, err
		}
		all = append(all, d)
	}
	return all, nil
}

func descriptor(t verify.Tested) (Resource, error) {
	if t.SHA256 == "" {
		return Resource{}, fmt.Errorf("statements: %s: no digest: %s could not be read",
			clean(t.Name), clean(t.Path))
	}
	d := NewResource(clean(t.Name), "", clean(t.SHA256))
	d.Annotations = fields("path", clean(t.Path))
	if err := d.check(); err != nil {
		return Resource{}, fmt.Errorf("statements: %w", err)
	}
	return d, nil
}

// fields makes an object of pairs of name and clean text.
func fields(pairs ...string) map[string]string {
	all := map[string]string{}
	for pair := range slices.Chunk(pairs, 2) {
		all[pair[0]] = pair[1]
	}
	return all
}

// cases describes the list of cases that a proof of this floor and these versions must hold.
func (r *reading) cases() (Resource, error) {
	text, err := r.caseList()
	d := NewResource(CasesFile, "", sum(text))
	d.MediaType = "application/json"
	return d, err
}

// testResult counts everything that is not passed as failed. What judged is the list of cases and the weak
// peers.
func (r *reading) testResult(cases Resource) *testResult {
	t := &testResult{Result: "FAILED", Configuration: []Resource{cases}}
	for _, control := range r.Controls {
		if d, err := descriptor(control); err == nil { // without a digest the proof is not complete, so that it is FAILED
			t.Configuration = append(t.Configuration, d)
		}
	}
	for _, one := range r.results {
		list := &t.FailedTests
		switch {
		case one.warned():
			list = &t.WarnedTests
		case one.passed():
			list = &t.PassedTests
		}
		*list = append(*list, clean(one.Name))
	}
	switch {
	case !r.holds():
	case len(t.WarnedTests) > 0:
		t.Result = "WARNED"
	default:
		t.Result = "PASSED"
	}
	return t
}

// attributes are the cases that passed.
func (r *reading) attributes() (*attributeReport, error) {
	report := new(attributeReport)
	for _, one := range r.results {
		if one.Status != verify.Pass { // a residual is there: that is no property
			continue
		}
		own := one.steps()[0]
		evidence := NewResource(TranscriptsFile, "", sum([]byte(one.section())))
		evidence.MediaType, evidence.Annotations = "text/plain", fields("section", clean(one.Name))
		a := attribute{
			Attribute: clean(one.Name),
			Conditions: fields("property", r.property(one.Role), "tried", own.Tried, "expected", own.Expected,
				"happened", own.Happened, "status", one.Status.String()),
			Evidence: evidence,
		}
		i := slices.IndexFunc(r.Subjects, func(t verify.Tested) bool { return t.Name == target(one.Offer) })
		if i >= 0 {
			d, err := descriptor(r.Subjects[i])
			if err != nil {
				return nil, err
			}
			a.Target = &d
		}
		report.Attributes = append(report.Attributes, a)
	}
	return report, nil
}

// target is the name of the tested file that a trial is about.
func target(o verify.Offer) string {
	if o.Act == verify.Methods {
		return "libssl.a"
	}
	return string(o.Who)
}

// verified lists the properties of a proof that holds: the floor itself, and one for each role of its cases.
func (r *reading) verified(cases Resource) (*verification, error) {
	if r.Time.IsZero() {
		return nil, fmt.Errorf("statement %s: the proof has no time", SVRType)
	}
	properties := []string{r.property("")}
	for _, one := range r.results {
		if p := r.property(one.Role); !slices.Contains(properties, p) {
			properties = append(properties, p)
		}
	}
	v := &verification{TimeCreated: r.Time.UTC().Format(time.RFC3339Nano), Properties: properties}
	v.Verifier.ID, v.Verifier.Policy = verifier, policy{descriptorType, cases}
	return v, nil
}

// property names what all cases of a role show, such as TLSFLOOR_1_2_CLIENT; that of no role is shown by all
// cases together.
func (r *reading) property(role verify.Role) string {
	name := "TLSFLOOR_" + strings.ReplaceAll(r.Floor.String(), ".", "_")
	if role != "" {
		name += "_" + strings.ToUpper(clean(string(role)))
	}
	return name
}
