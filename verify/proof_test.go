package verify

import (
	"bytes"
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

// enact makes a trial that shows exactly what w wants, with fresh randoms: the report and the bytes, not the Got.
func enact(t testing.TB, o Offer, w Want) Trial {
	t.Helper()
	tr := Trial{Report: Report{Reason: w.Reason, Verify: w.Verify}}
	if o.Act.Static() {
		if w.Outcome == Present {
			tr.Report.Facts = []string{"TLSv1_1_method"}
		}
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
		v := w.Version
		if o.Act == Answer {
			v = o.Version
		}
		hello := wire.ServerHello{Version: min(v, wire.TLS12), Extensions: []wire.Extension{wire.Choose(v)}}
		rand.Read(hello.Random[:])
		say(server, handshake(t, wire.TLS12, hello))
	}
	switch w.Outcome {
	case Connected:
		tr.Report = Report{OK: true, Version: w.Version, Staple: w.Staple}
	case Proceeds:
		tr.Report.Reason = EOF
	case Refused:
		record := w.Record
		if record == 0 {
			record = wire.TLS12
		}
		if w.Alert != 0 {
			say(w.From, wire.Alert{Level: wire.Fatal, Description: w.Alert}.Record(record))
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
	p := &Proof{Floor: floor, OpenSSLVersion: openssl, PythonVersion: "3.13.15",
		Subjects: []Tested{{"python", "/p", "00"}}, Controls: []Tested{{"weak openssl", "/w", "11"}}}
	for _, c := range ExpectedCases(floor, openssl, p.PythonVersion) {
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

// mutations break one finding each, and report whether they could.
var mutations = map[string]func(f *Finding) (applies bool){
	"the subject is missing":   func(f *Finding) bool { f.Trial = Trial{Problem: "python: not given"}; return true },
	"the controls did not run": func(f *Finding) bool { f.Controls = nil; return true },
	"a control is missing":     func(f *Finding) bool { f.Controls = f.Controls[1:]; return true },
	"a control has a problem":  func(f *Finding) bool { f.Controls[0] = Trial{Problem: "it hung"}; return true },
	"a control comes out as the subject does": func(f *Finding) bool {
		f.Controls[len(f.Controls)-1] = f.Trial
		return true
	},
	"the transcript is gone": func(f *Finding) bool {
		had := len(f.Trial.Transcript.sent(FromSubject)) > 0
		f.Trial.Transcript = nil
		return had
	},
	"a control's transcript is gone": func(f *Finding) bool {
		had := f.Controls[0].Transcript != nil
		f.Controls[0].Transcript = nil
		return had
	},
	"the alert is another one": func(f *Finding) bool {
		return alter(f, func(a *wire.Alert) { a.Description = wire.InternalError + 20 })
	},
	"the alert is a warning": func(f *Finding) bool { return alter(f, func(a *wire.Alert) { a.Level = wire.Warning }) },
	"the other end sent the alert": func(f *Finding) bool {
		other := map[Side]Side{FromJudge: FromSubject, FromSubject: FromJudge}
		last := &f.Trial.Transcript
		if f.Case.Want.Alert == 0 {
			return false
		}
		(*last)[len(*last)-1].From = other[(*last)[len(*last)-1].From]
		return true
	},
	"the reason is another one": func(f *Finding) bool {
		had := f.Trial.Report.Reason != ""
		f.Trial.Report.Reason = "LEGACY_SIGALG_DISALLOWED"
		return had && f.Case.Want.Reason != ""
	},
	"no reason": func(f *Finding) bool {
		f.Trial.Report.Reason = ""
		return f.Case.Want.Reason != ""
	},
	"the hello offers less than the floor": func(f *Finding) bool {
		return f.Case.Role == Client && !f.Case.Residual && rehello(f, wire.TLS12, wire.TLS11)
	},
	"it connects": func(f *Finding) bool {
		c := Want{Outcome: Connected, Version: wire.TLS10}
		f.Trial = enact(nopTB{}, Offer{Act: Serve}, c)
		f.Case.Offer.Act = Serve // so that the observation is a connection; the case no longer is the expected one
		return f.Case.Role == Client
	},
	"what must be absent is present": func(f *Finding) bool {
		f.Trial.Report.Facts = []string{"HAS_TLSv1"}
		return f.Case.Want.Outcome == Absent
	},
	"skipped": func(f *Finding) bool { f.Skipped = "no time"; return true },
	"verification's code is another one": func(f *Finding) bool {
		f.Trial.Report.Verify++
		return f.Case.Want.Verify != 0
	},
	"the staple says something else": func(f *Finding) bool {
		f.Trial.Report.Staple = "unknown"
		return f.Case.Want.Staple != ""
	},
	"the hello is too long": func(f *Finding) bool {
		w := f.Case.Want
		w.Longer = w.Hello
		f.Trial = enact(nopTB{}, f.Case.Offer, w)
		return w.Hello != 0
	},
	"the want is relaxed": func(f *Finding) bool {
		f.Case.Want = Want{Outcome: f.Case.Want.Outcome}
		return f.Case.Want.Outcome == Refused
	},
	"the control is relaxed": func(f *Finding) bool {
		f.Case.Controls = slices.Clone(f.Case.Controls)
		f.Case.Controls[0].Want = Want{Outcome: f.Controls[0].Got.Outcome, Reason: "x"}
		return true
	},
	"it is another case": func(f *Finding) bool { f.Case.Name = "other"; return true },
}

type nopTB struct{ testing.TB }

func (nopTB) Helper() {}

// alter rewrites the alert that ends a refusal.
func alter(f *Finding, change func(*wire.Alert)) bool {
	if f.Case.Want.Alert == 0 {
		return false
	}
	last := &f.Trial.Transcript[len(f.Trial.Transcript)-1]
	a := wire.Alert{Level: wire.Fatal, Description: f.Case.Want.Alert}
	change(&a)
	record := wire.TLS12
	if f.Case.Want.Record != 0 {
		record = f.Case.Want.Record
	}
	kept := last.Data[:len(last.Data)-7]
	last.Data = append(slices.Clone(kept), a.Record(record).Bytes()...)
	return true
}

// rehello puts another offer into the subject's hello.
func rehello(f *Finding, versions ...wire.Version) bool {
	w := f.Case.Want
	if w.Offered != nil && len(w.Offered) == 0 {
		return false
	}
	w.Offered = versions
	f.Trial = enact(nopTB{}, f.Case.Offer, w)
	return true
}

func TestMutationsNeverPass(t *testing.T) {
	applied := map[string]int{}
	for _, floor := range []Floor{TLS12, TLS13} {
		good := goodProof(t, floor, "3.5.7")
		for name, mutate := range mutations {
			for i, was := range good.Findings {
				p := *good
				p.Findings = slices.Clone(good.Findings)
				f := goodFinding(t, was.Case)
				if !mutate(&f) {
					continue
				}
				applied[name]++
				f.settle(floor)
				p.Findings[i] = f
				p.conclude()
				if p.Status == Pass || p.Complete() && !p.Breached() {
					t.Errorf("floor %s, %s: %s: the proof is %s, the finding %s", floor, f.Case.Name, name, p.Status, f.Status)
				}
			}
		}
	}
	for name := range mutations {
		if applied[name] == 0 {
			t.Errorf("mutation %q never applied", name)
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

// A residual that is there is said, and the rest still counts; one that is closed passes; another refusal shows neither.
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
	// Output: TLS floor 1.2: unproven, 0 of 68 cases pass
}
