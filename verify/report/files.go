package report

import (
	"encoding/json"
	"fmt"

	"github.com/tlsfloor/tlsfloor/verify"
)

// The files of a report.
const (
	ProofFile       = "proof.json"      // the proof itself
	VerdictFile     = "verdict.txt"     // the same bytes for the same behaviour
	CasesFile       = "cases.json"      // what a proof must hold
	TranscriptsFile = "transcripts.txt" // everything that went over the wire
	JUnitFile       = "junit.xml"
	PageFile        = "proof.html"
	TestResultFile  = "test-result.intoto.json"
	SCAIFile        = "scai.intoto.json"
	SVRFile         = "svr.intoto.json"
)

// File is one file of a report. Nil data means that there must be none of that name: one of an earlier report
// would say what no longer holds.
type File struct {
	Name string
	Data []byte
}

// Files renders the whole report, the claims last. When the Statements cannot be made, the error says why and
// the other files are returned all the same.
func Files(p *verify.Proof, about About) ([]File, error) {
	r, err := read(p)
	if err != nil {
		return nil, err
	}
	proof, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("proof: %w", err)
	}
	cases, err := r.caseList()
	if err != nil {
		return nil, err
	}
	junit, err := JUnit(p)
	if err != nil {
		return nil, err
	}
	page, err := HTML(p, about)
	if err != nil {
		return nil, err
	}
	s, err := Attest(p)
	return []File{
		{SVRFile, nil}, {SCAIFile, nil}, {TestResultFile, nil}, // until all that they speak of is there
		{ProofFile, proof}, {VerdictFile, r.Verdict()}, {CasesFile, cases}, {TranscriptsFile, r.transcripts()}, {JUnitFile, junit}, {PageFile, page},
		{TestResultFile, s.TestResult}, {SCAIFile, s.SCAI}, {SVRFile, s.SVR},
	}, err
}

// caseList is the list of expected cases as JSON.
func (r *reading) caseList() ([]byte, error) {
	text, err := json.MarshalIndent(struct {
		Edition   int                `json:"edition"`
		Kind      verify.Kind        `json:"kind,omitempty"`
		Floor     verify.Floor       `json:"floor"`
		OpenSSL   string             `json:"openssl_version"`
		Python    string             `json:"python_version"`
		Libraries []verify.Installed `json:"libraries,omitempty"`
		Cases     []verify.Case      `json:"cases"`
	}{verify.Edition, r.Kind, r.Floor, r.OpenSSLVersion, r.PythonVersion, r.Libraries, r.Expected()}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("cases: %w", err)
	}
	return append(text, '\n'), nil
}
