package report

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	scai "github.com/in-toto/attestation/go/predicates/scai/v0"
	svr "github.com/in-toto/attestation/go/predicates/svr/v01"
	testresult "github.com/in-toto/attestation/go/predicates/test_result/v0"
	intoto "github.com/in-toto/attestation/go/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/tlsfloor/tlsfloor/verify"
	"github.com/tlsfloor/tlsfloor/verify/verifytest"
)

// parse reads a Statement with the library's own messages, checks it, and decodes its predicate into what.
func parse[M proto.Message](t *testing.T, text []byte, kind string, what M) (*intoto.Statement, M) {
	t.Helper()
	s := new(intoto.Statement)
	if err := protojson.Unmarshal(text, s); err != nil {
		t.Fatal(err)
	}
	if err := s.Validate(); err != nil || s.PredicateType != kind {
		t.Fatalf("%s: %v", s.PredicateType, err)
	}
	body, err := protojson.Marshal(s.Predicate)
	if err == nil {
		err = protojson.Unmarshal(body, what) // strict: an unknown field is an error
	}
	if err != nil {
		t.Fatal(err)
	}
	return s, what
}

func attest(t *testing.T, p *verify.Proof) Statements {
	t.Helper()
	s, err := Attest(p)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStatementsOfAGoodProof(t *testing.T) {
	p := proofOf(t, verify.TLS12, 1)
	s := attest(t, p)
	golden(t, "test-result.golden", s.TestResult)
	golden(t, "svr.golden", s.SVR)
	statement, result := parse(t, s.TestResult, TestResultType, new(testresult.TestResult))
	if result.Result != "PASSED" || len(result.PassedTests) != len(p.Findings) || len(result.FailedTests) != 0 || len(result.WarnedTests) != 0 {
		t.Errorf("%v", result)
	}
	for i, tested := range p.Subjects {
		if d := statement.Subject[i]; d.Name != tested.Name || d.Digest["sha256"] != tested.SHA256 {
			t.Errorf("subject %v is not %v", d, tested)
		}
	}
	_, verified := parse(t, s.SVR, SVRType, new(svr.SimpleVerificationResult))
	if !verified.TimeCreated.AsTime().Equal(p.Time) {
		t.Errorf("%s, not %s", verified.TimeCreated.AsTime(), p.Time)
	}
	policy := new(intoto.ResourceDescriptor)
	if err := verified.Verifier.Policy.UnmarshalTo(policy); err != nil || policy.Digest["sha256"] != result.Configuration[0].Digest["sha256"] {
		t.Errorf("policy %v: %v", policy, err)
	}
	if want := []string{"TLSFLOOR_1_2", "TLSFLOOR_1_2_CLIENT", "TLSFLOOR_1_2_SERVER", "TLSFLOOR_1_2_TRUST", "TLSFLOOR_1_2_STATIC"}; !slices.Equal(verified.Properties, want) {
		t.Errorf("%v", verified.Properties)
	}
}

// TestEvidenceIsInTheTranscripts finds each section as docs/proof.md tells people to.
func TestEvidenceIsInTheTranscripts(t *testing.T) {
	p := proofOf(t, verify.TLS12, 1)
	p.Findings[3].Report.Text = "a\n=== client-tls13\n>>> judge sent 5 bytes" // does not make a section
	_, report := parse(t, attest(t, p).SCAI, SCAIType, new(scai.AttributeReport))
	if err := report.Validate(); err != nil || len(report.Attributes) != len(p.Findings) {
		t.Fatalf("%d attributes: %v", len(report.Attributes), err)
	}
	text, err := Transcripts(p)
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]string{}
	for _, part := range strings.Split("\n"+string(text), "\n"+mark)[1:] {
		name, body, _ := strings.Cut(part, "\n")
		sections[name] = strings.TrimSuffix(body, "\n") + "\n"
	}
	if len(sections) != len(p.Findings) {
		t.Errorf("%d sections", len(sections))
	}
	for _, a := range report.Attributes {
		if got := sum([]byte(sections[a.Attribute])); got != a.Evidence.Digest["sha256"] || a.Target == nil {
			t.Errorf("%s: %s is not the digest of\n%s", a.Attribute, a.Evidence, sections[a.Attribute])
		}
	}
}

var (
	created  = regexp.MustCompile(`"timeCreated": ".*"`)
	evidence = regexp.MustCompile(`("evidence": \{\s*"annotations": \{[^}]*\},\s*"digest": \{\s*"sha256": )"[0-9a-f]{64}"`)
)

func TestEqualProofsGiveEqualBytes(t *testing.T) {
	a, b := proofOf(t, verify.TLS12, 1), proofOf(t, verify.TLS12, 1)
	one, err := Files(a, about)
	two, err2 := Files(b, about)
	if err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	for i := range one {
		if !bytes.Equal(one[i].Data, two[i].Data) {
			t.Errorf("%s differs", one[i].Name)
		}
	}
	b = proofOf(t, verify.TLS12, 2)
	b.Time = b.Time.AddDate(0, 0, 1)
	first, second := attest(t, a), attest(t, b)
	if !bytes.Equal(first.TestResult, second.TestResult) {
		t.Error("the same behaviour on another day gives another test result")
	}
	if bytes.Equal(first.SVR, second.SVR) || !bytes.Equal(created.ReplaceAll(first.SVR, nil), created.ReplaceAll(second.SVR, nil)) {
		t.Error("the same properties on another day differ in more, or in less, than the time")
	}
	if bytes.Equal(first.SCAI, second.SCAI) || !bytes.Equal(evidence.ReplaceAll(first.SCAI, []byte("$1")), evidence.ReplaceAll(second.SCAI, []byte("$1"))) {
		t.Error("the same behaviour differs in more, or in less, than the transcripts")
	}
}

func TestNothingHoldsOfABadProof(t *testing.T) {
	for name, spoil := range bad {
		p := proofOf(t, verify.TLS12, 1)
		spoil(p)
		s := attest(t, p)
		if s.SVR != nil {
			t.Errorf("%s: a property is said to hold:\n%s", name, s.SVR)
		}
		_, result := parse(t, s.TestResult, TestResultType, new(testresult.TestResult))
		if result.Result != "FAILED" {
			t.Errorf("%s: %s", name, result.Result)
		}
		if strings.HasPrefix(name, "a case") && len(result.FailedTests) == 0 {
			t.Errorf("%s: no test is named", name)
		}
		if name == "no case" && s.SCAI != nil {
			t.Errorf("%s: there are attributes:\n%s", name, s.SCAI)
		}
	}
	if s, err := Attest(new(verify.Proof)); err == nil {
		t.Errorf("something is stated of nothing:\n%s", s.TestResult)
	}
}

// TestASoleFaultFailsItsCaseOnly: what a statement says of the other cases stays true.
func TestASoleFaultFailsItsCaseOnly(t *testing.T) {
	for _, name := range []string{"a case failed", "a case is unproven", "a case is skipped", "a want is relaxed", "its statuses are invented"} {
		p := proofOf(t, verify.TLS12, 1)
		bad[name](p)
		s := attest(t, p)
		_, result := parse(t, s.TestResult, TestResultType, new(testresult.TestResult))
		if want := []string{"client-tls11-perm"}; !slices.Equal(result.FailedTests, want) {
			t.Errorf("%s: failed are %v", name, result.FailedTests)
		}
		_, report := parse(t, s.SCAI, SCAIType, new(scai.AttributeReport))
		if slices.ContainsFunc(report.Attributes, func(a *scai.AttributeAssertion) bool { return a.Attribute == "client-tls11-perm" }) || len(report.Attributes) != len(p.Findings)-1 {
			t.Errorf("%s: %d attributes", name, len(report.Attributes))
		}
	}
}

func TestASubjectNeedsADigest(t *testing.T) {
	for digest, want := range map[string]string{"": "libssl.a: no digest", "zz": "invalid byte",
		"aabb": "are no SHA-256"} {
		p := proofOf(t, verify.TLS12, 1)
		p.Subjects[1].SHA256 = digest
		if s, err := Attest(p); err == nil || !strings.Contains(err.Error(), want) || s.TestResult != nil || s.SVR != nil || s.SCAI != nil {
			t.Errorf("digest %q: %v", digest, err)
		}
	}
	p := proofOf(t, verify.TLS12, 1)
	p.Subjects = nil
	if _, err := Attest(p); err == nil {
		t.Error("a statement about nothing")
	}
}

func TestHostileNamesInStatements(t *testing.T) {
	p := proofOf(t, verify.TLS12, 1)
	p.Subjects[0].Name, p.Subjects[0].Path = "a\x00\xff\"}", "/\x1b[31m\n"
	p.Findings[3].Case.Name = "x\xff\"]}\n"
	s := attest(t, p)
	for name, text := range map[string][]byte{"test result": s.TestResult, "scai": s.SCAI} {
		if !json.Valid(text) || !utf8.Valid(text) || strings.ContainsAny(string(text), "\x00\x1b") || strings.Contains(string(text), `\u00`) {
			t.Errorf("%s:\n%s", name, text)
		}
	}
}

// A residual is a warning in every form: it neither fails the proof nor is stated as a property.
func TestResidualsAreWarnings(t *testing.T) {
	p := withResiduals(t)
	s, err := Attest(p)
	if err != nil {
		t.Fatal(err)
	}
	if text := string(s.TestResult); !strings.Contains(text, `"result": "WARNED"`) || !strings.Contains(text, `"residual-null"`) || strings.Contains(text, "failedTests") {
		t.Errorf("test-result:\n%s", text)
	}
	if strings.Contains(string(s.SCAI), "residual-null") || !strings.Contains(string(s.SCAI), "client-tls11-perm") {
		t.Error("scai states a residual, or not what passed")
	}
	if !strings.Contains(string(s.SVR), `"TLSFLOOR_1_2"`) {
		t.Errorf("svr:\n%s", s.SVR)
	}
	page, err := HTML(p, About{})
	if err != nil || !strings.Contains(string(page), "3 warnings name") || !strings.Contains(string(page), "<h2>Warnings</h2>") {
		t.Errorf("the page does not warn: %v", err)
	}
	p.Findings[0].Trial = verify.Trial{Problem: "gone"}
	if s, err = Attest(verifytest.Settled(t, p)); err != nil || len(s.SVR) > 0 || !strings.Contains(string(s.TestResult), "FAILED") {
		t.Errorf("a warning hides what was not proved: %v", err)
	}
}
