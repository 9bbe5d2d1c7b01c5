package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	scai "github.com/in-toto/attestation/go/predicates/scai/v0"
	svr "github.com/in-toto/attestation/go/predicates/svr/v01"
	testresult "github.com/in-toto/attestation/go/predicates/test_result/v0"
	intoto "github.com/in-toto/attestation/go/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tlsfloor/tlsfloor/verify"
)

// The predicate types of the Statements (https://github.com/in-toto/attestation/tree/main/spec/predicates).
const (
	TestResultType = "https://in-toto.io/attestation/test-result/v0.1"
	SCAIType       = "https://in-toto.io/attestation/scai/attribute-report/v0.2"
	SVRType        = "https://in-toto.io/attestation/svr/v0.1"
)

// verifier identifies the judge. Its edition is in the name, as the predicate asks of a verifier whose rules change.
var verifier = "https://github.com/tlsfloor/tlsfloor/verify/edition/" + strconv.Itoa(verify.Edition)

// Statements are unsigned in-toto Statements v1 over the digests of everything that was tested. An empty one does not hold and is not
// to be written: SCAI when no case passed, SVR when not the whole proof holds.
type Statements struct {
	TestResult []byte // PASSED, WARNED or FAILED, and which cases
	SCAI       []byte // for each case that passed: what was tried and seen, and the digest of its transcripts
	SVR        []byte // the properties that hold
}

// Attest states what the proof shows; nothing where its kind names no files. A tested file without digest is an error: there would be nothing to hold the Statement against.
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
		if err := attributes.Validate(); err != nil {
			return Statements{}, fmt.Errorf("statement %s: %w", SCAIType, err)
		}
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

// Statement writes one in-toto Statement v1 about subjects. The encoder of protobuf varies its white space from program to program on purpose, so that is
// written anew; the order of the fields is the schema's.
func Statement(kind string, subjects []*intoto.ResourceDescriptor, predicate proto.Message) ([]byte, error) {
	text, err := protojson.Marshal(predicate)
	if err != nil {
		return nil, fmt.Errorf("statement %s: %w", kind, err)
	}
	body := new(structpb.Struct)
	if err := protojson.Unmarshal(text, body); err != nil {
		return nil, fmt.Errorf("statement %s: %w", kind, err)
	}
	s := &intoto.Statement{Type: intoto.StatementTypeUri, Subject: subjects, PredicateType: kind, Predicate: body}
	if err := s.Validate(); err != nil {
		return nil, fmt.Errorf("statement %s: %w", kind, err)
	}
	if text, err = protojson.Marshal(s); err != nil {
		return nil, fmt.Errorf("statement %s: %w", kind, err)
	}
	var b bytes.Buffer
	if err := json.Indent(&b, text, "", "  "); err != nil {
		return nil, fmt.Errorf("statement %s: %w", kind, err)
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}

// subjects are all tested files.
func (r *reading) subjects() (all []*intoto.ResourceDescriptor, err error) {
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

func descriptor(t verify.Tested) (*intoto.ResourceDescriptor, error) {
	if t.SHA256 == "" {
		return nil, fmt.Errorf("statements: %s: no digest: %s could not be read", clean(t.Name), clean(t.Path))
	}
	d := &intoto.ResourceDescriptor{Name: clean(t.Name), Digest: map[string]string{"sha256": clean(t.SHA256)},
		Annotations: fields("path", clean(t.Path))}
	if err := d.Validate(); err != nil {
		return nil, fmt.Errorf("statements: %s: %w", clean(t.Name), err)
	}
	return d, nil
}

// fields makes an object of pairs of name and clean text.
func fields(pairs ...string) *structpb.Struct {
	s := &structpb.Struct{Fields: map[string]*structpb.Value{}}
	for pair := range slices.Chunk(pairs, 2) {
		s.Fields[pair[0]] = structpb.NewStringValue(pair[1])
	}
	return s
}

// cases describes the list of cases that a proof of this floor and these versions must hold.
func (r *reading) cases() (*intoto.ResourceDescriptor, error) {
	text, err := r.caseList()
	if err != nil {
		return nil, err
	}
	return &intoto.ResourceDescriptor{Name: CasesFile, Digest: map[string]string{"sha256": sum(text)}, MediaType: "application/json"}, nil
}

// testResult counts everything that is not passed as failed. What judged is the list of cases and the weak peers.
func (r *reading) testResult(cases *intoto.ResourceDescriptor) *testresult.TestResult {
	t := &testresult.TestResult{Result: "FAILED", Configuration: []*intoto.ResourceDescriptor{cases}}
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
func (r *reading) attributes() (*scai.AttributeReport, error) {
	report := new(scai.AttributeReport)
	for _, one := range r.results {
		if one.Status != verify.Pass { // a residual is there: that is no property
			continue
		}
		own := one.steps()[0]
		a := &scai.AttributeAssertion{
			Attribute: clean(one.Name),
			Conditions: fields("property", r.property(one.Role), "tried", own.Tried, "expected", own.Expected, "happened", own.Happened,
				"status", one.Status.String()),
			Evidence: &intoto.ResourceDescriptor{Name: TranscriptsFile, Digest: map[string]string{"sha256": sum([]byte(one.section()))},
				MediaType: "text/plain", Annotations: fields("section", clean(one.Name))},
		}
		i := slices.IndexFunc(r.Subjects, func(t verify.Tested) bool { return t.Name == target(one.Offer) })
		if i >= 0 {
			d, err := descriptor(r.Subjects[i])
			if err != nil {
				return nil, err
			}
			a.Target = d
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
func (r *reading) verified(cases *intoto.ResourceDescriptor) (*svr.SimpleVerificationResult, error) {
	if r.Time.IsZero() {
		return nil, fmt.Errorf("statement %s: the proof has no time", SVRType)
	}
	policy, err := anypb.New(cases)
	if err != nil {
		return nil, fmt.Errorf("statement %s: %w", SVRType, err)
	}
	properties := []string{r.property("")}
	for _, one := range r.results {
		if p := r.property(one.Role); !slices.Contains(properties, p) {
			properties = append(properties, p)
		}
	}
	return &svr.SimpleVerificationResult{Verifier: &svr.SimpleVerificationResult_Verifier{Id: verifier, Policy: policy},
		TimeCreated: timestamppb.New(r.Time), Properties: properties}, nil
}

// property names what all cases of a role show, such as TLSFLOOR_1_2_CLIENT; that of no role is shown by all cases together.
func (r *reading) property(role verify.Role) string {
	name := "TLSFLOOR_" + strings.ReplaceAll(r.Floor.String(), ".", "_")
	if role != "" {
		name += "_" + strings.ToUpper(clean(string(role)))
	}
	return name
}
