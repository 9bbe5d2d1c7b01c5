package usage

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tlsfloor/tlsfloor/recipes"
)

// rows calls do for each flag and argument of each target.
func rows(do func(t Target, f Flag, argument bool)) (n int) {
	for _, t := range Targets {
		for _, f := range t.Arguments {
			n++
			do(t, f, true)
		}
		for _, f := range t.Flags {
			n++
			do(t, f, false)
		}
	}
	return n
}

// TestTable holds the table against what mage can do, and against itself.
func TestTable(t *testing.T) {
	plain := regexp.MustCompile(`^[a-z][a-z0-9]*$`)
	first := map[string]Flag{}
	seen := map[string]bool{}
	n := rows(func(one Target, f Flag, argument bool) {
		where := one.Name + " -" + f.Name
		if seen[where] || !plain.MatchString(f.Name) {
			t.Errorf("%s is there twice, or is a name that mage cannot have", where)
		}
		seen[where] = true
		if !argument && (len(f.Help) < 10 || strings.ContainsAny(f.Help, "\n`") ||
			strings.HasSuffix(f.Help, ".")) {
			t.Errorf("%s: -h would say %q", where, f.Help)
		}
		if was, ok := first[f.Field]; ok && !argument {
			same := was.Name == f.Name && was.Kind == f.Kind && was.fallback == f.fallback &&
				(was.computed == nil) == (f.computed == nil) && (was.check == nil) == (f.check == nil) &&
				was.spoken == f.spoken && was.shared == f.shared && slices.Equal(was.Words, f.Words)
			if !same {
				t.Errorf("%s is another flag than -%s of the same field %s elsewhere", where, was.Name, f.Field)
			}
		} else if !argument {
			first[f.Field] = f
		}
	})
	if n < 300 {
		t.Errorf("only %d rows were looked at", n)
	}
	for _, one := range Targets {
		names := regexp.MustCompile(`^[a-z]+(:[a-z]+)?$`)
		if !names.MatchString(one.Name) || !strings.HasSuffix(one.Doc, ".") ||
			strings.ContainsAny(one.Doc, "\n`") {
			t.Errorf("%s: -h would print %q", one.Name, one.Doc)
		}
		if !slices.ContainsFunc(Groups, func(g struct {
			Group Group
			For   string
		}) bool {
			return g.Group == one.Group
		}) {
			t.Errorf("%s is in no group", one.Name)
		}
		if space, _, grouped := strings.Cut(one.Name, ":"); grouped && namespaces[space] == "" {
			t.Errorf("%s: nothing is said of %s", one.Name, space)
		}
	}
}

// TestDefaults: a default passes the flag's own check, and help that speaks of one says the same.
func TestDefaults(t *testing.T) {
	says := regexp.MustCompile(`(\S+) \(default\)|\(default (\S+?)[,)]`)
	rows(func(one Target, f Flag, _ bool) {
		value := f.defaultValue()
		if f.fallback == "" {
			return
		}
		if f.check != nil {
			if err := f.check(value); err != nil {
				t.Errorf("%s -%s: %v", one.Name, f.Name, err)
			}
		}
		if m := says.FindStringSubmatch(f.Help); m != nil && m[1]+m[2] != f.fallback {
			t.Errorf("%s -%s: the default is %s, and -h says %s", one.Name, f.Name, f.fallback, m[1]+m[2])
		}
	})
}

// TestVariablesAreDistinct: no two flags of a target are read from one variable, and no variable with a
// target's name is another one's.
func TestVariablesAreDistinct(t *testing.T) {
	meaning := map[string]string{}
	rows(func(one Target, f Flag, argument bool) {
		if argument {
			return
		}
		for i, name := range one.Variables(f) {
			means := f.Field
			if i == 0 {
				means = one.Name + " " + f.Field
			}
			if was, ok := meaning[name]; ok && was != means {
				t.Errorf("%s means %s, and %s", name, was, means)
			}
			meaning[name] = means
		}
	})
}

// TestList holds the list of targets against the table.
func TestList(t *testing.T) {
	var b strings.Builder
	if err := WriteList(&b); err != nil {
		t.Fatal(err)
	}
	for _, one := range Targets {
		line := regexp.MustCompile(`(?m)^  ` + one.typed() + ` +` + regexp.QuoteMeta(one.Says()) + `$`)
		if len(line.FindAllString(b.String(), -1)) != 1 {
			t.Errorf("%s is not listed once", one.Name)
		}
	}
	for _, g := range Groups {
		if !strings.Contains(b.String(), "\n"+string(g.Group)+": "+g.For+"\n") {
			t.Errorf("the group %s is not listed", g.Group)
		}
	}
}

// TestProfileNames: completion offers the profiles that there are.
func TestProfileNames(t *testing.T) {
	set, err := recipes.Load()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range set.Profiles() {
		names = append(names, p.Name)
	}
	slices.Sort(names)
	if offered := slices.Sorted(slices.Values(profile.Words)); !slices.Equal(offered, names) {
		t.Errorf("completion offers %v, and the profiles are %v", offered, names)
	}
}
