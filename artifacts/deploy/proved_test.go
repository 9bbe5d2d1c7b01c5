package deploy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/engine/store"
	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/verify"
	"github.com/tlsfloor/tlsfloor/verify/verifytest"
)

// says is a judge that tries nothing: it finds everything as wanted, and then spoils the proof.
func says(t testing.TB, s Site, spoil func(*verify.Proof)) Judge {
	return func(_ context.Context, g Generation) (*verify.Proof, error) {
		p := &verify.Proof{Floor: verify.TLS12, OpenSSLVersion: g.Components["openssl"].Version, PythonVersion: g.Components["python"].Version,
			Controls: []verify.Tested{{Name: "weak openssl", Path: "/w", SHA256: "00"}}}
		for _, name := range slices.Sorted(maps.Keys(g.Components)) {
			list, err := store.Summed(context.Background(), filepath.Join(s.Dir(g.Number), name))
			if err != nil {
				return nil, err
			}
			if i := slices.IndexFunc(list, func(e store.Entry) bool { return e.Mode.IsRegular() }); i >= 0 {
				p.Subjects = append(p.Subjects, verify.Tested{Name: name, Path: "/x/" + list[i].Path, SHA256: list[i].Digest.String()})
			}
		}
		key := fmt.Sprint(p.OpenSSLVersion, p.PythonVersion, p.Subjects)
		if made, ok := passed.Load(key); ok && spoil == nil { // making one takes 30 ms
			return made.(*verify.Proof), nil
		}
		if p = verifytest.Pass(t, p, 0); spoil != nil {
			spoil(p)
			return verifytest.Settled(t, p), nil
		}
		passed.Store(key, p)
		return p, nil
	}
}

// passed keeps the proofs that were made, by what they are about.
var passed sync.Map

// use proves a staged generation and puts it in use.
func (w world) use(g Generation) error {
	p, _, err := Prove(context.Background(), Candidate{Site: w.Site, Generation: g}, says(w.t, w.Site, nil))
	if err != nil {
		return err
	}
	if _, err := w.Trust(); g.trusting() && errors.Is(err, fs.ErrNotExist) { // `build` does this too
		if _, err := w.SetTrust(Trust{Mode: "host"}); err != nil {
			return err
		}
	}
	return w.Switch(p)
}

// threeFiles fills a generation of one component without a store.
func threeFiles(text string) (Filler, store.Tree, error) {
	dir, err := os.MkdirTemp("", "three-")
	if err != nil {
		return nil, nil, err
	}
	defer os.RemoveAll(dir)
	for _, name := range []string{"a", "b", "c"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name+text), 0o644); err != nil {
			return nil, nil, err
		}
	}
	list, err := store.Summed(context.Background(), dir)
	return func(_ context.Context, dir string, _ Generation) error {
		for _, name := range []string{"a", "b", "c"} {
			file := filepath.Join(dir, "openssl", name)
			if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(name+text), 0o644)); err != nil {
				return err
			}
		}
		return os.WriteFile(filepath.Join(dir, "openssl.tree"), list.Encode(), 0o644)
	}, list, err
}

// staged stages a generation of three files.
func (w world) staged(text string) Generation {
	w.t.Helper()
	fill, list, err := threeFiles(text)
	if err != nil {
		w.t.Fatal(err)
	}
	delete(w.Prefixes, "python")
	g, err := w.Stage(context.Background(), fill, Generation{Profile: w.Profile, Created: time.Unix(0, 0),
		Components: map[string]Component{"openssl": {Version: text, Prefix: w.Prefix("openssl"), Output: digest.Of(list.Encode())}}})
	if err != nil {
		w.t.Fatal(err)
	}
	return g
}

// judges are what a judge may say of a candidate: only one of them puts it in use.
var judges = map[string]struct {
	spoil func(*verify.Proof)
	code  fault.Code
}{
	"everything as wanted": {nil, fault.OK},
	"a case breached":      {func(p *verify.Proof) { p.Findings[3].Completed = true }, fault.Breached},
	"a case is missing":    {func(p *verify.Proof) { p.Findings = p.Findings[1:] }, fault.Incomplete},
	"a case is unproven":   {func(p *verify.Proof) { p.Findings[0].Problem = "it hung" }, fault.Incomplete},
	"no case":              {func(p *verify.Proof) { p.Findings = nil }, fault.Incomplete},
	"another floor":        {func(p *verify.Proof) { p.Floor = verify.TLS13 }, fault.Breached},
	"another tree":         {func(p *verify.Proof) { p.Subjects[0].SHA256 = strings.Repeat("0", 64) }, fault.Failed},
	"no file of the tree": {func(p *verify.Proof) {
		p.Subjects[0] = verify.Tested{Name: "else", Path: "/usr/bin/else", SHA256: "00"}
	}, fault.Failed},
}

func TestOnlyAProofSwitches(t *testing.T) {
	for name, test := range judges {
		w := newWorld(t)
		g := w.staged("one")
		p, proof, err := Prove(t.Context(), Candidate{Site: w.Site, Generation: g, Floor: "1.2"}, says(t, w.Site, test.spoil))
		if fault.CodeOf(err) != test.code || proof == nil {
			t.Errorf("%s: %v (exit %d), proof %v", name, err, fault.CodeOf(err), proof != nil)
		}
		switchErr := w.Switch(p)
		if in := w.Current() == g.Number; in != (test.code == fault.OK) || (switchErr == nil) != in {
			t.Errorf("%s: in use is %d; switching: %v", name, w.Current(), switchErr)
		}
		if _, _, err := w.Stored(g.Number); (err == nil) != (test.code == fault.OK) {
			t.Errorf("%s: the stored proof is judged as %v", name, err)
		}
	}
	w := newWorld(t)
	g := w.staged("one")
	for name, judge := range map[string]Judge{
		"says no":      func(context.Context, Generation) (*verify.Proof, error) { return nil, errors.New("no") },
		"says nothing": func(context.Context, Generation) (*verify.Proof, error) { return nil, nil },
	} {
		p, _, err := Prove(t.Context(), Candidate{Site: w.Site, Generation: g}, judge)
		if err == nil || w.Switch(p) == nil || w.Current() != 0 {
			t.Errorf("a judge that %s: %v, in use %d", name, err, w.Current())
		}
	}
	p, _, err := Prove(t.Context(), Candidate{Site: w.Site, Generation: g, Floor: "1.3"}, says(t, w.Site, nil))
	if fault.CodeOf(err) != fault.Incomplete || w.Switch(p) == nil {
		t.Errorf("a proof of 1.2 for a profile of 1.3: %v", err)
	}
	other := newWorld(t)
	p, _, err = Prove(t.Context(), Candidate{Site: w.Site, Generation: g}, says(t, w.Site, nil))
	if err != nil || other.Switch(p) == nil {
		t.Errorf("a proof switches another site: %v", err)
	}
}

// TestRollbackJudgesTheStoredProof plants a fault into the proof of the generation that rollback would go to.
func TestRollbackJudgesTheStoredProof(t *testing.T) {
	file := func(w world, name string) string { return filepath.Join(w.Dir(1), name) }
	record := func(w world, change func(*Generation)) error {
		g, err := w.Generation(1)
		change(&g)
		return errors.Join(err, w.save(g))
	}
	spoiled := func(spoil func(*verify.Proof)) func(world) error {
		return func(w world) error {
			g, err := w.Generation(1)
			if err != nil {
				return err
			}
			p, err := says(w.t, w.Site, spoil)(context.Background(), g)
			return errors.Join(err, Candidate{Site: w.Site, Generation: g, Floor: g.Floor}.Keep(p))
		}
	}
	faults := map[string]func(world) error{
		"no proof":      func(w world) error { return os.Remove(file(w, "proof.json")) },
		"no note of it": func(w world) error { return record(w, func(g *Generation) { g.Proof = nil }) },
		"a byte is another": func(w world) error {
			b, err := os.ReadFile(file(w, "proof.json"))
			return errors.Join(err, os.WriteFile(file(w, "proof.json"), append(b, ' '), 0o644))
		},
		"another edition": func(w world) error { return record(w, func(g *Generation) { g.Proof.Judge = "older" }) },
		"other versions": func(w world) error {
			return record(w, func(g *Generation) {
				c := g.Components["openssl"]
				c.Version = "9"
				g.Components["openssl"] = c
			})
		},
		"another Output": func(w world) error {
			return record(w, func(g *Generation) { c := g.Components["openssl"]; c.Output[0]++; g.Components["openssl"] = c })
		},
		"another floor":         func(w world) error { return record(w, func(g *Generation) { g.Floor = "1.3" }) },
		"a tried file altered":  func(w world) error { return os.WriteFile(file(w, "openssl/a"), []byte("evil"), 0o644) },
		"its list altered":      func(w world) error { return os.WriteFile(file(w, "openssl.tree"), nil, 0o644) },
		"its list is not there": func(w world) error { return os.Remove(file(w, "openssl.tree")) },
	}
	for name, test := range judges {
		if test.spoil != nil && name != "another floor" {
			faults["kept although "+name] = spoiled(test.spoil)
		}
	}
	for name, plant := range faults {
		w := newWorld(t)
		for _, text := range []string{"one", "two"} {
			if err := w.use(w.staged(text)); err != nil {
				t.Fatal(err)
			}
		}
		if err := plant(w); err != nil {
			t.Fatal(err)
		}
		for _, to := range []int{0, 1} {
			_, err := w.Rollback(to)
			if err == nil || w.Current() != 2 || !strings.Contains(fault.HintOf(err), "`verify -to=1`") || fault.CodeOf(err) == fault.Failed {
				t.Errorf("%s: rollback to %d: %v (exit %d, hint %q), in use is %d", name, to, err, fault.CodeOf(err), fault.HintOf(err), w.Current())
			}
		}
	}
	// The control: untouched, the same rollback works.
	w := newWorld(t)
	for _, text := range []string{"one", "two"} {
		if err := w.use(w.staged(text)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Rollback(0); err != nil || w.Current() != 1 {
		t.Errorf("untouched: %v", err)
	}
}

// TestProofsAreReadAgain holds that a proof's own word counts for nothing.
func TestProofsAreReadAgain(t *testing.T) {
	w := newWorld(t)
	if err := w.use(w.staged("one")); err != nil {
		t.Fatal(err)
	}
	g, err := w.Generation(1)
	if err != nil {
		t.Fatal(err)
	}
	p, err := w.Proof(g)
	if err != nil {
		t.Fatal(err)
	}
	p.Findings[0].Problem = "it hung" // and its status still says pass
	text, err := json.Marshal(p)
	if err != nil || !strings.Contains(string(text), `"status":"pass"`) {
		t.Fatalf("%v: the plant is none", err)
	}
	if err := (Candidate{Site: w.Site, Generation: g}).Keep(p); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.Stored(1); fault.CodeOf(err) != fault.Incomplete {
		t.Errorf("a proof that calls itself passed: %v", err)
	}
}
