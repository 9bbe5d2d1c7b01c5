package verify

import (
	"slices"
	"testing"
)

func TestImported(t *testing.T) {
	c := &court{Options: Options{Toolchain: Toolchain{Module: "/given/_ssl.so"}}.withDefaults()}
	const library, module, code = "library /p/lib", "ssl /p/lib/ssl.py", "_ssl /p/lib/lib-dynload/_ssl.so"
	right := func(facts ...string) []string {
		return append(facts, library, Isolated+module, Isolated+code, "HAS_TLSv1_3")
	}
	for name, test := range map[string]struct {
		who   Who
		facts []string
		want  []string
	}{
		"its own": {Python, right(module, code), nil},
		"in the interpreter": {Python, []string{library, module, "_ssl built-in", Isolated + module,
			Isolated + "_ssl built-in", "HAS_TLSv1_3"}, nil},
		"a planted package": {Python, right("ssl /p/lib/site-packages/ssl/__init__.py", code),
			[]string{"ssl differs for the judge", "ssl is not the standard library's"}},
		"another extension": {Python, right(module, "_ssl /p/weak/_ssl.so"),
			[]string{"_ssl is not the interpreter's", "ssl differs for the judge"}},
		"old versions": {Python, right(module, code, "HAS_TLSv1_1"), []string{"HAS_TLSv1_1"}},
		"the module that was given": {Python, []string{library, module, "_ssl /given/_ssl.so", Isolated +
			module,
			Isolated + "_ssl /given/_ssl.so", "HAS_TLSv1_3"}, nil},
		"the same as a control's": {WeakPython, []string{library, module, "_ssl /given/_ssl.so", Isolated +
			module,
			Isolated + "_ssl /given/_ssl.so", "HAS_TLSv1_3"}, []string{"_ssl is not the interpreter's"}},
	} {
		got, err := c.imported(Offer{Who: test.who, Act: Imports}, test.facts)
		if err != nil || !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, %v, not %q", name, got, err, test.want)
		}
	}
	for i := range right(module, code) {
		facts := right(module, code)
		if i == 3 || i == 4 {
			continue // what the judge's own process has is compared, and needs no guard
		}
		if got, err := c.imported(Offer{Who: Python, Act: Imports}, slices.Delete(facts, i, i+1)); err == nil {
			t.Errorf("without %q: %q", right(module, code)[i], got)
		}
	}
}
