// Package internal holds no code. Its tests hold the imports of every package against the list of floors, as
// go/build/deps_test.go does in the Go tree.
package internal

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/tlsfloor/tlsfloor/"

// floors lists the rooms from the roof down. A package may import its own room and what is on a lower floor;
// rooms on one floor do not see each other.
var floors = [][]string{
	{"magefile.go"},
	{"internal/command"},
	{"artifacts"},
	{"internal/engine"},
	{"patches"},
	{"recipes", "verify"}, // the judge knows neither what is built nor how
	{"internal/ground"},
}

// exceptions are the imports against the floors, each with its reason. One that no file needs fails the test.
var exceptions = map[[2]string]string{
	{"verify/audit", "internal/engine/archive"}: "it looks into archives, and one reader is hardened for that",
	{"internal/engine/trial", "verify"}:         "it gives the judge a process and a network of its own",
	{"internal/engine/trial", "verify/subject"}: "and starts there what is tried",
}

// strangers are rooms that do not know those below them either: the builder is not the judge.
var strangers = map[string]string{"internal/engine": "verify"}

// narrow are packages that see less than their floor: of our own packages outside of the room, only these.
var narrow = map[string][]string{
	"magefile.go": {"internal/command"},
	"verify":      {"internal/ground/event", "internal/ground/elffile"},
}

// owners lists the only packages that know a module from elsewhere; nil is everybody but those of
// standardOnly.
var owners = map[string][]string{
	"github.com/hashicorp/go-getter":   {"internal/engine/fetch"},
	"github.com/ProtonMail/go-crypto":  {"internal/engine/fetch", "artifacts/sign"},
	"github.com/ulikunitz/xz":          {"internal/engine/archive"},
	"github.com/klauspost/compress":    {"internal/engine/archive", "verify/audit"},
	"github.com/goccy/go-yaml":         {"recipes"},
	"github.com/hbollon/go-edlib":      {"internal/command", "verify/report"},
	"github.com/bluekeyes/go-gitdiff":  {"patches"},
	"github.com/in-toto/attestation":   {}, // tests only
	"google.golang.org/protobuf":       {},
	"github.com/cavaliergopher/cpio":   {"artifacts/packages"},
	"github.com/google/rpmpack":        {"artifacts/packages"},
	"oras.land/oras-go":                {"artifacts/publish"},
	"github.com/opencontainers/":       {"artifacts/publish"},
	"github.com/pandatix/go-cvss":      {"internal/engine/advisory"},
	"github.com/theupdateframework/":   {"artifacts/repository"},
	"github.com/sigstore/sigstore":     {"artifacts/repository"},
	"github.com/spdx/tools-golang":     {"artifacts/bundle"},
	"github.com/package-url":           {"artifacts/bundle"},
	"github.com/secure-systems-lab":    {"artifacts/sign"},
	"github.com/magefile/mage/mg":      {"magefile.go"},
	"golang.org/x/crypto":              nil, // anybody
	"golang.org/x/net":                 {"artifacts/publish"},
	"golang.org/x/sync":                nil,
	"golang.org/x/sys":                 nil,
	"golang.org/x/term":                nil,
	"github.com/rogpeppe/go-internal/": {}, // tests only
	"github.com/santhosh-tekuri/":      {}, // tests only
	"github.com/hanwen/go-fuse/":       {}, // tests only
}

// standardOnly lists the rooms that import the standard library and, of modules, at most the one named.
var standardOnly = map[string]string{
	"magefile.go": "github.com/magefile/mage/mg", "recipes/version": "", "internal/engine/transport": "",
	"internal/ground/digest": "", "internal/ground/event": "", "internal/ground/fault": "",
	"internal/ground/docpart": "", "internal/ground/elffile": "",
	"verify": "golang.org/x/crypto", "verify/wire": "golang.org/x/crypto", "verify/subject": "golang.org/x/crypto",
	"verify/server": "golang.org/x/crypto",
}

// door lists what magefile.go may import of the standard library: the types of its flags.
var door = []string{"context", "time"}

// roomOf returns the room that a package is in and the number of its floor, "" for none.
func roomOf(pkg string) (room string, floor int) {
	for floor, rooms := range floors {
		for _, room := range rooms {
			if within(pkg, room) {
				return room, floor
			}
		}
	}
	return "", 0
}

// objection says why a package may not import imported; "" when it may. used collects the exceptions.
func objection(pkg, imported string, used map[[2]string]bool) string {
	if ours, is := strings.CutPrefix(imported, module); is {
		return mayImport(pkg, ours, used)
	}
	if first, _, _ := strings.Cut(imported, "/"); !strings.Contains(first, ".") {
		if pkg == "magefile.go" && !slices.Contains(door, imported) {
			return "the door holds no logic"
		}
		return ""
	}
	return mayUse(pkg, imported)
}

func mayImport(pkg, imported string, used map[[2]string]bool) string {
	room, floor := roomOf(pkg)
	below, at := roomOf(imported)
	exception := [2]string{pkg, imported}
	switch {
	case exceptions[exception] != "":
		used[exception] = true
		return ""
	case below == "":
		return "it is in no room"
	case pkg == "recipes/version":
		return "versions know nothing of ours"
	case room == below:
		return ""
	case narrow[room] != nil && !slices.Contains(narrow[room], imported):
		return "this room sees less than its floor"
	case strangers[room] == below:
		return "who builds does not know who judges"
	case at <= floor:
		return "an arrow goes down, never up or aside"
	}
	return ""
}

func mayUse(pkg, imported string) string {
	if only, limited := standardOnly[pkg]; limited && (only == "" || !within(imported, only)) {
		return "this room imports the standard library only"
	}
	for prefix, allowed := range owners {
		if within(imported, prefix) {
			if allowed == nil || slices.ContainsFunc(allowed, func(room string) bool { return within(pkg, room) }) {
				return ""
			}
			return fmt.Sprintf("only %v may know it", allowed)
		}
	}
	return "no room owns this module"
}

func within(imported, prefix string) bool {
	prefix = strings.TrimSuffix(prefix, "/")
	return imported == prefix || strings.HasPrefix(imported, prefix+"/")
}

// judge returns the objections to one file; src may hold its text, as in parser.ParseFile.
func judge(pkg, file string, src any, used map[[2]string]bool) ([]string, error) {
	if pkg == "." && filepath.Base(file) == "magefile.go" {
		pkg = "magefile.go"
	}
	if room, _ := roomOf(pkg); room == "" {
		return []string{fmt.Sprintf("%s: the package %s is on no floor", file, pkg)}, nil
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), file, src, parser.ImportsOnly)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, spec := range parsed.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, err
		}
		if why := objection(pkg, imported, used); why != "" {
			out = append(out, fmt.Sprintf("%s imports %s: %s", file, imported, why))
		}
	}
	return out, nil
}

// packages lists the folders with Go files that are no tests, and those files.
func packages(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	err := filepath.WalkDir("..", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && file != ".." && (name == "testdata" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_")) {
			return fs.SkipDir
		}
		// mage writes its own main beside magefile.go while another package's tests compile the program.
		isCode := strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") &&
			name != "mage_output_file.go"
		if d.IsDir() || !isCode {
			return nil
		}
		pkg, err := filepath.Rel("..", filepath.Dir(file))
		all[filepath.ToSlash(pkg)] = append(all[filepath.ToSlash(pkg)], file)
		return err
	})
	if err != nil || len(all) < 40 {
		t.Fatal(len(all), err)
	}
	return all
}

func TestImportsFollowTheHouse(t *testing.T) {
	used := map[[2]string]bool{}
	for pkg, files := range packages(t) {
		for _, file := range files {
			objections, err := judge(pkg, file, nil, used)
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range objections {
				t.Error(o)
			}
		}
	}
	for e := range exceptions {
		if !used[e] {
			t.Errorf("nothing needs the exception that %s imports %s", e[0], e[1])
		}
	}
	for _, rooms := range floors {
		for _, room := range rooms {
			if _, err := os.Stat(filepath.Join("..", room)); err != nil {
				t.Errorf("no such room: %v", err)
			}
		}
	}
}

// Each planted import must be found, and the same kind of import where it is allowed must pass.
var planted = []struct {
	pkg, imported string
	allowed       bool
}{
	{"verify", module + "internal/engine/steps", false},
	{"verify", module + "recipes", false},
	{"verify", module + "internal/ground/fault", false},
	{"verify/subject", module + "internal/engine/sandbox", false},
	{"verify/server", module + "verify/wire", true},
	{"verify/server", module + "internal/ground/fault", false},
	{"verify/wire", "golang.org/x/crypto/cryptobyte", true},
	{"verify/wire", "golang.org/x/sys/unix", false},
	{"verify/subject", module + "verify/wire", true},
	{"verify/report", module + "verify/wire", true},
	{"verify/report", module + "recipes", false},
	{"verify/report", "github.com/in-toto/attestation/go/v1", false},
	{"verify", "github.com/in-toto/attestation/go/v1", false},
	{"artifacts", "google.golang.org/protobuf/proto", false},
	{"recipes", module + "patches", false},
	{"patches", module + "recipes/version", true},
	{"recipes", module + "internal/engine/store", false},
	{"recipes", module + "internal/ground/fault", true},
	{"recipes/version", module + "internal/ground/fault", false},
	{"internal/ground/digest", "golang.org/x/crypto/sha3", false},
	{"internal/engine/fetch", module + "recipes", true},
	{"internal/engine/steps", module + "recipes", true},
	{"internal/engine/steps", module + "verify", false},
	{"internal/engine/steps", module + "artifacts", false},
	{"internal/engine/steps", module + "internal/command", false},
	{"artifacts/deploy", module + "verify", true},
	{"internal/engine/elfpolicy", module + "internal/ground/fault", true},
	{"internal/engine/steps", module + "internal/engine/elfpolicy", true},
	{"verify", module + "internal/engine/elfpolicy", false},
	{"internal/engine/archive", "github.com/ulikunitz/xz", true},
	{"internal/engine/fetch", "github.com/ulikunitz/xz", false},
	{"internal/engine/steps", "github.com/hashicorp/go-getter/v2", false},
	{"internal/engine/fetch", "github.com/hashicorp/go-getter/v2", true},
	{"recipes", "github.com/goccy/go-yaml/ast", true},
	{"internal/command", "github.com/goccy/go-yaml", false},
	{"internal/command", "github.com/magefile/mage/mg", false},
	{"internal/command", "github.com/somebody/else", false},
	{"internal/command/deeper", module + "verify/subject", true},
	{"internal/news", "fmt", false},
	{"internal/ground/digest", module + "internal/engine/store", false},
	{"internal/ground/owned", module + "recipes", false},
	{"internal/engine/trial", module + "verify/subject", true},
	{"internal/engine/store", module + "verify", false},
	{"internal/engine/store", module + "artifacts", false},
	{"artifacts/deploy", module + "internal/command", false},
	{"patches", module + "verify", true},
	{"verify/audit", module + "internal/engine/archive", true},
	{"verify/audit", module + "internal/engine/store", false},
	{"recipes", module + "verify", false},
	{".", module + "internal/command", true},
	{".", module + "internal/engine/steps", false},
	{".", module + "internal/ground/fault", false},
	{".", "context", true},
	{".", "os", false},
	{".", "github.com/magefile/mage/mg", true},
	{".", "github.com/magefile/mage/sh", false},
}

func TestPlantedImportsAreFound(t *testing.T) {
	for _, c := range planted {
		file := c.pkg + "/planted.go"
		if c.pkg == "." {
			file = "magefile.go"
		}
		source := fmt.Sprintf("package p\nimport _ %q\n", c.imported)
		objections, err := judge(c.pkg, file, source, map[[2]string]bool{})
		if err != nil {
			t.Fatal(err)
		}
		if allowed := len(objections) == 0; allowed != c.allowed {
			t.Errorf("%s importing %s: allowed is %v, want %v (%v)", c.pkg, c.imported, allowed, c.allowed, objections)
		}
	}
}

// TestArchitectureNamesEveryRoom holds the page for people against the table.
func TestArchitectureNamesEveryRoom(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "docs", "architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{}
	for line := range strings.Lines(string(page)) {
		if cells := strings.Split(line, "|"); len(cells) > 2 {
			for _, room := range strings.Split(cells[1], ",") {
				named[strings.TrimSpace(room)] = true
			}
		}
	}
	all := packages(t)
	for pkg := range all {
		test := strings.HasSuffix(pkg, "test") || pkg == "internal/ground/docpart"
		if !named[pkg] && pkg != "." && !test && !strings.HasPrefix(pkg, ".ci") {
			t.Errorf("docs/architecture.md does not name %s", pkg)
		}
	}
	for room := range named {
		if all[room] == nil && !strings.HasPrefix(room, "-") && room != "room" && room != "magefile.go" {
			t.Errorf("docs/architecture.md names %s, which is no package", room)
		}
	}
}
