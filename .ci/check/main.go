// Command check runs a checker of Go code over the project, and holds what it finds against the list of
// exceptions.
//
//	check staticcheck <tools> <exceptions> <folder>
//	check govulncheck <tools> <exceptions> <folder> <database>
//
// Both checkers come from the go.mod in the folder <tools>, which is not the project's. An exception is one
// line: the checker, what it finds, and "because" with the reason. What is found and not excepted fails,
// and so does an exception for something that is not found. The database of govulncheck is a folder in the
// format of https://go.dev/doc/security/vuln/database.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "check:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	if len(args) < 4 {
		return errors.New("usage: check staticcheck|govulncheck <tools> <exceptions> <folder> [<database>]")
	}
	excepted, err := exceptions(args[2], args[0])
	if err != nil {
		return err
	}
	var found []string
	switch {
	case args[0] == "staticcheck" && len(args) == 4:
		found, err = staticcheck(args[1], args[3])
	case args[0] == "govulncheck" && len(args) == 5:
		found, err = govulncheck(args[1], args[3], args[4])
	default:
		err = fmt.Errorf("%s: no such checker, or another number of arguments", args[0])
	}
	if err != nil {
		return err
	}
	return judge(args[0], found, excepted, out)
}

// judge prints what was found and is not excepted.
func judge(checker string, found, excepted []string, out io.Writer) error {
	bad := 0
	for _, f := range found {
		if !slices.Contains(excepted, f) {
			bad++
			fmt.Fprintln(out, f)
		}
	}
	for _, e := range excepted {
		if !slices.Contains(found, e) {
			bad++
			fmt.Fprintf(out, "%s: excepted, and not found any more\n", e)
		}
	}
	if bad > 0 {
		return fmt.Errorf("%s: %d findings", checker, bad)
	}
	fmt.Fprintf(out, "%s: nothing found; %d exceptions\n", checker, len(excepted))
	return nil
}

var exception = regexp.MustCompile(`^(staticcheck|govulncheck) (.+) because (\S.+)$`)

// exceptions reads those of one checker.
func exceptions(file, checker string) (all []string, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	for i, line := range strings.Split(string(text), "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		m := exception.FindStringSubmatch(line)
		if m == nil {
			return nil, fmt.Errorf("%s:%d: want \"<checker> <finding> because <reason>\"", file, i+1)
		}
		if m[1] == checker {
			all = append(all, m[2])
		}
	}
	return all, nil
}

// staticcheck looks at all packages, and at magefile.go, which has a build tag.
func staticcheck(tools, dir string) (found []string, err error) {
	for _, args := range [][]string{{"-f=json", "./..."}, {"-f=json", "-tags=mage", "."}} {
		out, err := tool(tools, dir, "staticcheck", args...)
		if err != nil && len(out) == 0 {
			return nil, err
		}
		more, err := problems(dir, out)
		if err != nil {
			return nil, err
		}
		found = append(found, more...)
	}
	slices.Sort(found)
	return slices.Compact(found), nil
}

// problems reads staticcheck's lines. Line numbers are left out: exceptions outlive an edit above them.
func problems(dir string, out []byte) (found []string, err error) {
	dir, err = filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			Code, Message string
			Location      struct {
				File string
				Line int
			}
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return found, nil
		} else if err != nil {
			return nil, fmt.Errorf("staticcheck: %w", err)
		}
		file, err := filepath.Rel(dir, p.Location.File)
		if err != nil {
			file = p.Location.File
		}
		if strings.HasPrefix(p.Code, "compile") { // nothing was looked at
			return nil, fmt.Errorf("%s:%d: %s", file, p.Location.Line, p.Message)
		}
		found = append(found, fmt.Sprintf("%s %s: %s", file, p.Code, strings.TrimSpace(p.Message)))
	}
}

// govulncheck names the vulnerabilities whose code is reached from the project's.
func govulncheck(tools, dir, db string) (found []string, err error) {
	if db, err = filepath.Abs(db); err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(db, "index", "modules.json")); err != nil {
		return nil, fmt.Errorf("no database: %w", err)
	}
	out, err := tool(tools, dir, "govulncheck", "-db=file://"+db, "-format=json", "./...")
	if err != nil {
		return nil, err
	}
	return reached(out)
}

// reached reads golang.org/x/vuln's stream of messages.
func reached(out []byte) (found []string, err error) {
	looked := false
	for d := json.NewDecoder(bufio.NewReader(bytes.NewReader(out))); ; {
		var m struct {
			Config  json.RawMessage
			Finding *struct {
				OSV   string
				Trace []struct{ Module, Version, Package, Function string }
			}
		}
		if err := d.Decode(&m); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, fmt.Errorf("govulncheck: %w", err)
		}
		looked = looked || m.Config != nil
		if f := m.Finding; f != nil && len(f.Trace) > 0 && f.Trace[0].Function != "" {
			found = append(found, f.OSV+" "+f.Trace[0].Package+"."+f.Trace[0].Function)
		}
	}
	if !looked {
		return nil, errors.New("govulncheck: it has said nothing")
	}
	slices.Sort(found)
	return slices.Compact(found), nil
}

// tool runs one of the tools in the folder dir. The error has what it said.
func tool(tools, dir, name string, args ...string) ([]byte, error) {
	find := exec.Command("go", "tool", "-n", name)
	find.Dir = tools
	path, err := find.Output()
	if err != nil {
		return nil, fmt.Errorf("go tool %s: %w", name, err)
	}
	cmd := exec.Command(strings.TrimSpace(string(path)), args...)
	cmd.Dir = dir
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return out, fmt.Errorf("%s: %w: %s", name, err, bytes.TrimSpace(errs.Bytes()))
	}
	return out, nil
}
