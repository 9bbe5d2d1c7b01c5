package report

import (
	"encoding/json"
	"encoding/xml"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/tlsfloor/tlsfloor/verify"
)

var outputs = regexp.MustCompile(`(?s)\n *<system-out>.*?</system-out>`)

func TestJUnit(t *testing.T) {
	p := proofOf(t, verify.TLS12, 1)
	p.Findings[0].Skipped = "no time"
	p.Findings[2].Problem = "it hung"
	p.Findings[3].Transcript = nil
	p.Findings = p.Findings[:len(p.Findings)-1]
	text, err := JUnit(p)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "junit.golden", outputs.ReplaceAll(text, nil))
	var s suite
	if err := xml.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	if s.Tests != 73 || s.Skipped != 1 || s.Errors != 2 || s.Failures != 2 || len(s.Cases) != s.Tests {
		t.Errorf("%d tests, %d skipped, %d errors, %d failures", s.Tests, s.Skipped, s.Errors, s.Failures)
	}
	if out := s.Cases[4].Out; !strings.Contains(out, "ClientHello, offers") || !strings.Contains(out, "control: weak python") {
		t.Errorf("no transcript: %s", out)
	}
}

// TestABadProofIsNeverGreen: a build server looks at the counts and at nothing else.
func TestABadProofIsNeverGreen(t *testing.T) {
	spoilt := func(p *verify.Proof) { p.Subjects[0].SHA256 = "" }
	for name, spoil := range withMore("a tested file has no digest", spoilt) {
		p := proofOf(t, verify.TLS12, 1)
		spoil(p)
		text, err := JUnit(p)
		if err != nil {
			t.Fatal(err)
		}
		var s suite
		if err := xml.Unmarshal(text, &s); err != nil {
			t.Fatal(err)
		}
		if s.Errors+s.Failures == 0 {
			t.Errorf("%s: green", name)
		}
		page, err := HTML(p, about)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(page), "Proved") || !strings.Contains(string(page), "What failed or was not proved") {
			t.Errorf("%s: the page says that it is proved", name)
		}
	}
}

func withMore(name string, spoil func(*verify.Proof)) map[string]func(*verify.Proof) {
	all := map[string]func(*verify.Proof){name: spoil}
	for name, spoil := range bad {
		all[name] = spoil
	}
	return all
}

func TestPage(t *testing.T) {
	p := proofOf(t, verify.TLS12, 1)
	text, err := HTML(p, about)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(text), "<section><h2>Each case,")
	if !ok {
		t.Fatal("no transcripts")
	}
	golden(t, "page.golden", []byte(head[strings.Index(head, "<header>"):]))
	for _, want := range []string{"# alert, record version TLS 1.2, 2 bytes: level 2, 70 protocol_version", "Control: weak python connected TLS 1.1"} {
		if !strings.Contains(rest, want) {
			t.Errorf("the transcripts have no %q", want)
		}
	}
	for _, outside := range []string{"http:", "<script", "<link", "<img", "@import", "url("} {
		if strings.Contains(string(text), outside) {
			t.Errorf("the page is not self-contained: %s", outside)
		}
	}
}

func TestPageOfABadProof(t *testing.T) {
	p := proofOf(t, verify.TLS12, 1)
	p.Findings[2].Problem = "it hung"
	p.Subjects[1].SHA256 = ""
	text, err := HTML(p, About{})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Not proved: nothing can be said", "libssl.a has no digest", `<td data-label="reason">it hung</td>`, "not known to this report"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the page has no %q", want)
		}
	}
	p.Findings[3].Completed = true
	if text, err = HTML(p, About{}); err != nil || !strings.Contains(string(text), "Failed: the floor of TLS 1.2 is not kept") {
		t.Errorf("a breach is not the first thing said: %v", err)
	}
}

// hostile is what a program, or who altered a stored proof, might say.
const hostile = "</pre></details><script>alert(1)</script>]]>&lt;\"' onload=x\x00\x1b[2J\x08\xff\xfe\u202e\ufffe\r\n=== client-tls13\ntried: nothing"

// spoken is a proof that says hostile wherever a text can be said.
func spoken(t *testing.T) *verify.Proof {
	p := proofOf(t, verify.TLS12, 1)
	p.OpenSSLVersion, p.PythonVersion = p.OpenSSLVersion+hostile, hostile
	p.Subjects[0] = verify.Tested{Name: hostile, Path: hostile, SHA256: hostile}
	p.Controls[0] = verify.Tested{Name: hostile, Path: hostile, SHA256: hostile}
	for i := range p.Findings {
		f := &p.Findings[i]
		f.Report.Text, f.Report.Cipher, f.Report.Reason, f.Report.Facts = hostile, hostile, hostile, []string{hostile}
		f.Case.Why, f.Case.Role, f.Case.Offer.Match, f.Case.Offer.Setup.Context = hostile, hostile, hostile, hostile
		f.Case.Want.Reason, f.Case.Controls = hostile, slices.Clone(f.Case.Controls)
		f.Case.Controls[0].Name, f.Case.Offer.Who = hostile, hostile
		switch i % 4 {
		case 0:
			f.Case.Name += hostile
		case 1:
			f.Problem = hostile
		case 2:
			f.Skipped = hostile
		case 3:
			f.Case.Offer.Act = hostile
		}
	}
	return p
}

func TestHostileTextStaysText(t *testing.T) {
	p := spoken(t)
	page, err := HTML(p, About{Profile: hostile, Components: []Component{{Name: hostile, Version: hostile, FIPS: hostile}}})
	if err != nil {
		t.Fatal(err)
	}
	junit, err := JUnit(p)
	if err != nil {
		t.Fatal(err)
	}
	transcripts, err := Transcripts(p)
	if err != nil {
		t.Fatal(err)
	}
	explained, err := Explain(p.Findings[1].Case, p)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"page": string(page), "junit": string(junit), "transcripts": string(transcripts), "explanation": explained} {
		if !utf8.ValidString(text) {
			t.Errorf("%s: not UTF-8", name)
		}
		if i := strings.IndexFunc(text, func(r rune) bool { return r != '\n' && r != '\t' && !unicode.IsPrint(r) }); i >= 0 {
			t.Errorf("%s: %q", name, text[i:i+20])
		}
		if strings.Contains(text, "\n=== client-tls13\ntried: nothing") {
			t.Errorf("%s: a text became a section", name)
		}
	}
	r, err := read(p)
	if err != nil {
		t.Fatal(err)
	}
	for markup, want := range map[string]int{"<script": 0, "<details ": len(r.results), "</details>": len(r.results) + 1, `' onload`: 0, `" onload`: 0} {
		if n := strings.Count(string(page), markup); n != want {
			t.Errorf("page: a text became markup: %d times %q, want %d", n, markup, want)
		}
	}
	var s suite
	if err := xml.Unmarshal(junit, &s); err != nil {
		t.Error(err)
	}
	if _, err := Attest(p); err == nil || strings.ContainsAny(err.Error(), "\x00\x1b\n") {
		t.Errorf("a digest that is none is stated: %q", err)
	}
}

func TestExplain(t *testing.T) {
	p := proofOf(t, verify.TLS12, 1)
	i := slices.IndexFunc(p.Findings, func(f verify.Finding) bool { return f.Case.Name == "client-tls11-perm" })
	text, err := Explain(p.Findings[i].Case, p)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "explain.golden", []byte(text))
	for _, f := range p.Findings {
		text, err := Explain(f.Case, nil)
		if err != nil || !strings.Contains(text, f.Case.Why) || strings.Contains(text, "happened") {
			t.Errorf("%s: %v\n%s", f.Case.Name, err, text)
		}
	}
	c := p.Findings[i].Case
	p.Findings = p.Findings[:i]
	if text, err = Explain(c, p); err != nil || !strings.Contains(text, "does not hold it") {
		t.Errorf("%v\n%s", err, text)
	}
}

func TestNear(t *testing.T) {
	var names []string
	for _, c := range verify.ExpectedCases(verify.TLS12, "3.5.7", "3.13.15") {
		names = append(names, c.Name)
	}
	for name, want := range map[string]string{"client-tls11-prem": "client-tls11-perm", "static-dtls": "static-dtls1", "maps": "static-maps"} {
		if near := Near(name, names); len(near) == 0 || near[0] != want {
			t.Errorf("%s: %v", name, near)
		}
	}
	if near := Near("zzzzzzzzzzzzzzz", names); len(near) != 0 {
		t.Errorf("%v", near)
	}
}

// TestEveryActHasWords: a case that is not explained is not understood.
func TestEveryActHasWords(t *testing.T) {
	for _, floor := range []verify.Floor{verify.TLS12, verify.TLS13} {
		for _, c := range verify.ExpectedCases(floor, "3.5.7", "3.13.15") {
			if acts[c.Offer.Act] == "" {
				t.Errorf("%s: no words for act %q", c.Name, c.Offer.Act)
			}
		}
	}
}

func TestFiles(t *testing.T) {
	p := proofOf(t, verify.TLS12, 1)
	files, err := Files(p, about)
	if err != nil {
		t.Fatal(err)
	}
	last := map[string][]byte{}
	for _, f := range files {
		last[f.Name] = f.Data
	}
	for name, data := range last {
		if len(data) == 0 {
			t.Errorf("%s is empty", name)
		}
		if strings.HasSuffix(name, ".json") && !json.Valid(data) {
			t.Errorf("%s is not JSON", name)
		}
	}
	p.Subjects[0].SHA256 = ""
	if files, err = Files(p, about); err == nil {
		t.Error("no error for a file without digest")
	}
	for _, f := range files {
		if claim := strings.HasSuffix(f.Name, ".intoto.json"); claim != (f.Data == nil) {
			t.Errorf("%s: %d bytes", f.Name, len(f.Data))
		}
	}
}

// TestABreachStaysOne: a case that nobody expects, or that is there twice, is doubted, but what it shows did
// happen.
func TestABreachStaysOne(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*verify.Proof)
		want  int
	}{
		"another case": {func(p *verify.Proof) { p.Findings[3].Case.Name = "other" }, 1},
		"twice":        {func(p *verify.Proof) { p.Findings = append(p.Findings, p.Findings[3]) }, 2},
	} {
		p := proofOf(t, verify.TLS12, 1)
		p.Findings[3].Completed = true
		c.spoil(p)
		r, err := read(p)
		if err != nil {
			t.Fatal(err)
		}
		if n := r.count(verify.Fail); n != c.want {
			t.Errorf("%s: %d failed", name, n)
		}
	}
}
