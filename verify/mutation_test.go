package verify

import (
	"reflect"
	"slices"
	"testing"

	"github.com/tlsfloor/tlsfloor/internal/ground/turntest"
	"github.com/tlsfloor/tlsfloor/verify/wire"
)

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
		if f.Case.Want.Alert == 0 || f.Case.Want.From == "" {
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
		return f.Case.Role == Client && !f.Case.Residual && f.Case.Offer.Act != Decline && rehello(f, wire.TLS12, wire.TLS11)
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
		had := f.Case.Want
		f.Case.Want = Want{Outcome: had.Outcome}
		return had.Outcome == Refused && !reflect.DeepEqual(had, f.Case.Want)
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
		for _, kind := range []Kind{KindToolchain, KindClient, KindServer} {
			mutated(t, goodProofOf(t, kind, floor, "3.5.7"), applied)
		}
		mutated(t, goodProofOf(t, KindPython, floor, "3.5.7", everyLibrary...), applied)
	}
	for name := range mutations {
		if applied[name] == 0 {
			t.Errorf("mutation %q never applied", name)
		}
	}
}

// mutated breaks each finding of a proof that holds in every way.
func mutated(t *testing.T, good *Proof, applied map[string]int) {
	t.Helper()
	if good.Status != Pass {
		t.Fatalf("kind %q, floor %s: %s", good.Kind, good.Floor, good.Summary())
	}
	for name, mutate := range mutations {
		for i, was := range good.Findings {
			p := *good
			p.Findings = slices.Clone(good.Findings)
			f := goodFinding(t, was.Case)
			if !mutate(&f) {
				continue
			}
			if applied[name]++; applied[name] > 1 && !turntest.Now(i) {
				continue
			}
			f.settle(good.Floor)
			p.Findings[i] = f
			p.conclude()
			if p.Status == Pass || p.Complete() && !p.Breached() {
				t.Errorf("kind %q, floor %s, %s: %s: the proof is %s, the finding %s", good.Kind, good.Floor, f.Case.Name, name, p.Status, f.Status)
			}
		}
	}
}
