package verify

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/tlsfloor/tlsfloor/verify/wire"
)

var update = flag.Bool("update", false, "write the golden files anew")

// enact makes a trial that shows exactly what w wants, with fresh randoms: the report and the bytes, not the
// Got.
func enact(t testing.TB, o Offer, w Want) Trial {
	t.Helper()
	tr := Trial{Report: Report{Reason: w.Reason, Verify: w.Verify}}
	if o.Who == Endpoint && w.Outcome == Refused && w.Alert == 0 {
		tr.Report.Reason = Closed
		return tr.observe(o)
	}
	if o.Who == Command && w.Outcome == Refused {
		tr.Report.Reason, tr.Told = "EXIT_1", w.Alert == 0
	}
	if o.Act.Static() {
		if w.Outcome == Present {
			tr.Report.Facts = []string{"TLSv1_1_method"}
		}
		return tr.observe(o)
	}
	if o.Act == Decline {
		tr.Report.OK = w.Outcome == Plaintext
		return tr.observe(o)
	}
	say := func(from Side, r wire.Record) { tr.Transcript = tr.Transcript.add(from, r.Bytes()) }
	if o.Act == Listen {
		if w.Outcome == Proceeds {
			tr.Transcript = tr.Transcript.add(FromSubject, append([]byte{22, 0xfe, 0xff}, make([]byte, 32)...))
		}
		return tr.observe(o)
	}
	client, server := FromSubject, FromJudge
	if o.Act == Greet {
		client, server = FromJudge, FromSubject
	}
	if w.Offered == nil || len(w.Offered) > 0 {
		hello := wire.ClientHello{Version: wire.TLS12, Compression: []byte{0}, Extensions: []wire.Extension{wire.Offer(wire.TLS13)}}
		if len(w.Offered) > 0 {
			hello.Extensions = []wire.Extension{wire.Offer(w.Offered...)}
		}
		if w.Longer != 0 {
			hello.Extensions = append(hello.Extensions, wire.Extension{Type: 21, Data: make([]byte, w.Longer)}) // padding, RFC 7685
		}
		rand.Read(hello.Random[:])
		say(client, handshake(t, wire.TLS10, hello))
	}
	if w.Outcome != Refused || o.Act == Answer {
		v := cmp.Or(w.Version, o.Version)
		if o.Act == Answer {
			v = o.Version
		}
		hello := wire.ServerHello{Version: min(v, wire.TLS12), Extensions: []wire.Extension{wire.Choose(v)}}
		rand.Read(hello.Random[:])
		say(server, handshake(t, wire.TLS12, hello))
	}
	switch w.Outcome {
	case Connected:
		tr.Report = Report{OK: true, Version: cmp.Or(w.Version, o.Version), Staple: w.Staple}
	case Proceeds:
		tr.Report.Reason = EOF
	case Refused:
		record := w.Record
		if record == 0 {
			record = wire.TLS12
		}
		if w.Alert != 0 {
			say(cmp.Or(w.From, FromJudge), wire.Alert{Level: wire.Fatal, Description: w.Alert}.Record(record))
		}
	}
	return tr.observe(o)
}

func handshake(t testing.TB, v wire.Version, h interface{ Bytes() ([]byte, error) }) wire.Record {
	t.Helper()
	message, err := h.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return wire.Record{Type: wire.Handshake, Version: v, Payload: message}
}

// goodProof is a proof in which everything happened as wanted.
func goodProof(t testing.TB, floor Floor, openssl string) *Proof {
	t.Helper()
	return goodProofOf(t, KindToolchain, floor, openssl)
}

func goodProofOf(t testing.TB, kind Kind, floor Floor, openssl string, libraries ...Installed) *Proof {
	t.Helper()
	p := &Proof{Kind: kind, Floor: floor, OpenSSLVersion: openssl, PythonVersion: "3.13.15", Libraries: libraries,
		Subjects: []Tested{{"python", "/p", "00"}}, Controls: []Tested{{"weak openssl", "/w", "11"}}}
	for _, c := range p.Expected() {
		p.Findings = append(p.Findings, goodFinding(t, c))
	}
	p.settle()
	return p
}

func goodFinding(t testing.TB, c Case) Finding {
	t.Helper()
	f := Finding{Case: c, Trial: enact(t, c.Offer, c.Want)}
	for _, control := range c.Controls {
		f.Controls = append(f.Controls, enact(t, control.Offer, control.Want))
	}
	return f
}

func TestAllAsWantedIsPass(t *testing.T) {
	for _, floor := range []Floor{TLS12, TLS13} {
		for _, openssl := range []string{"3.5.7", "3.0.22", "1.1.1w"} {
			p := goodProof(t, floor, openssl)
			if p.Status != Pass || p.Breached() || !p.Complete() {
				var b strings.Builder
				p.WriteTable(&b, false)
				t.Errorf("floor %s, openssl %s:\n%s", floor, openssl, b.String())
			}
		}
	}
}

func TestWholeMutations(t *testing.T) {
	for name, mutate := range map[string]func(*Proof){
		"no case at all":    func(p *Proof) { p.Findings = nil },
		"list shortened":    func(p *Proof) { p.Findings = p.Findings[1:] },
		"list cut":          func(p *Proof) { p.Findings = p.Findings[:len(p.Findings)-1] },
		"case twice":        func(p *Proof) { p.Findings[1] = p.Findings[0] },
		"case too many":     func(p *Proof) { p.Findings = append(p.Findings, p.Findings[0]) },
		"other floor":       func(p *Proof) { p.Floor = TLS13 },
		"unknown floor":     func(p *Proof) { p.Floor = 0 },
		"other openssl":     func(p *Proof) { p.OpenSSLVersion = "1.1.1w" },
		"unhashed subject":  func(p *Proof) { p.Subjects[0].SHA256 = "" },
		"unhashed control":  func(p *Proof) { p.Controls[0].SHA256 = "" },
		"no subjects named": func(p *Proof) { p.Subjects = nil },
		"no controls named": func(p *Proof) { p.Controls = nil },
	} {
		p := goodProof(t, TLS12, "3.5.7")
		mutate(p)
		p.settle()
		if p.Status == Pass || p.Complete() {
			t.Errorf("%s: %s, complete %v", name, p.Status, p.Complete())
		}
	}
	if p := new(Proof); p.Status != Unproven || p.Complete() || p.Breached() {
		t.Errorf("the zero proof: %s", p.Status)
	}
}

// A residual that is there is said, and the rest still counts; one that is closed passes; another refusal
// shows neither.
func TestResiduals(t *testing.T) {
	for _, test := range []struct {
		happens Want
		whole   Status
		finding Status
	}{
		{Want{Outcome: Proceeds, Version: wire.TLS12}, Pass, Warned},
		{Want{Outcome: Refused, Reason: "NO_CIPHER_MATCH", Offered: []wire.Version{}}, Pass, Pass},
		{Want{Outcome: Refused, Reason: "INTERNAL_ERROR", Offered: []wire.Version{}}, Unproven, Unproven},
	} {
		p := goodProof(t, TLS12, "3.5.7")
		i := slices.IndexFunc(p.Findings, func(f Finding) bool { return f.Case.Name == "residual-null" })
		f := &p.Findings[i]
		f.Trial = enact(t, f.Case.Offer, test.happens)
		p.settle()
		if p.Status != test.whole || f.Status != test.finding || p.Breached() {
			t.Errorf("%v: the finding is %s, the whole %s", test.happens, f.Status, p.Status)
		}
		f.Controls = nil
		if p.settle(); p.Status != Unproven {
			t.Errorf("%v without its control: the whole is %s", test.happens, p.Status)
		}
	}
}

func TestBreachNeedsNoControl(t *testing.T) {
	p := goodProof(t, TLS12, "3.5.7")
	i := slices.IndexFunc(p.Findings, func(f Finding) bool { return f.Case.Name == "client-tls11-perm" })
	f := &p.Findings[i]
	f.Trial = enact(t, f.Case.Offer, Want{Outcome: Connected, Version: wire.TLS11})
	f.Controls = nil
	p.settle()
	if p.Status != Fail || !p.Breached() || f.Status != Fail {
		t.Errorf("%s, %s: %s", p.Status, f.Status, f.Reason)
	}
}

func TestStoredProofIsJudgedAgain(t *testing.T) {
	good := goodProof(t, TLS12, "3.5.7")
	data, err := json.Marshal(good)
	if err != nil {
		t.Fatal(err)
	}
	var again Proof
	if err := json.Unmarshal(data, &again); err != nil {
		t.Fatal(err)
	}
	if again.Status != Pass || !bytes.Equal(again.Verdict(), good.Verdict()) {
		t.Fatalf("read back: %s", again.Summary())
	}
	bad := goodProof(t, TLS12, "3.5.7")
	bad.Findings[3].Trial.Transcript = nil
	bad.Findings[5].Trial = Trial{Problem: "gone"}
	bad.settle()
	data, err = json.Marshal(bad)
	if err != nil {
		t.Fatal(err)
	}
	forged := bytes.ReplaceAll(data, []byte(`"unproven"`), []byte(`"pass"`))
	forged = bytes.ReplaceAll(forged, []byte(`"fail"`), []byte(`"pass"`))
	if err := json.Unmarshal(forged, &again); err != nil {
		t.Fatal(err)
	}
	if again.Status == Pass || again.Complete() {
		t.Errorf("a forged status is believed: %s", again.Summary())
	}
}

func TestVerdictHoldsNothingOfTheRun(t *testing.T) {
	a, b := goodProof(t, TLS12, "3.5.7"), goodProof(t, TLS12, "3.5.7")
	b.Subjects[0].Path, b.Findings[0].Report.Text = "/elsewhere", "port 4711"
	b.settle()
	if bytes.Equal(a.Findings[0].Transcript.sent(FromSubject), b.Findings[0].Transcript.sent(FromSubject)) {
		t.Fatal("the two runs have the same randoms, so they show nothing")
	}
	if !bytes.Equal(a.Verdict(), b.Verdict()) {
		t.Errorf("two verdicts:\n%s\n%s", a.Verdict(), b.Verdict())
	}
	golden(t, "verdict.golden", string(a.Verdict()))
}

func TestTable(t *testing.T) {
	p := goodProof(t, TLS12, "3.5.7")
	p.Findings[2].Controls[0] = Trial{Problem: "weak python: not given"}
	p.Findings = p.Findings[:len(p.Findings)-1]
	p.settle()
	var b strings.Builder
	if err := p.WriteTable(&b, false); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"weak python: not given", "missing   residual-legacy-renegotiation", "TLS floor 1.2: unproven"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("table has no %q:\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "\x1b") {
		t.Error("colour where none was asked for")
	}
	b.Reset()
	p.WriteTable(&b, true)
	if !strings.Contains(b.String(), green) {
		t.Error("no colour where it was asked for")
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := "testdata/" + name
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (-update writes it anew):\n%s", path, got)
	}
}

func ExampleProof_Summary() {
	fmt.Println((&Proof{Floor: TLS12}).Summary())
	// Output: TLS floor 1.2: unproven, 0 of 72 cases pass
}

// TestBriefNamesWhatIsWrong: what passes is counted, and a case that fails or was not proved has its line.
func TestBriefNamesWhatIsWrong(t *testing.T) {
	p := goodProofOf(t, KindToolchain, TLS12, "3.5.7")
	var brief strings.Builder
	p.WriteBrief(&brief, false)
	if out := brief.String(); strings.Count(out, "\n") > 4 || !strings.Contains(out, p.Summary()) {
		t.Errorf("of a good proof it says\n%s", out)
	}
	for _, status := range []Status{Fail, Unproven, Skip} {
		p.Findings[3].Status, p.Findings[3].Reason = status, "planted reason"
		brief.Reset()
		p.WriteBrief(&brief, false)
		out := brief.String()
		if !strings.Contains(out, p.Findings[3].Case.Name) || !strings.Contains(out, "planted reason") {
			t.Errorf("%s: it says\n%s", status, out)
		}
	}
}
