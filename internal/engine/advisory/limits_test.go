package advisory

import (
	"archive/zip"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// zipped writes n files, each made by text, into a .zip file.
func zipped(t testing.TB, n int, text func(i int, w io.Writer)) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "all.zip")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z := zip.NewWriter(f)
	for i := range n {
		w, err := z.Create(fmt.Sprintf("%d.json", i))
		if err != nil {
			t.Fatal(err)
		}
		text(i, w)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return name
}

// advisoryOf is one whose affected packages are n times the same text.
func advisoryOf(each string, n int) func(int, io.Writer) {
	return func(i int, w io.Writer) {
		fmt.Fprintf(w, `{"id":"X%d","affected":[`, i)
		io.WriteString(w, strings.Repeat(each+",", n))
		io.WriteString(w, each+`]}`)
	}
}

const (
	ours   = `{"package":{"ecosystem":"Bitnami","name":"openssl"},"versions":["1.1.1d"]}`
	theirs = `{"package":{"ecosystem":"Debian:12","name":"openssl"},"versions":["1.1.1d"]}`
)

// wide is an advisory with a lot beside the schema.
func wide(value string, n int) func(int, io.Writer) {
	return func(i int, w io.Writer) {
		fmt.Fprintf(w, `{"id":"X%d","affected":[%s],"database_specific":{"x":[%s1]}}`, i, ours, strings.Repeat(value+",", n))
	}
}

// databases are those that ask for a lot of memory, and "" as the error of those that fit all the same.
func databases(t *testing.T) map[string][2]string {
	deep := func(i int, w io.Writer) {
		fmt.Fprintf(w, `{"id":"X","x":%s%s}`, strings.Repeat("[", 9_000), strings.Repeat("]", 9_000))
	}
	return map[string][2]string{
		"empty objects":                   {zipped(t, 4, advisoryOf("{}", 4_000_000)), "more than 200000 values"},
		"empty objects in a folder":       {onDisk(t, advisoryOf("{}", 4_000_000)), "more than 200000 values"},
		"numbers beside the schema":       {zipped(t, 4, wide("1", 4_000_000)), "more than 200000 values"},
		"numbers, many small files":       {zipped(t, 8, wide("1", 150_000)), ""},
		"lists within each other":         {zipped(t, 1, deep), "within each other"},
		"others' packages":                {zipped(t, 2, advisoryOf(theirs, 100_000)), "more than 200000 values"},
		"others' packages, small":         {zipped(t, 8, advisoryOf(theirs, 20_000)), ""},
		"our packages without end":        {zipped(t, 15, advisoryOf(ours, 30_000)), "bytes of memory"},
		"a file of 200 MB":                {zipped(t, 1, func(_ int, w io.Writer) { io.CopyN(w, zeros{}, 200<<20) }), "more than 16777216 bytes"},
		"a number that is too large":      {zipped(t, 1, func(_ int, w io.Writer) { io.WriteString(w, `{"id":"X"} x`) }), "no JSON"},
		"a name without end in its lists": {zipped(t, 1, func(_ int, w io.Writer) { io.WriteString(w, `{"id":"`) }), "no JSON"},
	}
}

// zeros reads as spaces without end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func onDisk(t *testing.T, text func(int, io.Writer)) string {
	t.Helper()
	var b strings.Builder
	text(0, &b)
	return write(t, b.String())
}

const (
	databaseEnv  = "TLSFLOOR_TEST_OSV"
	databasePeak = 400 << 20 // bytes of memory that a whole process may take: what may be kept, and what is collected in between
)

// TestLargeDatabases reads each in a process of its own whose memory is looked at.
func TestLargeDatabases(t *testing.T) {
	if where := os.Getenv(databaseEnv); where != "" {
		l := defaults
		l.kept = 100 << 20
		_, err := read(where, l)
		fmt.Println("said:", err)
		status, _ := os.ReadFile("/proc/self/status")
		fmt.Println(string(status))
		return
	}
	for name, d := range databases(t) {
		t.Run(name, func(t *testing.T) {
			c := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestLargeDatabases$", "-test.v")
			c.Env = append(os.Environ(), databaseEnv+"="+d[0])
			out, err := c.CombinedOutput()
			said, peak := "", 0
			for line := range strings.Lines(string(out)) {
				if text, ok := strings.CutPrefix(line, "said: "); ok {
					said = text
				}
				fmt.Sscanf(line, "VmHWM: %d kB", &peak)
			}
			if err != nil || peak == 0 {
				t.Fatalf("%v\n%s", err, out)
			}
			if peak<<10 > databasePeak {
				t.Errorf("%d MB of memory", peak>>10)
			}
			if want := d[1]; want == "" && said != "<nil>\n" || !strings.Contains(said, want) {
				t.Errorf("said %q, want %q", said, want)
			}
			t.Logf("%d MB of memory: %s", peak>>10, said)
		})
	}
}

// TestLimitsOfADatabase tries the limits of the whole with small ones.
func TestLimitsOfADatabase(t *testing.T) {
	small := zipped(t, 20, advisoryOf(ours, 1))
	if db, err := read(small, defaults); err != nil || db.Len() != 20 {
		t.Fatal(db, err)
	}
	for name, one := range map[string]struct {
		change func(*limits)
		want   string
	}{
		"files":     {func(l *limits) { l.files = 19 }, "more than 19 files"},
		"read":      {func(l *limits) { l.read = 1000 }, "more than 1000 bytes of advisories"},
		"kept":      {func(l *limits) { l.kept = 5000 }, "more than 5000 bytes of memory"},
		"directory": {func(l *limits) { l.directory = 500 }, "list of files is too long"},
		"file":      {func(l *limits) { l.file = 100 }, "more than 100 bytes"},
		"depth":     {func(l *limits) { l.depth = 3 }, "more than 3 objects"},
	} {
		l := defaults
		one.change(&l)
		if _, err := read(small, l); err == nil || !strings.Contains(err.Error(), one.want) || fault.HintOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAPipeIsNoAdvisory holds that nobody is waited for.
func TestAPipeIsNoAdvisory(t *testing.T) {
	dir := write(t, "{}")
	if err := syscall.Mkfifo(filepath.Join(dir, "a.json"), 0o644); err != nil {
		t.Skip(err)
	}
	for _, where := range []string{dir, filepath.Join(dir, "a.json")} {
		if _, err := Read(where); err == nil || !strings.Contains(err.Error(), "regular file") {
			t.Errorf("%s: %v", where, err)
		}
	}
}

// FuzzRead holds that what is read keeps to the limits, and that what was trimmed says the same as the whole.
func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"id":"X","affected":[` + ours + `,` + theirs + `]}`))
	f.Add([]byte(`{"id":"X-1","affected":[{"ranges":[{"type":"GIT","repo":"https://x/openssl","events":[{"introduced":"0"}],` +
		`"database_specific":{"extracted_events":[{"introduced":"1.0"},{"fixed":"1.2"}]}}]}]}`))
	f.Add([]byte(`{"id":"X","withdrawn":"2024-01-01T00:00:00Z"}`))
	f.Add([]byte(`{"id":"X","database_specific":{"severity":"HIGH","x":[[[]]]}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		r := &reader{limits: limits{file: 1 << 16, values: 1000, depth: 10, files: 1, read: 1 << 20, kept: 1 << 20}, where: "it"}
		err := r.file("one.json", func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(string(text))), nil })
		whole, err2 := parse(text)
		if err != nil {
			return
		}
		if err2 != nil {
			t.Fatalf("read, and not parsed: %v", err2)
		}
		if whole.Withdrawn != nil {
			return
		}
		want, score := severity(whole)
		for _, v := range r.db.all {
			if got, s := severity(v); got != want || s != score {
				t.Fatalf("severity %s, %v; of the whole %s, %v", got, s, want, score)
			}
		}
		r.db.Affecting(Subject{Version: "1.1.1d", Names: []string{"openssl"}})
	})
}
