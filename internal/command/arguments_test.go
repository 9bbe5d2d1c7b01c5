package command

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// TestArguments holds what mage is given against what people type.
func TestArguments(t *testing.T) {
	source, err := os.ReadFile(filepath.Join("..", "..", "magefile.go"))
	if err != nil {
		t.Fatal(err)
	}
	targets := readTargets(string(source))
	for _, test := range []struct{ typed, given, wrong string }{
		{"", "", ""},
		{"-l", "-l", ""},
		{"-v -t 5m build", "-v -t 5m build", ""},
		{"build -offline -profile=x", "build -offline -profile=x", ""},
		{"BUILD --Offline=false", "build -offline=false", ""},
		{"status rollback -to=2", "status rollback -to=2", ""},
		{"bundle -sign=env:K", "bundle:write -sign=env:K", ""},
		{"bundle:verify -key=k.pem dir -json", "bundle:verify dir -key=k.pem -json", ""},
		{"explain - -json", "explain - -json", ""},
		{"explain -----BEGIN", "explain -----BEGIN", ""},
		{"audit:pid -json 17 status", "audit:pid 17 -json status", ""},
		{"build -h", "-h build", ""},
		{"status build --help", "-h status", ""},
		{"-h bundle", "-h bundle:write", ""},
		{"verify -client=a=b", "verify -client=a=b", ""},
		{"stauts", "", `"stauts": no such target; did you mean status?`},
		{"uninstall profile=x", "", `"profile=x": no such target; flags begin with a dash: -profile=x`},
		{"uninstall statsu", "", `"statsu": no such target`},
		{"build zzz", "", `"zzz": no such target; -l lists`},
		{"trust", "", `"trust" is a group of targets; one of: trust:add, trust:check`},
		{"build -ofline", "", "build has no flag -ofline; did you mean -offline?"},
		{"build -x=1", "", "build has no flag -x; -h build lists"},
		{"build -profile", "", "build -profile: it takes a value, behind a ="},
		{"build -profile x", "", "build -profile: it takes a value"},
		{"uninstall -root=", "", "uninstall -root=: its value is empty"},
		{"build -jobs=many", "", "build -jobs=many: a whole number is wanted"},
		{"build -offline=2", "", "build -offline=2: true or false is wanted"},
		{"serve -timeout=5", "", "serve -timeout=5: a time with its unit is wanted"},
		{"audit:pid x", "", "audit:pid x: a whole number is wanted"},
		{"audit:env -json", "", "audit:env: <path> is missing; audit:env <path> [-flag=value ...]"},
		{"-nosuchflag build", "", "flag provided but not defined"},
	} {
		got, err := readArguments(append([]string{"tlsfloor"}, strings.Fields(test.typed)...), targets)
		switch {
		case test.wrong == "" && (err != nil || !slices.Equal(got[1:], strings.Fields(test.given))):
			t.Errorf("%q: %q, %v, not %q", test.typed, got, err, test.given)
		case test.wrong != "" && (err == nil || fault.CodeOf(err) != fault.Usage || !strings.HasPrefix(err.Error()+"; "+fault.HintOf(err), test.wrong)):
			t.Errorf("%q: %q, %v; %s, not %q", test.typed, got, err, fault.HintOf(err), test.wrong)
		}
	}
}

// TestVariables: a variable is for the targets that have its flag, and what is given counts more.
func TestVariables(t *testing.T) {
	source, err := os.ReadFile(filepath.Join("..", "..", "magefile.go"))
	if err != nil {
		t.Fatal(err)
	}
	targets := readTargets(string(source))
	for _, test := range []struct{ variable, typed, given, wrong string }{
		{"TLSFLOOR_STORE=/s", "plan build", "plan -store=/s build -store=/s", ""},
		{"TLSFLOOR_STORE=/s", "build -store=/t", "build -store=/t", ""},
		{"TLSFLOOR_STORE=", "build", "build", ""},
		{"TLSFLOOR_OFFLINE=true", "build", "build -offline=true", ""},
		{"TLSFLOOR_OFFLINE=true", "build -offline=false", "build -offline=false", ""},
		{"TLSFLOOR_OFFLINE=maybe", "build", "", `environment variable TLSFLOOR_OFFLINE: "maybe": true or false`},
		{"TLSFLOOR_OFFLINE=maybe", "status", "status", ""},
		{"TLSFLOOR_TO=2", "rollback", "rollback -to=2", ""},
		{"TLSFLOOR_TO=oci://registry/x", "status", "status", ""}, // publish's -to has another name
		{"TLSFLOOR_TARGET=/p", "publish dir", "publish dir -to=/p", ""},
		{"TLSFLOOR_TARGET=/p", "rollback", "rollback", ""},
		{"TLSFLOOR_UNSIGNED=true", "install -from=/b", "install -from=/b", ""},
	} {
		t.Run(test.variable+" "+test.typed, func(t *testing.T) {
			name, value, _ := strings.Cut(test.variable, "=")
			t.Setenv(name, value)
			got, err := readArguments(append([]string{"tlsfloor"}, strings.Fields(test.typed)...), targets)
			if test.wrong != "" {
				if err == nil || !strings.Contains(err.Error(), test.wrong) {
					t.Errorf("%v, want %s", err, test.wrong)
				}
				return
			}
			if err != nil || strings.Join(got[1:], " ") != test.given {
				t.Errorf("%q, %v, want %q", got, err, test.given)
			}
		})
	}
	for name, one := range targets {
		for _, p := range one.flags {
			if p.field == "" {
				t.Errorf("%s -%s is not handed on in Flags: it has no variable", name, p.name)
			}
		}
	}
}
