package recipes

import (
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

const extra = `name: extra
summary: more of it
`

// wider is thing with an optional set: a flag for it and one without it, and a whole component more.
var wider = strings.NewReplacer("[zlib]", "[zlib, {component: xz, with: extra}]",
	"env:\n", "  - {arg: --more, why: there is more, with: extra}\n  - {arg: --less, why: nobody asked, without: extra}\nenv:\n").Replace(thing)

// chosenWith resolves a profile with optional sets.
func chosenWith(t *testing.T, s *Set, profile string, names ...string) []*Recipe {
	t.Helper()
	p, err := s.Profile(profile)
	if err != nil {
		t.Fatal(err)
	}
	if p.With, err = s.With(names); err != nil {
		t.Fatal(err)
	}
	list, err := s.Resolve(p)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// A set adds flags and whole components where it is chosen, and is away where it is not.
func TestASetIsThereWhereItIsChosen(t *testing.T) {
	small := strings.NewReplacer("{openssl: 3.5.7, python: 3.13.15, zlib: 1.3.1, thing: \"1.10\"}", "{thing: \"1.10\"}",
		"{openssl: o, python: p}", "{}", "[openssl-weak]", "[]").Replace(ours)
	s := load(t, folder(t, map[string]string{"thing.yaml": wider, "sets/extra.yaml": extra, "profiles/ours.yaml": small}))
	names := func(list []*Recipe) string {
		var all []string
		for _, r := range list {
			all = append(all, r.Name)
		}
		return strings.Join(append(all, args(list[len(list)-1])...), " ")
	}
	if got := names(chosenWith(t, s, "ours")); got != "zlib thing --prefix={prefix} --less" {
		t.Errorf("without: %s", got)
	}
	if got := names(chosenWith(t, s, "ours", "extra")); got != "xz zlib thing --prefix={prefix} --more" {
		t.Errorf("with: %s", got)
	}
}

// Each planted fault says where it is.
func TestSetsPlanted(t *testing.T) {
	const set, recipe = "sets/extra.yaml", "thing.yaml"
	for _, c := range []struct{ file, old, new, want string }{
		{set, "name: extra", "name: more", `extra.yaml:1:7: name "more" in the file extra.yaml`},
		{set, "summary: more of it", `summary: ""`, "extra.yaml:2:10: summary is missing"},
		{set, "summary", "sumary", `extra.yaml:2:1: unknown field "sumary"`},
		{recipe, "nobody asked, without: extra", "nobody asked, without: extar", `thing.yaml:26:47: set "extar" is not known`},
		{recipe, "more, with: extra", "more, with: extra, without: extra", "with and without extra: it would never hold"},
		{recipe, "xz, with: extra", "xz, wiht: extra", `unknown field "wiht"`},
		{recipe, wider, thing, "extra.yaml:1:7: set extra is chosen for nothing"},
		// Found although no profile chooses the set: every version is resolved with it.
		{recipe, "--more, why: there is more, with: extra", "--less, why: there is more", "flag --less is given twice"},
		{recipe, "--less, why: nobody asked, without: extra", "--more, why: twice, with: extra", "flag --more is given twice"},
		{recipe, `  - run: [make, install, "DESTDIR={dest}"]`, `  - {run: [make], without: extra}`, "no install command for version 1.10"},
	} {
		files := map[string]string{recipe: wider, set: extra}
		if !strings.Contains(files[c.file], c.old) {
			t.Fatalf("%q is not in %s", c.old, c.file)
		}
		files[c.file] = strings.Replace(files[c.file], c.old, c.new, 1)
		_, err := Load(folder(t, files))
		if err == nil || !strings.Contains(err.Error(), c.want) || fault.CodeOf(err) != fault.Usage || fault.HintOf(err) == "" {
			t.Errorf("%q for %q: %v (hint %q); want %s", c.new, c.old, err, fault.HintOf(err), c.want)
		}
	}
}

// All of ours do something; one whose only user an overlay replaces is gone with it, and the rest can be
// built.
func TestSetsOfOursAreMentioned(t *testing.T) {
	names := func(s *Set) (all []string) {
		for _, o := range s.Optionals() {
			all = append(all, o.Name)
		}
		return all
	}
	files, err := fs.Glob(embedded, "sets/*.yaml")
	if got := names(load(t)); err != nil || len(got) == 0 || len(got) != len(files) {
		t.Errorf("sets %v of the files %v, %v", got, files, err)
	}
	s := load(t, folder(t, map[string]string{"python.yaml": strings.NewReplacer("name: thing", "name: python", "role: library", "role: install", `"1.10"`, `"3.12.99"`).Replace(thing)}))
	if got := names(s); slices.Contains(got, "postgres") {
		t.Errorf("%v has a set of the replaced python", got)
	}
	if _, err := s.With([]string{"postgres"}); err == nil || fault.CodeOf(err) != fault.Usage {
		t.Errorf("asked for: %v", err)
	}
}

func TestSetsHaveOneForm(t *testing.T) {
	s := load(t)
	if got, err := s.With([]string{"tests", "static", "tests"}); err != nil || !slices.Equal(got, []string{"static", "tests"}) {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := s.With(nil); err != nil || len(got) != 0 {
		t.Errorf("none: %v, %v", got, err)
	}
	_, err := s.With([]string{"tests", "nosuch"})
	if fault.CodeOf(err) != fault.Usage || !strings.Contains(err.Error(), `"nosuch": not known (there are: postgres, static, tests)`) || !strings.Contains(fault.HintOf(err), "tests: CPython's own test suite") {
		t.Errorf("an unknown one: %v, hint %q", err, fault.HintOf(err))
	}
	if n := len(choices([]string{"a", "b", "c"})); n != 8 {
		t.Errorf("%d choices of three", n)
	}
}

// The sets of ours change Python alone: neither its libraries nor its training, whose counts and pins serve
// all of them.
func TestSetsChangeNothingButPython(t *testing.T) {
	s := load(t)
	for _, p := range s.Profiles() {
		plain := resolve(t, s, p.Name)
		for _, sets := range [][]string{{"tests"}, {"static"}, {"static", "tests"}} {
			list := chosenWith(t, s, p.Name, sets...)
			if len(list) != len(plain) {
				t.Fatalf("%s with %v: %d components", p.Name, sets, len(list))
			}
			for i, r := range list {
				if same := print(t, r) == print(t, plain[i]); same == (r.Name == "python") {
					t.Errorf("%s with %v: %s is the same: %v", p.Name, sets, r.Name, same)
				}
			}
		}
	}
}

// Each version of Python has a list of what the test suite adds, of kinds that the plain list has.
func TestEveryPythonListsItsTestModules(t *testing.T) {
	s := load(t)
	for _, v := range s.Versions("python") {
		name := minor.FindString(v) + ".txt"
		more, err := embedded.ReadFile("sets/tests/modules/" + name)
		if err != nil {
			t.Error(err)
			continue
		}
		plain, err := embedded.ReadFile("modules/" + name)
		if err != nil {
			t.Error(err)
		}
		for line := range strings.Lines(string(more)) {
			kind, names, _ := strings.Cut(line, ":")
			if !strings.HasPrefix(string(plain), kind+":") && !strings.Contains(string(plain), "\n"+kind+":") {
				t.Errorf("%s: no such kind of modules: %q", name, kind)
			}
			for _, module := range strings.Fields(names) {
				if slices.Contains(strings.Fields(string(plain)), module) {
					t.Errorf("%s: %s is on both lists", name, module)
				}
			}
		}
	}
}
