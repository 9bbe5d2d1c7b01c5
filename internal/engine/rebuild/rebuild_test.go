package rebuild

import (
	"context"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/tlsfloor/tlsfloor/internal/engine/archive"
	"github.com/tlsfloor/tlsfloor/internal/engine/sandbox"
	"github.com/tlsfloor/tlsfloor/internal/ground/event"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

func init() {
	Main(func(ctx context.Context, what json.RawMessage, w Work, vary func(*sandbox.Spec), sink event.Sink) (map[string]string, error) {
		sink.Note("building " + string(what))
		if string(what) == `"fail"` {
			return nil, fault.New(fault.BadDigest, "look", "it failed")
		}
		return map[string]string{"thing": os.Getenv("CFLAGS")}, nil
	})
}

func allNames() []string {
	var list []string
	for _, v := range Variations {
		list = append(list, v.Name)
	}
	return list
}

func prepare(t *testing.T) (Work, sandbox.Mode) {
	t.Helper()
	mode, reason := sandbox.Probe(t.Context())
	if mode == sandbox.None {
		t.Skip("no sandbox: " + reason)
	}
	dir, err := os.MkdirTemp("", "tlsfloor-rebuild-") // t.TempDir's parent is for its owner only
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { Work(dir).Remove() })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	w, err := Prepare(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	return w, mode
}

func do(t *testing.T, j Job) *Result {
	t.Helper()
	j.World = NewWorld(j.Names)
	r, err := j.Run(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestEveryVariationIsMade runs the probe for real: each variation is seen beside the sandbox, what a host
// decides reaches a step, and all else is absorbed.
func TestEveryVariationIsMade(t *testing.T) {
	w, mode := prepare(t)
	first := do(t, Job{Work: w, Mode: mode})
	again := do(t, Job{Work: w, Mode: mode})
	varied := do(t, Job{Work: w, Mode: mode, Names: allNames()})
	reach := []string{"time", "cpus", "fileorder", "aslr", "priority", "kernel", "cpufeatures"}
	for _, s := range Judge(Variations, first, varied, nil) {
		want := Absorbed
		if slices.Contains(reach, s.Name) {
			want = Reached
		}
		if s.How != want {
			t.Errorf("%s: %s, want %s: beside %q, inside %q", s.Name, s.How, want, s.Beside, s.Inside)
		}
	}
	// The control: without variations nothing is seen, and every one counts as skipped.
	for _, s := range Judge(Variations, first, again, nil) {
		if s.How != Skipped {
			t.Errorf("%s: %s although nothing was varied: %q %q", s.Name, s.How, s.Beside, s.Inside)
		}
	}
	plantedLeaks(t, first.Beside, varied.Beside)
}

// plantedLeaks writes what two builds would hold into which each variation leaks, and expects the comparison
// to name every one.
func plantedLeaks(t *testing.T, a, b Facts) {
	left, right := t.TempDir(), t.TempDir()
	for dir, facts := range map[string]Facts{left: a, right: b} {
		for name, value := range facts {
			if err := os.WriteFile(dir+"/"+name, []byte("same\n"+value+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	report, err := archive.Compare(t.Context(), left, right, archive.CompareOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range allNames() {
		if !slices.ContainsFunc(report.Differences, func(d archive.Difference) bool { return d.Path == name }) {
			t.Errorf("a leak of %s was not found", name)
		}
	}
}

func TestOneVariationAlone(t *testing.T) {
	w, mode := prepare(t)
	first := do(t, Job{Work: w, Mode: mode})
	varied := do(t, Job{Work: w, Mode: mode, Names: []string{"umask"}})
	for _, s := range Judge(Variations, first, varied, nil) {
		if made := s.How != Skipped; made != (s.Name == "umask" || s.Name == "path") { // the child is at another place in any case
			t.Errorf("%s: %s", s.Name, s.How)
		}
	}
}

func TestChildBuilds(t *testing.T) {
	w, mode := prepare(t)
	var notes []string
	j := Job{Work: w, Mode: mode, Names: []string{"environment"}, World: NewWorld([]string{"environment"}), Build: []byte(`"thing"`)}
	r, err := j.Run(t.Context(), func(e event.Event) { notes = append(notes, e.Text) })
	if err != nil || r.Outputs["thing"] == "" || !slices.Contains(notes, `building "thing"`) {
		t.Errorf("%+v, %v, %q", r, err, notes)
	}
	j.Build = []byte(`"fail"`)
	if _, err := j.Run(t.Context(), nil); fault.CodeOf(err) != fault.BadDigest || fault.HintOf(err) != "look" || !strings.Contains(err.Error(), "it failed") {
		t.Errorf("a child that fails: %v, hint %q", err, fault.HintOf(err))
	}
	os.Remove(w.path("lib", "probe"))
	if _, err := j.Run(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "probe") {
		t.Errorf("a probe that is missing: %v", err)
	}
}

func TestRefused(t *testing.T) {
	names := []string{"umask", "host", "aslr"}
	for _, c := range []struct {
		err  error
		want []string
	}{
		{&WorldError{"aslr", os.ErrPermission}, []string{"aslr"}},
		{&WorldError{starting, os.ErrPermission}, []string{"host"}},
		{&WorldError{"umask", os.ErrPermission}, []string{"umask"}},
		{os.ErrPermission, nil},
		{nil, nil},
	} {
		if got := Refused(c.err, names); !slices.Equal(got, c.want) {
			t.Errorf("%v: %q, want %q", c.err, got, c.want)
		}
	}
	seen := Judge(named([]string{"aslr"}), &Result{}, &Result{}, map[string]string{"aslr": "not permitted"})
	r := Report{Variations: seen, Components: []Component{{Name: "x", Files: 2}}}
	if !strings.Contains(r.Verdict(), "TAINTED: 1 could not be made") {
		t.Error(r.Verdict())
	}
}

func TestSelect(t *testing.T) {
	if vs, err := Select("all"); err != nil || len(vs) != len(Variations) {
		t.Error(len(vs), err)
	}
	if vs, err := Select("umask, time"); err != nil || len(vs) != 2 || vs[0].Name != "time" {
		t.Error(vs, err)
	}
	if _, err := Select("tide"); fault.CodeOf(err) != fault.Usage || !strings.Contains(fault.HintOf(err), "time, timezone") {
		t.Error(err)
	}
}

func TestReport(t *testing.T) {
	r := &Report{Profile: "p", Components: []Component{{Name: "x", Outputs: [2]string{"1", "2"}, Files: 3,
		Differences: []archive.Difference{{Path: "bin/<x>", Reason: "mode", A: "0644", B: "0755"}}}}}
	if r.Same() || !strings.HasPrefix(r.Verdict(), "NOT reproducible: 1 of 1") || !strings.Contains(r.Text(), "bin/<x>: mode") {
		t.Error(r.Text())
	}
	page, err := Page([]*Report{r})
	if err != nil || !strings.Contains(string(page), "bin/&lt;x&gt;") || !strings.Contains(string(page), "verdict bad") {
		t.Errorf("%v\n%s", err, page)
	}
	if (&Report{}).Same() {
		t.Error("nothing compared is no equality")
	}
}
