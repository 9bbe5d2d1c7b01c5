package report

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tlsfloor/tlsfloor/verify"
	"github.com/tlsfloor/tlsfloor/verify/verifytest"
	"github.com/tlsfloor/tlsfloor/verify/wire"
)

var update = flag.Bool("update", false, "write the golden files anew")

// The digests of the tested files: well formed, as Validate asks.
var aa, bb = strings.Repeat("aa", 32), strings.Repeat("bb", 32)

// proofOf is a proof in which everything happened as wanted; salt stands in the randoms of all hellos.
func proofOf(t testing.TB, floor verify.Floor, salt byte) *verify.Proof {
	t.Helper()
	p := &verify.Proof{Floor: floor, OpenSSLVersion: "3.5.7", PythonVersion: "3.13.15", Time: time.Date(2026, 11, 25, 17, 27, 55, 0, time.UTC),
		Subjects: []verify.Tested{{Name: "openssl", Path: "/o/bin/openssl", SHA256: aa}, {Name: "libssl.a", Path: "/o/lib/libssl.a", SHA256: aa},
			{Name: "libcrypto.a", Path: "/o/lib/libcrypto.a", SHA256: aa}, {Name: "python", Path: "/p/bin/python3", SHA256: aa}, {Name: "_ssl.so", Path: "/p/lib/_ssl.so", SHA256: bb}},
		Controls: []verify.Tested{{Name: "weak openssl", Path: "/w/bin/openssl", SHA256: bb}}}
	return verifytest.Pass(t, p, salt)
}

// withResiduals is proofOf as it is of a real OpenSSL: what nothing closes is there.
func withResiduals(t testing.TB) *verify.Proof {
	p := proofOf(t, verify.TLS12, 1)
	for i, f := range p.Findings {
		if f.Case.Residual && f.Case.Offer.Act == verify.Answer {
			p.Findings[i].Trial = verifytest.Enact(t, f.Case.Offer, verify.Want{Outcome: verify.Proceeds, Version: wire.TLS12}, 1)
		}
	}
	return verifytest.Settled(t, p)
}

// about is what a caller knows beside the proof.
var about = About{Profile: "min-tls1_2", Generation: 3, Components: []Component{
	{Name: "openssl", Version: "3.5.7", EOL: time.Date(2030, 4, 8, 0, 0, 0, 0, time.UTC), FIPS: "no: the FIPS provider is not built"},
	{Name: "python", Version: "3.13.15", EOL: time.Date(2025, 10, 31, 0, 0, 0, 0, time.UTC)},
}}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := "testdata/" + name
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (-update writes it anew):\n%s", path, got)
	}
}

// bad are proofs of which nothing may be said to hold, each with one planted fault.
var bad = map[string]func(*verify.Proof){
	"a case failed":            func(p *verify.Proof) { p.Findings[3].Transcript = nil },
	"a case breached":          func(p *verify.Proof) { p.Findings[3].Completed = true },
	"a case is unproven":       func(p *verify.Proof) { p.Findings[3].Problem = "it hung" },
	"a case is skipped":        func(p *verify.Proof) { p.Findings[3].Skipped = "no time" },
	"a control is missing":     func(p *verify.Proof) { p.Findings[3].Controls = p.Findings[3].Controls[1:] },
	"a control misbehaved":     func(p *verify.Proof) { p.Findings[3].Controls[1] = p.Findings[3].Trial },
	"a case is missing":        func(p *verify.Proof) { p.Findings = p.Findings[1:] },
	"a case is there twice":    func(p *verify.Proof) { p.Findings = append(p.Findings, p.Findings[3]) },
	"a case is another one":    func(p *verify.Proof) { p.Findings[3].Case.Name = "other" },
	"a want is relaxed":        func(p *verify.Proof) { p.Findings[3].Case.Want = verify.Want{Outcome: verify.Refused} },
	"no case":                  func(p *verify.Proof) { p.Findings = nil },
	"a control has no digest":  func(p *verify.Proof) { p.Controls[0].SHA256 = "" },
	"no control is named":      func(p *verify.Proof) { p.Controls = nil },
	"it is of another floor":   func(p *verify.Proof) { p.Floor = verify.TLS13 },
	"it is of another openssl": func(p *verify.Proof) { p.OpenSSLVersion = "1.1.1w" },
	"its statuses are invented": func(p *verify.Proof) {
		p.Findings[3].Problem, p.Findings[3].Status, p.Status = "it hung", verify.Pass, verify.Pass
	},
}
