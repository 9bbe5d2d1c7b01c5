package plan

import (
	"testing"

	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/patches"
	"github.com/tlsfloor/tlsfloor/recipes"
)

// input is a profile of two components.
func input() Input {
	dep := &recipes.Recipe{Name: "dep", Version: "1.0", Role: recipes.Library, Sources: []recipes.Source{{File: "dep.tar.gz"}}}
	app := &recipes.Recipe{Name: "app", Version: "2.0", Role: recipes.Install, Needs: []string{"dep"},
		Sources:   []recipes.Source{{File: "app.tar.gz"}},
		Configure: []recipes.Flag{{Arg: "--flag", Why: "a reason"}},
		Env:       []recipes.Var{{Name: "A", Value: "1"}},
		Files:     []recipes.File{{Path: "f", Content: "c"}},
		Build:     []recipes.Command{{Argv: []string{"make"}}}, Install: []recipes.Command{{Argv: []string{"make", "install"}}}, Checks: []recipes.Check{"x"}}
	return Input{
		Profile: &recipes.Profile{Name: "p", Prefixes: map[string]string{"app": "app-with-p"}},
		Recipes: []*recipes.Recipe{dep, app},
		Patches: func(component, _ string) ([]patches.Patch, error) {
			return []patches.Patch{{Name: component + ".patch", Digest: digest.Of([]byte("patch"))}}, nil
		},
		Base: "/opt",
		Host: Host{Triple: "t", Target: "o", Sandbox: "namespaces", Tools: digest.Lines{{Label: "cc", Value: "12.2"}}},
	}
}

var (
	sources = map[string]digest.Digest{"app.tar.gz": digest.Of([]byte("s"))}
	outputs = map[string]digest.Digest{"dep": digest.Of([]byte("o"))}
)

func key(t *testing.T, in Input, sources, outputs map[string]digest.Digest) digest.Digest {
	t.Helper()
	p, err := New(in)
	if err != nil {
		t.Fatal(err)
	}
	lines, ok := p.Step("build/app").KeyLines(sources, outputs)
	if !ok {
		t.Fatal("the key is not known")
	}
	return lines.Sum()
}

// TestKeyHonesty changes one thing at a time: whatever can change bytes must change the key, and a reason
// must not.
func TestKeyHonesty(t *testing.T) {
	base := key(t, input(), sources, outputs)
	if again := key(t, input(), sources, outputs); again != base {
		t.Fatal("the same input gives two keys")
	}
	app := func(in *Input) *recipes.Recipe { return in.Recipes[1] }
	for name, change := range map[string]func(*Input){
		"version":      func(in *Input) { app(in).Version = "2.1" },
		"flag":         func(in *Input) { app(in).Configure[0].Arg = "--other" },
		"flag order":   func(in *Input) { app(in).Configure = append(app(in).Configure, recipes.Flag{Arg: "-b"}) },
		"environment":  func(in *Input) { app(in).Env[0].Value = "2" },
		"file":         func(in *Input) { app(in).Files[0].Content = "d" },
		"file's path":  func(in *Input) { app(in).Files[0].Path = "g" },
		"build":        func(in *Input) { app(in).Build[0] = recipes.Command{Argv: []string{"make", "all"}} },
		"build split":  func(in *Input) { app(in).Build[0] = recipes.Command{Argv: []string{"make all"}} },
		"argument":     func(in *Input) { app(in).Make = []recipes.Flag{{Arg: "A=b"}} },
		"train":        func(in *Input) { app(in).Train = []recipes.Command{{Argv: []string{"./app"}}} },
		"install":      func(in *Input) { app(in).Install[0] = recipes.Command{Argv: []string{"make"}} },
		"check":        func(in *Input) { app(in).Checks[0] = "y" },
		"prefix":       func(in *Input) { in.Profile.Prefixes["app"] = "other" },
		"base":         func(in *Input) { in.Base = "/srv" },
		"triple":       func(in *Input) { in.Host.Triple = "u" },
		"target":       func(in *Input) { in.Host.Target = "v" },
		"floor":        func(in *Input) { in.Profile.Floor = "1.3" },
		"base env":     func(in *Input) { in.Host.Env = []string{"LC_ALL=C"} },
		"sandbox mode": func(in *Input) { in.Host.Sandbox = "none" },
		"compiler":     func(in *Input) { in.Host.Tools[0].Value = "13.1" },
		"patch": func(in *Input) {
			in.Patches = func(string, string) ([]patches.Patch, error) {
				return []patches.Patch{{Name: "app.patch", Digest: digest.Of([]byte("other"))}}, nil
			}
		},
	} {
		in := input()
		change(&in)
		if key(t, in, sources, outputs) == base {
			t.Errorf("%s does not change the key", name)
		}
	}
	for name, maps := range map[string][2]map[string]digest.Digest{
		"source":        {{"app.tar.gz": digest.Of([]byte("t"))}, outputs},
		"need's output": {sources, {"dep": digest.Of([]byte("p"))}},
	} {
		if key(t, input(), maps[0], maps[1]) == base {
			t.Errorf("%s does not change the key", name)
		}
	}
	for name, change := range map[string]func(*Input){
		"a reason": func(in *Input) { app(in).Configure[0].Why = "another" },
		"a URL":    func(in *Input) { app(in).Sources[0].URLs = []string{"https://other.example/"} },
		"licence":  func(in *Input) { app(in).License = "MIT" },
	} {
		in := input()
		change(&in)
		if key(t, in, sources, outputs) != base {
			t.Errorf("%s changes the key", name)
		}
	}
}

func TestKeyWaitsForNeeds(t *testing.T) {
	p, err := New(input())
	if err != nil {
		t.Fatal(err)
	}
	s := p.Step("build/app")
	for name, maps := range map[string][2]map[string]digest.Digest{"no source": {nil, outputs}, "no output": {sources, nil}} {
		if _, ok := s.KeyLines(maps[0], maps[1]); ok {
			t.Errorf("%s, and still a key", name)
		}
	}
}

func TestOrderAndErrors(t *testing.T) {
	p, err := New(input())
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, s := range p.Steps {
		for _, dep := range s.Deps {
			if !seen[dep] {
				t.Errorf("%s comes before %s, which it needs", s.Name, dep)
			}
		}
		seen[s.Name] = true
	}
	in := input()
	in.Recipes = in.Recipes[1:]
	if _, err := New(in); err == nil {
		t.Error("a need that the profile does not have is no error")
	}
}

// FuzzPlanNames: whatever an overlay's profile says, planning gives a plan or an error.
func FuzzPlanNames(f *testing.F) {
	f.Add("app", "1.0", "app-with-p")
	f.Fuzz(func(t *testing.T, name, version, prefix string) {
		in := input()
		in.Recipes[1].Name, in.Recipes[1].Version, in.Profile.Prefixes = name, version, map[string]string{name: prefix}
		if p, err := New(in); err == nil && p.Step("build/"+name) == nil {
			t.Error("a plan without its component")
		}
	})
}

// TestSourcesOfOneName: two components whose archives are named alike are two sources.
func TestSourcesOfOneName(t *testing.T) {
	in := input()
	in.Recipes[0].Sources = []recipes.Source{{File: "v1.0.tar.gz", SHA256: digest.Of([]byte("a"))}}
	in.Recipes[1].Sources = []recipes.Source{{File: "v1.0.tar.gz", SHA256: digest.Of([]byte("b"))}}
	p, err := New(in)
	if err != nil {
		t.Fatal(err)
	}
	fetches := map[string]bool{}
	for _, s := range p.Steps {
		if s.Kind == Fetch {
			fetches[s.Name+s.Source.SHA256.Short()] = true
		}
	}
	if len(fetches) != 2 || p.Step("build/app").Deps[0] == p.Step("build/dep").Deps[0] {
		t.Errorf("fetch steps %v", fetches)
	}
}
