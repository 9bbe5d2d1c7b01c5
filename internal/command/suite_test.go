package command

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// must are files of the test suite that prove something about what we do; each has to run.
var must = []string{"test_bz2", "test_ctypes", "test_curses", "test_ensurepip", "test_hashlib", "test_lzma", "test_readline", "test_sqlite3", "test_ssl", "test_uuid",
	"test_venv", "test_zlib"}

// suiteOutcome is what a run of CPython's test suite says.
type suiteOutcome struct {
	files  map[string]string // file, without "test.": passed, failed, skipped ...
	failed []string          // the cases that failed, or a file of which no case is named, sorted
	total  string            // its own count
}

var (
	fileLine = regexp.MustCompile(`^\d+:\d\d:\d\d .*\[ *\d+/\d+(?:/\d+)?\] (?:test\.)?(\S+) (\S+)`)
	again    = regexp.MustCompile(`Re-running \d+ failed tests`)
	caseLine = regexp.MustCompile(`^(?:FAIL|ERROR|UNEXPECTED SUCCESS): (\S+) \(([\w.]+)\)`)
)

// readSuite reads the log. Failed files are run a second time, alone, and what counts is how that ended: a
// machine that is busy fails tests that wait for each other.
func readSuite(log string) suiteOutcome {
	o := suiteOutcome{files: map[string]string{}}
	cases := map[string]bool{}
	var list string // whose list of files this is
	for line := range strings.Lines(log) {
		line = strings.TrimRight(line, "\n")
		if m := fileLine.FindStringSubmatch(line); m != nil {
			o.files[m[1]] = m[2]
		}
		switch m := caseLine.FindStringSubmatch(line); {
		case m != nil && strings.HasSuffix(m[2], "."+m[1]):
			cases[m[2]] = true
		case m != nil: // before 3.11, and of a class or module
			cases[m[2]+"."+m[1]] = true
		case again.MatchString(line):
			clear(cases)
		case strings.HasPrefix(line, "Total tests: "), strings.HasPrefix(line, "Total duration: "):
			o.total = strings.TrimSpace(o.total + "\n" + line)
		}
		if strings.HasPrefix(line, "== Tests result: ") { // the last one counts
			o.failed = nil
		}
		switch {
		case strings.HasSuffix(line, " failed:"):
			list = "failed"
		case !strings.HasPrefix(line, "    "):
			list = ""
		case list == "failed":
			for name := range strings.FieldsSeq(line) {
				o.failed = append(o.failed, casesOf(name, cases)...)
			}
		}
	}
	slices.Sort(o.failed)
	o.failed = slices.Compact(o.failed)
	return o
}

// casesOf returns the failed cases of a file, or the file where none is named.
func casesOf(file string, cases map[string]bool) []string {
	file = "test." + strings.TrimPrefix(file, "test.")
	var all []string
	for name := range cases {
		if strings.HasPrefix(name, file+".") {
			all = append(all, name)
		}
	}
	if len(all) == 0 {
		return []string{file}
	}
	return all
}

// judge compares with what is expected: both an unexpected failure and one that did not come are faults.
func (o suiteOutcome) judge(want map[string]string) []string {
	var faults []string
	if o.total == "" {
		faults = append(faults, "the test suite did not come to its end")
	}
	for _, name := range o.failed {
		if want[name] == "" {
			faults = append(faults, "failed: "+name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if !slices.Contains(o.failed, name) {
			faults = append(faults, "passed, and is on the list of what fails: "+name)
		}
	}
	for _, name := range must {
		if how := o.how(name); how != "passed" && how != "failed" {
			faults = append(faults, fmt.Sprintf("did not run: %s (%s)", name, how))
		}
	}
	return faults
}

// how says how a file ended. A folder of files is worth what its last one is, if none was skipped.
func (o suiteOutcome) how(name string) string {
	how := o.files[name]
	for file, one := range o.files {
		if strings.HasPrefix(file, name+".") && how != "skipped" {
			how = one
		}
	}
	return how
}

// readExpected reads lines "<case or file>: <reason>".
func readExpected(path string) (map[string]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	all := map[string]string{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, reason, ok := strings.Cut(line, ": ")
		if !ok || strings.TrimSpace(reason) == "" || all[name] != "" {
			return nil, fmt.Errorf("%s: %q has no reason, or comes twice", path, name)
		}
		all[name] = reason
	}
	return all, nil
}

const suiteLog = `== CPython 3.13.15
0:00:01 load avg: 0.66 [ 1/14] test_ssl failed (2 failures)
0:00:02 load avg: 0.66 [ 2/14/1] test_sys failed (1 failure) -- running (1): test_venv (42.1 sec)
0:00:02 load avg: 0.66 [ 3/14/1] test_socket failed (1 failure)
0:00:03 load avg: 0.66 [ 4/14/2] test.test_inspect.test_inspect crashed (Exit code 1)
0:00:03 load avg: 0.66 [ 5/14/2] test_tkinter skipped
test_tkinter skipped -- No module named '_tkinter'
%s
== Tests result: FAILURE ==

3 tests failed:
    test.test_inspect.test_inspect test_socket test_ssl test_sys

0:00:04 load avg: 1.11 Re-running 4 failed tests in verbose mode in subprocesses
0:00:05 load avg: 1.11 [1/4] test_ssl failed (1 failure)
Re-running test_ssl in verbose mode (matching: test_min_max_version, test_options)
FAIL: test_min_max_version (test.test_ssl.ContextTests.test_min_max_version) (version=1)
FAIL: test_min_max_version (test.test_ssl.ContextTests.test_min_max_version) (version=2)
0:00:06 load avg: 1.11 [2/4/1] test_sys failed (1 error)
Re-running test_sys in verbose mode (matching: test_stdlib_dir)
ERROR: test_stdlib_dir (test.test_sys.SysModuleTest)
0:00:06 load avg: 1.11 [3/4/2] test_socket passed
0:00:07 load avg: 1.11 [4/4/2] test.test_inspect.test_inspect crashed (Exit code 1)

== Tests result: FAILURE then FAILURE ==

1 test skipped:
    test_tkinter

4 re-run tests:
    test.test_inspect.test_inspect test_socket test_ssl test_sys

3 tests failed:
    test.test_inspect.test_inspect test_ssl test_sys

10 tests OK.

Total duration: 7 sec
Total tests: run=1,000 failures=2 skipped=1
Total test files: run=14/14 failed=3 skipped=1
`

// TestSuiteIsJudged reads a log: what failed at the first try only is no failure, a file without a named case
// stands for itself, and each difference from the list is a fault.
func TestSuiteIsJudged(t *testing.T) {
	var ran []string
	for _, name := range must[:len(must)-1] {
		if name != "test_ssl" {
			ran = append(ran, "0:00:03 load avg: 0.66 [ 6/14/2] "+name+" passed")
		}
	}
	o := readSuite(fmt.Sprintf(suiteLog, strings.Join(ran, "\n")))
	if want := []string{"test.test_inspect.test_inspect", "test.test_ssl.ContextTests.test_min_max_version", "test.test_sys.SysModuleTest.test_stdlib_dir"}; !slices.Equal(o.failed, want) {
		t.Errorf("failed: %v\nwant %v", o.failed, want)
	}
	if o.total != "Total duration: 7 sec\nTotal tests: run=1,000 failures=2 skipped=1" {
		t.Errorf("total %q", o.total)
	}
	path := filepath.Join(t.TempDir(), "expected.txt")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("# why\ntest.test_ssl.ContextTests.test_min_max_version: so it is\ntest.test_sys.SysModuleTest.test_stdlib_dir: a reason\ntest.test_os.T.test_fork: it never fails\n")
	want, err := readExpected(path)
	if err != nil {
		t.Fatal(err)
	}
	faults := []string{"failed: test.test_inspect.test_inspect", "passed, and is on the list of what fails: test.test_os.T.test_fork", "did not run: test_zlib ()"}
	if got := o.judge(want); !slices.Equal(got, faults) {
		t.Errorf("faults: %q\nwant %q", got, faults)
	}
	if got := readSuite("0:00:01 load avg: 0.66 [ 1/14] test_ssl passed\n").judge(nil); !slices.Contains(got, "the test suite did not come to its end") {
		t.Errorf("of half a log: %q", got)
	}
	o.files["test_zlib"] = "skipped"
	if got := o.judge(want); !slices.Contains(got, "did not run: test_zlib (skipped)") {
		t.Errorf("of a file that was skipped: %q", got)
	}
	for _, text := range []string{"test.a\n", "test.a: \n", "test.a: x\ntest.a: y\n"} {
		write(text)
		if _, err := readExpected(path); err == nil {
			t.Errorf("no error for %q", text)
		}
	}
}
