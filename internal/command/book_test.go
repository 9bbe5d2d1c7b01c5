package command

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// page says how the commands of a document are run. testdata/book.yaml has one for each.
type page struct {
	Page     string
	Needs    []string          // what is prepared for it, each a variable of its shell: see needs
	Setup    string            // a script that runs before the first command
	Replace  map[string]string // in commands and in what they print; values may name variables
	Vary     string            // what else differs from run to run in what is printed
	Text     []string          // how blocks begin that are no commands
	Commands []shownAs
}

// shownAs is how one command is run, if otherwise than it is shown.
type shownAs struct {
	Is      string // how it begins
	Status  int    // its exit status
	Before  string // a script that makes what the page's words say
	Instead string // what is run in its place
	Drop    string // lines that the page shows and this run does not print
	By      string // the test that runs it, in a world of its own
	Untried string // why nothing can run it
}

// shown is a command with what the page shows as its output.
type shown struct {
	command string
	output  []string
	session int
}

// book reads testdata/book.yaml, and the pages.
func book(t *testing.T) (pages []page, texts map[string]string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "book.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalWithOptions(text, &pages, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	texts = map[string]string{}
	for _, pattern := range []string{"README.md", "recipes/README.md", "docs/*.md", ".ci/README.md"} {
		files, err := filepath.Glob(filepath.Join("..", "..", pattern))
		if err != nil || len(files) == 0 {
			t.Fatal(pattern, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			name, _ := filepath.Rel(filepath.Join("..", ".."), file)
			texts[name] = string(text)
		}
	}
	return pages, texts
}

// blocks returns the indented blocks of a document, without their indentation.
func blocks(text string) (all [][]string) {
	var block []string
	flush := func() {
		for len(block) > 0 && block[len(block)-1] == "" {
			block = block[:len(block)-1]
		}
		if len(block) > 0 {
			indent := len(block[0]) - len(strings.TrimLeft(block[0], " "))
			for i, line := range block {
				block[i] = line[min(indent, len(line)-len(strings.TrimLeft(line, " "))):]
			}
			all = append(all, block)
		}
		block = nil
	}
	after := "" // the line before: code follows an empty one only
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "    ") && (block != nil || after == "" || strings.HasPrefix(after, "<!--")):
			block = append(block, line)
		case line == "" && block != nil:
			block = append(block, "")
		default:
			flush()
		}
		after = line
	}
	flush()
	return all
}

// commands are those that a document shows. A block without prompts is commands only, unless it is listed as
// text; used notes what is.
func (p page) commands(text string, used map[string]bool) (all []shown) {
	for n, block := range blocks(text) {
		i := slices.IndexFunc(p.Text, func(begin string) bool { return strings.HasPrefix(block[0], begin) })
		switch {
		case i >= 0:
			used[p.Text[i]] = true
		case strings.HasPrefix(block[0], "$ ") || strings.HasPrefix(block[0], "# "):
			all = append(all, session(block, n)...)
		case strings.HasPrefix(block[0], "for "):
			all = append(all, shown{command: strings.Join(block, "\n"), session: n})
		default:
			for _, line := range block {
				all = append(all, shown{command: line, session: n})
			}
		}
	}
	return all
}

// session reads a block with prompts. What `cat file` shows is written to the file instead.
func session(block []string, n int) (all []shown) {
	here := false // within a here-document
	for _, line := range block {
		command, prompt := strings.CutPrefix(line, block[0][:2])
		last := len(all) - 1
		switch {
		case here:
			all[last].command += "\n" + line
			here = line != "END"
		case prompt:
			all = append(all, shown{command: command, session: n})
			here = strings.Contains(command, "<<'END'")
		default:
			all[last].output = append(all[last].output, line)
		}
	}
	return all
}

// as is how a command is run.
func (p page) as(c shown) shownAs {
	for _, a := range p.Commands {
		if strings.HasPrefix(c.command, a.Is) {
			return a
		}
	}
	return shownAs{Is: c.command}
}

// volatile is what differs from run to run wherever it stands.
const volatile = `\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?Z?)?|\d\d:\d\d:\d\d|\b[0-9a-f]{12,64}\b|\b\d+(?:\.\d+)? (?:ms|s|MB)\b|_ssl\.c:\d+`

// printed compares what was printed with what the page shows: "..." is any lines, and within a line any text;
// a digest that stands in two places has to be the same in both; how columns are filled up does not count.
func (p page) printed(got, want []string, digests map[string]string) error {
	pattern := volatile
	if p.Vary != "" {
		pattern += "|" + p.Vary
	}
	varies := regexp.MustCompile(pattern)
	same := func(got, want string) bool {
		got, want = strings.Join(strings.Fields(got), " "), strings.Join(strings.Fields(want), " ")
		parts := strings.Split(varies.ReplaceAllString(want, "\x00"), "...")
		pattern := "^" + strings.Join(strings.Split(regexp.QuoteMeta(strings.Join(parts, "\x01")), "\x01"), ".*") + "$"
		pattern = strings.ReplaceAll(pattern, "\x00", "("+varies.String()+")")
		m := regexp.MustCompile(pattern).FindStringSubmatch(got)
		if m == nil {
			return false
		}
		for i, w := range varies.FindAllString(want, -1) {
			if i+1 < len(m) && regexp.MustCompile(`^[0-9a-f]{12,64}$`).MatchString(w) {
				if known, ok := digests[w]; ok && known != m[i+1] || len(w) != len(m[i+1]) {
					return false
				}
				digests[w] = m[i+1]
			}
		}
		return true
	}
	i := 0
	gap := false
	for _, line := range want {
		if strings.TrimSpace(line) == "..." {
			gap = true
			continue
		}
		begin := i
		for i < len(got) && gap && !same(got[i], line) {
			i++
		}
		if i == len(got) || !same(got[i], line) {
			return fmt.Errorf("it does not print\n%s\nbut\n%s", line, strings.Join(got[begin:min(len(got), begin+20)], "\n"))
		}
		i++
		gap = false
	}
	if !gap && i < len(got) {
		return fmt.Errorf("it also prints\n%s", strings.Join(got[i:min(len(got), i+20)], "\n"))
	}
	return nil
}

// TestBook holds testdata/book.yaml against the documents: each command of each is run, by a script or by a
// test that there is.
func TestBook(t *testing.T) {
	pages, texts := book(t)
	tests := testNames(t)
	counts := map[string]int{}
	for name, text := range texts {
		i := slices.IndexFunc(pages, func(p page) bool { return p.Page == name })
		p := page{Page: name}
		if i >= 0 {
			p = pages[i]
		}
		used := map[string]bool{}
		for _, c := range p.commands(text, used) {
			a := p.as(c)
			used[a.Is] = true
			switch {
			case i < 0:
				t.Errorf("%s: nothing runs `%s`", name, c.command)
			case a.By != "" && !tests[a.By]:
				t.Errorf("%s: `%s`: there is no test %s", name, c.command, a.By)
			case a.By != "":
				counts["by others"]++
			case a.Untried != "":
				counts["untried"]++
			default:
				counts["run"]++
			}
		}
		for _, a := range p.Commands {
			if !used[a.Is] {
				t.Errorf("%s has no command that begins with %q", name, a.Is)
			}
		}
		for _, begin := range p.Text {
			if !used[begin] {
				t.Errorf("%s has no text that begins with %q", name, begin)
			}
		}
	}
	for _, p := range pages {
		if texts[p.Page] == "" {
			t.Errorf("there is no %s", p.Page)
		}
	}
	t.Logf("%v", counts)
	if counts["run"] < 50 || counts["untried"] > 5 {
		t.Errorf("too few are run: %v", counts)
	}
}

// testNames are the tests that a page may name: TestReal with its parts, as they are written, and TestScript
// with its files.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	files, err := filepath.Glob("*_test.go")
	if err != nil || len(files) < 20 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		form := regexp.MustCompile(`(?m)^func (Test\w+)|(?:t\.Run|try)\("([^"]+)"`)
		for _, m := range form.FindAllStringSubmatch(string(text), -1) {
			names[m[1]] = true
			names["TestReal: "+m[2]] = true
		}
	}
	for _, p := range parts {
		names["TestReal: "+p.name] = true
	}
	scripts, err := filepath.Glob(filepath.Join("testdata", "script", "*.txtar"))
	if err != nil || len(scripts) == 0 {
		t.Fatal(err)
	}
	for _, file := range scripts {
		names["TestScript: "+strings.TrimSuffix(filepath.Base(file), ".txtar")] = true
	}
	return names
}

// TestPrinted holds the comparison itself to what it has to find.
func TestPrinted(t *testing.T) {
	p := page{Vary: `\d+ certificates`}
	for _, test := range []struct {
		want, got string
		same      bool
	}{
		{"a\nb", "a\nb", true},
		{"a", "a\nb", false},
		{"a\nb", "a", false},
		{"a\n...\nc", "a\nb\nb\nc", true},
		{"a\n...", "a\nb\nb", true},
		{"...\nc\n...\ne", "a\nc\ne", true},
		{"...\nc", "a\nb", false},
		{"a\n...\nd", "a\nb\nc\nd\ne", false},
		{"built in 2.5 s", "built  in 13 s", true},
		{"built in 2.5 s", "failed in 2.5 s", false},
		{"of 2026-11-25T17:27:55Z: pass", "of 2027-01-02T00:00:00Z: pass", true},
		{"of 2026-11-25T17:27:55Z: pass", "of 2027-01-02T00:00:00Z: fail", false},
		{"19ce8cc84d796423 -\n19ce8cc84d796423", "aaaaaaaaaaaaaaaa -\naaaaaaaaaaaaaaaa", true},
		{"19ce8cc84d796423 -\n19ce8cc84d796423", "aaaaaaaaaaaaaaaa -\nbbbbbbbbbbbbbbbb", false},
		{"19ce8cc84d796423", "19ce8cc84d79", false},
		{"in 12 of 18 cases: client, ...", "in 12 of 18 cases: client, more", true},
		{"in 12 of 18 cases: client, ...", "in 11 of 18 cases: client, more", false},
		{"144 certificates of you", "150 certificates of you", true},
	} {
		if err := p.printed(strings.Split(test.got, "\n"), strings.Split(test.want, "\n"), map[string]string{}); (err == nil) != test.same {
			t.Errorf("%q for %q: %v", test.got, test.want, err)
		}
	}
}
