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

// TestArguments holds what mage is given against what people type.
func TestArguments(t *testing.T) {
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
		got, err := readArguments(append([]string{"tlsfloor"}, strings.Fields(test.typed)...))
		switch {
		case test.wrong == "" && (err != nil || !slices.Equal(got[1:], strings.Fields(test.given))):
			t.Errorf("%q: %q, %v, not %q", test.typed, got, err, test.given)
		case test.wrong != "" && (err == nil || fault.CodeOf(err) != fault.Usage || !strings.HasPrefix(err.Error()+"; "+fault.HintOf(err), test.wrong)):
			t.Errorf("%q: %q, %v; %s, not %q", test.typed, got, err, fault.HintOf(err), test.wrong)
		}
	}
}

// TestVariables: a variable is for the targets that have its flag, and what is given counts more. All of
// them are looked at before the first target runs.
func TestVariables(t *testing.T) {
	for _, test := range []struct{ variable, typed, field, value, wrong string }{
		{"TLSFLOOR_STORE=/s", "plan build", "Store", "/s", ""},
		{"TLSFLOOR_STORE=/s", "build -store=/t", "Store", "/t", ""},
		{"TLSFLOOR_OFFLINE=true", "build", "Offline", "true", ""},
		{"TLSFLOOR_OFFLINE=true", "build -offline=false", "Offline", "false", ""},
		{"TLSFLOOR_OFFLINE=", "build", "Offline", "false", ""},
		{"TLSFLOOR_OFFLINE=maybe", "status build", "", "",
			`environment variable TLSFLOOR_OFFLINE: "maybe": true or false`},
		{"TLSFLOOR_OFFLINE=maybe", "build -offline", "Offline", "true", ""},
		{"TLSFLOOR_OFFLINE=maybe", "status", "Offline", "false", ""},
		{"TLSFLOOR_CHECK=maybe", "status build", "", "", "-check=maybe: unknown value"},
		{"TLSFLOOR_TO=2", "rollback", "To", "2", ""},
		{"TLSFLOOR_TO=oci://registry/x", "status", "To", "0", ""}, // publish's -to has another name
		{"TLSFLOOR_TO=oci://registry/x", "publish dir", "Target", "", ""},
		{"TLSFLOOR_TARGET=/p", "publish dir", "Target", "/p", ""},
		{"TLSFLOOR_PUBLISH_TO=/p", "publish dir", "Target", "/p", ""},
		{"TLSFLOOR_TARGET=/p", "rollback", "Target", "", ""},
		{"TLSFLOOR_STORE_GC_KEEP=3", "store:gc", "Keep", "3", ""},
		{"TLSFLOOR_UNSIGNED=true", "install -from=/b", "Unsigned", "false", ""},
		{"TLSFLOOR_INSTALL_UNSIGNED=true", "install -from=/b", "Unsigned", "false", ""},
	} {
		t.Run(test.variable+" "+test.typed, func(t *testing.T) {
			name, value, _ := strings.Cut(test.variable, "=")
			t.Setenv(name, value)
			args, err := readArguments(append([]string{"tlsfloor"}, strings.Fields(test.typed)...))
			if test.wrong != "" {
				if err == nil || fault.CodeOf(err) != fault.Usage ||
					!strings.Contains(err.Error(), test.wrong) {
					t.Errorf("%v, want %s", err, test.wrong)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			last := len(args) - 1
			for strings.HasPrefix(args[last], "-") || args[last] == "dir" {
				last--
			}
			target, _ := usage.Find(args[last])
			o, _, err := readOptions(target, given(args[last+1:]))
			if got := fmt.Sprint(reflect.ValueOf(o).FieldByName(test.field)); err != nil || got != test.value {
				t.Errorf("%s is %s, %v; want %s", test.field, got, err, test.value)
			}
		})
	}
}
