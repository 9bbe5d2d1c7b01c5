package command

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/tlsfloor/tlsfloor/internal/command/usage"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// sample is a value for a flag that is not its default, as it is typed.
func sample(f usage.Flag) string {
	switch {
	case f.Name == "prefix":
		return "/p"
	case f.Name == "root":
		return "/r"
	case f.Name == "maintainer":
		return "A <b@c>"
	case len(f.Words) > 0:
		return f.Words[len(f.Words)-1]
	}
	return map[usage.Kind]string{usage.Switch: "true", usage.Number: "7", usage.Period: "7s"}[f.Kind] +
		map[usage.Kind]string{usage.Text: "/x", usage.List: "/x,/y"}[f.Kind]
}

// TestEveryFlagIsResolved gives every flag of every target by each of its environment variables: it must
// arrive in the options of that target, and change nothing else.
func TestEveryFlagIsResolved(t *testing.T) {
	tried := 0
	for _, target := range usage.Targets {
		plain, _, err := readOptions(target, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range target.Flags {
			for _, name := range target.Variables(f) {
				tried++
				t.Setenv(name, sample(f))
				given, notes, err := readOptions(target, nil)
				t.Setenv(name, "")
				if err != nil {
					t.Errorf("%s, %s=%s: %v", target.Name, name, sample(f), err)
				}
				changed := differing(plain, given)
				if !slices.Equal(changed, []string{f.Field}) || !given.given[f.Field] {
					t.Errorf("%s, %s=%s changes %v", target.Name, name, sample(f), changed)
				}
				if newest := name == target.Variables(f)[0]; newest && len(notes) > 0 {
					t.Errorf("%s, %s: %v", target.Name, name, notes)
				}
			}
		}
	}
	if tried < 400 {
		t.Errorf("only %d variables were tried", tried)
	}
}

// differing names the options that differ.
func differing(a, b options) (names []string) {
	x, y := reflect.ValueOf(a), reflect.ValueOf(b)
	for i := range x.NumField() {
		name := x.Type().Field(i).Name
		if name == "given" { // not exported
			continue
		}
		if !reflect.DeepEqual(x.Field(i).Interface(), y.Field(i).Interface()) {
			names = append(names, name)
		}
	}
	return names
}

// TestVariablesOfOthers sets what other targets have as flags, with values that are right there and with
// such that are right nowhere: nothing of a target that lacks the flag changes, and nothing stops it.
func TestVariablesOfOthers(t *testing.T) {
	all := map[string]string{} // the variables that there are
	for _, target := range usage.Targets {
		for _, f := range target.Flags {
			for _, name := range target.Variables(f) {
				all[name] = sample(f)
			}
		}
	}
	for _, wrong := range []bool{false, true} {
		for _, target := range usage.Targets {
			plain, _, _ := readOptions(target, nil)
			own := map[string]bool{}
			for _, f := range target.Flags {
				for _, name := range target.Variables(f) {
					own[name] = true
				}
			}
			t.Run(fmt.Sprint(target.Name, " ", wrong), func(t *testing.T) {
				for name, value := range all {
					if wrong {
						value = "nonsense, of any kind"
					}
					if !own[name] {
						t.Setenv(name, value)
					}
				}
				given, notes, err := readOptions(target, nil)
				if changed := differing(plain, given); err != nil || len(changed) > 0 || len(notes) > 0 {
					t.Errorf("changed %v, %v, %v", changed, notes, err)
				}
			})
		}
	}
}

// TestSpokenFlags: what leaves a check out is never a matter of the environment.
func TestSpokenFlags(t *testing.T) {
	var seen []string
	for _, target := range usage.Targets {
		for _, f := range target.Flags {
			if len(target.Variables(f)) > 0 {
				continue
			}
			seen = append(seen, f.Field)
			for _, name := range []string{f.Name, target.Name + "_" + f.Name, target.Alias + "_" + f.Name} {
				t.Setenv("TLSFLOOR_"+strings.ToUpper(strings.ReplaceAll(name, ":", "_")), sample(f))
			}
		}
		plain, _, err := readOptions(target, nil)
		if err != nil || plain.Unsigned || plain.Unproved || plain.Downgrade || plain.Draft != "" {
			t.Errorf("%s: the environment switches a check off: %v", target.Name, err)
		}
	}
	slices.Sort(seen)
	if got := slices.Compact(seen); !slices.Equal(got, []string{"Downgrade", "Draft", "Unproved", "Unsigned"}) {
		t.Errorf("only the command line sets %v", got)
	}
}

// TestOldVariables holds the names of former releases: each counts where it was meant, and says what to set
// instead.
func TestOldVariables(t *testing.T) {
	for _, test := range []struct{ variable, target, field, instead string }{
		{"TLSFLOOR_OUT", "bundle", "Out", "TLSFLOOR_BUNDLE_OUT"},
		{"TLSFLOOR_OUT", "bump", "", ""},
		{"TLSFLOOR_OUT", "serve", "", ""},
		{"TLSFLOOR_O", "vendor", "O", "TLSFLOOR_VENDOR_O"},
		{"TLSFLOOR_O", "dist", "O", "TLSFLOOR_DIST_O"},
		{"TLSFLOOR_REPORT", "rebuild", "Report", "TLSFLOOR_REBUILD_REPORT"},
		{"TLSFLOOR_EXPLAIN", "plan", "Explain", "TLSFLOOR_PLAN_EXPLAIN"},
		{"TLSFLOOR_TO", "publish", "", ""},
		{"TLSFLOOR_TARGET", "rollback", "", ""},
	} {
		t.Run(test.variable+" "+test.target, func(t *testing.T) {
			target, _ := usage.Find(test.target)
			plain, _, _ := readOptions(target, nil)
			t.Setenv(test.variable, "/somewhere")
			given, notes, err := readOptions(target, nil)
			changed := strings.Join(differing(plain, given), " ")
			if err != nil || changed != test.field || (len(notes) > 0) != (test.instead != "") ||
				test.instead != "" && !strings.HasSuffix(notes[0], "set "+test.instead) {
				t.Errorf("%s for %s: changes %q, %q, %v", test.variable, test.target, changed, notes, err)
			}
			if test.instead != "" { // the new name comes first
				t.Setenv(test.instead, "/elsewhere")
				given, notes, _ := readOptions(target, nil)
				got := reflect.ValueOf(given).FieldByName(test.field).String()
				if got != "/elsewhere" || len(notes) > 0 {
					t.Errorf("%s beside %s: %q, %v", test.instead, test.variable, got, notes)
				}
			}
		})
	}
}

// TestOrder: the command line comes before the environment, and that before the default.
func TestOrder(t *testing.T) {
	build, _ := usage.Find("build")
	three := 3
	for _, test := range []struct {
		own, shared string
		given       Flags
		want        int
	}{
		{"", "4", nil, 4},
		{"5", "4", nil, 5},
		{"5", "4", Flags{"jobs": &three}, 3},
		{"5", "4", Flags{"jobs": (*int)(nil)}, 5},
		{"many", "many", Flags{"jobs": &three}, 3},
	} {
		t.Setenv("TLSFLOOR_JOBS", test.shared)
		t.Setenv("TLSFLOOR_BUILD_JOBS", test.own)
		if o, _, err := readOptions(build, test.given); err != nil || o.Jobs != test.want {
			t.Errorf("%+v: %d, %v", test, o.Jobs, err)
		}
	}
}

// TestChecks gives flags what they refuse.
func TestChecks(t *testing.T) {
	for _, test := range []struct{ target, flag, value, want, hint string }{
		{"build", "prefix", "a/b", `-prefix="a/b": not a path that can be compiled in`, "absolute"},
		{"build", "root", "relative", "-root=relative: not an absolute path", "absolute"},
		{"build", "jobs", "0", "-jobs=0: at least 1", "leave -jobs out"},
		{"build", "sandbox", "maybe", "-sandbox=maybe: unknown value", "one of: auto, require, none"},
		{"build", "deps", "maybe", "-deps=maybe: unknown value", "one of: install, check"},
		{"build", "check", "maybe", "-check=maybe: unknown value", "one of: index, full"},
		{"build", "trust", "maybe", "-trust=maybe: unknown value", "one of: host, mozilla, both"},
		{"build", "timeout", "-1s", "-timeout=-1s: less than nothing", "such as"},
		{"bundle", "release", "0", "-release=0: less than 1", "count from 1"},
		{"bundle", "maintainer", "me", `-maintainer="me": not of the form Name <address>`, "such as"},
		{"bundle", "packages", "deb,msi", "-packages=msi: no kind of package", "deb, rpm or both"},
		{"bundle", "sequence", "-1", "-sequence=-1: too small", "from 1"},
		{"bundle", "valid", "0", "-valid=0: too small", "days"},
		{"install", "floor", "1.1", "-floor=1.1: unknown value", "one of: 1.2, 1.3"},
		{"serve", "max", "1.4", "-max=1.4: unknown value", "one of: 1.0, 1.1, 1.2, 1.3"},
		{"serve", "mtls", "maybe", "-mtls=maybe: unknown value", "one of: passthrough, verify"},
		{"serve", "port", "65536", "-port=65536: no port", "from 1 to 65535"},
		{"verify", "starttls", "imap", "-starttls=imap: unknown value", "one of: none, postgres"},
		{"trust:check", "days", "-1", "-days=-1: less than nothing", "such as"},
		{"bump", "wait", "-1h", "-wait=-1h0m0s: less than nothing", "such as"},
		{"bump", "stale", "-1h", "-stale=-1h0m0s: less than nothing", "such as"},
	} {
		target, _ := usage.Find(test.target)
		f, ok := target.Flag(test.flag)
		t.Setenv(target.Variables(f)[0], test.value)
		_, _, err := readOptions(target, nil)
		t.Setenv(target.Variables(f)[0], "")
		if !ok || err == nil || fault.CodeOf(err) != fault.Usage || err.Error() != test.want ||
			!strings.Contains(fault.HintOf(err), test.hint) {
			t.Errorf("%s -%s=%s: %v; %s", test.target, test.flag, test.value, err, fault.HintOf(err))
		}
	}
	empty := ""
	_, _, err := readOptions(usage.Targets[0], Flags{"store": &empty})
	if err == nil || err.Error() != "-store is empty" {
		t.Errorf("-store=: %v", err)
	}
}
