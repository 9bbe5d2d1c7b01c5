// Package internal holds no code. Its test holds the imports of every package against the house's table of
// who may import whom, as go/build/deps_test.go does in the Go tree.
package internal

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/tlsfloor/tlsfloor/"

// rooms lists whom each room may import. What a listed room may import may be imported as well: a layer
// sees all layers below the ones that it sees. Every room but those of standardOnly imports internal/fault.
var rooms = map[string][]string{
	"magefile.go": {"internal/cli"},
	"internal/cli": {
		"artifacts", "artifacts/bundle", "artifacts/deploy", "artifacts/publish", "artifacts/repository",
		"artifacts/sign", "internal/advisory", "internal/bench", "internal/bump", "internal/build",
		"internal/fetch", "internal/rebuild", "internal/trial", "internal/ui", "verify/advice", "verify/audit",
		"verify/balancer", "verify/probe", "verify/report", "verify/server", "verify/subject",
	},
	"artifacts":          {"internal/store"},
	"artifacts/deploy":   {"artifacts", "verify", "internal/elfpolicy", "internal/archive", "internal/store", "internal/plan", "internal/trust", "recipes"},
	"internal/advisory":  {"recipes/version"},
	"internal/bump":      {"internal/archive", "internal/fetch", "internal/owned", "recipes"},
	"artifacts/bundle":   {"artifacts/packages", "artifacts/sign", "verify/report"},
	"artifacts/packages": {"artifacts/deploy"},
	"artifacts/publish":  {"artifacts/bundle", "internal/fetch"},
	"artifacts/sign":     {"internal/digest", "internal/owned"},
	"internal/build":     {"internal/elfpolicy", "internal/plan", "internal/store", "internal/fetch", "internal/archive", "internal/sandbox", "patches"},
	"internal/rebuild":   {"internal/archive", "internal/sandbox"},
	"internal/trial":     {"internal/sandbox", "verify/subject"},
	"internal/fetch":     {"internal/store", "recipes", "internal/transport"},
	"internal/transport": nil,
	"internal/plan":      {"recipes", "patches"},
	"internal/ui":        {"internal/event"},
	"internal/bench":     {"internal/event"},
	"internal/elfpolicy": {"internal/digest", "internal/event", "internal/elffile"},
	"recipes":            {"recipes/version", "internal/digest", "internal/event"},
	"patches":            {"recipes/version", "internal/digest", "internal/event"},
	"internal/store":     {"internal/digest", "internal/event", "internal/owned"},
	"internal/owned":     nil,
	"internal/trust":     {"internal/digest"},
	"internal/archive":   {"internal/digest", "internal/event"},
	"internal/sandbox":   {"internal/digest", "internal/event", "internal/owned"},
	"verify/advice":      nil,
	"verify/report":      {"verify"},
	"verify/subject":     {"verify"}, // the judge never imports the builder
	"verify/server":      {"verify"}, // nor does the server for people
	"verify/balancer":    {"verify/server"},
	"verify/audit":       {"internal/archive"},
	"verify/probe":       {"verify"},
	"verify":             {"verify/wire", "internal/elffile"},
	"verify/wire":        {"internal/event"},
	"recipes/version":    nil,
	"internal/digest":    nil,
	"internal/elffile":   nil,
	"internal/event":     nil,
	"internal/fault":     nil,
	"internal/docpart":   nil, // tests only

	"artifacts/repository": {"artifacts/bundle", "internal/transport"},
}

// owners lists the only rooms that know a module from elsewhere. golang.org/x belongs to everybody,
// except where mayUse says otherwise.
var owners = map[string][]string{
	"github.com/hashicorp/go-getter":   {"internal/fetch"},
	"github.com/ProtonMail/go-crypto":  {"internal/fetch", "artifacts/sign"},
	"github.com/ulikunitz/xz":          {"internal/archive"},
	"github.com/klauspost/compress":    {"internal/archive", "verify/audit"},
	"github.com/goccy/go-yaml":         {"recipes"},
	"github.com/hbollon/go-edlib":      {"internal/cli"},
	"github.com/bluekeyes/go-gitdiff":  {"patches"},
	"github.com/in-toto/attestation":   {"verify/report", "artifacts/bundle"},
	"google.golang.org/protobuf":       {"verify/report", "artifacts/bundle", "internal/advisory"},
	"github.com/cavaliergopher/cpio":   {"artifacts/packages"},
	"github.com/google/rpmpack":        {"artifacts/packages"},
	"oras.land/oras-go":                {"artifacts/publish"},
	"github.com/opencontainers/":       {"artifacts/publish"},
	"github.com/ossf/osv-schema":       {"internal/advisory"},
	"github.com/pandatix/go-cvss":      {"internal/advisory"},
	"github.com/theupdateframework/":   {"artifacts/repository"},
	"github.com/sigstore/sigstore":     {"artifacts/repository"},
	"github.com/spdx/tools-golang":     {"artifacts/bundle"},
	"github.com/package-url":           {"artifacts/bundle"},
	"github.com/secure-systems-lab":    {"artifacts/sign"},
	"github.com/magefile/mage/mg":      {"magefile.go"},
	"golang.org/x/crypto":              slices.Collect(maps.Keys(rooms)),
	"golang.org/x/net":                 {"artifacts/publish"},
	"golang.org/x/sync":                slices.Collect(maps.Keys(rooms)),
	"golang.org/x/sys":                 slices.Collect(maps.Keys(rooms)),
	"golang.org/x/term":                slices.Collect(maps.Keys(rooms)),
	"github.com/rogpeppe/go-internal/": nil, // tests only
	"github.com/santhosh-tekuri/":      nil, // tests only
	"github.com/hanwen/go-fuse/":       nil, // tests only
}

// standardOnly lists the rooms that import the standard library and, of modules, at most the one named.
var standardOnly = map[string]string{
	"internal/digest": "", "internal/event": "", "internal/fault": "", "internal/docpart": "", "internal/elffile": "", "recipes/version": "", "magefile.go": "github.com/magefile/mage/mg",

	"internal/transport": "",

	"verify": "golang.org/x/crypto", "verify/wire": "golang.org/x/crypto", "verify/subject": "golang.org/x/crypto",
	"verify/server": "golang.org/x/crypto",
}

// door lists what magefile.go may import of the standard library: the types of its flags, and its own text.
var door = []string{"context", "embed", "time"}

// reach returns all rooms that room may import. The door sees only the one behind it.
func reach(room string) map[string]bool {
	if room == "magefile.go" {
		return map[string]bool{rooms[room][0]: true}
	}
	seen := map[string]bool{}
	var walk func(string)
	walk = func(r string) {
		for _, below := range rooms[r] {
			if !seen[below] {
				seen[below] = true
				walk(below)
			}
		}
	}
	walk(room)
	return seen
}

// roomOf returns the innermost room that a package belongs to, "" for none.
func roomOf(pkg string) string {
	for p := pkg; p != "."; p = path.Dir(p) {
		if _, ok := rooms[p]; ok {
			return p
		}
	}
	return ""
}

// objection says why a package of room may not import imported; "" when it may.
func objection(room, imported string) string {
	if pkg, ours := strings.CutPrefix(imported, module); ours {
		if mayImport(room, roomOf(pkg)) {
			return ""
		}
		return "the house's table does not allow it"
	}
	if first, _, _ := strings.Cut(imported, "/"); !strings.Contains(first, ".") {
		if room == "magefile.go" && !slices.Contains(door, imported) {
			return "the door holds no logic"
		}
		return ""
	}
	return mayUse(room, imported)
}

func mayImport(room, imported string) bool {
	if imported == "internal/fault" {
		_, limited := standardOnly[room]
		return !limited || room == imported
	}
	return imported == room || reach(room)[imported]
}

func mayUse(room, imported string) string {
	if only, limited := standardOnly[room]; limited && (only == "" || !within(imported, only)) {
		return "this room imports the standard library only"
	}
	for prefix, allowed := range owners {
		if within(imported, prefix) {
			if slices.Contains(allowed, room) {
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
func judge(pkg, file string, src any) ([]string, error) {
	room := roomOf(pkg)
	if pkg == "." && filepath.Base(file) == "magefile.go" {
		room = "magefile.go"
	}
	if room == "" {
		return []string{fmt.Sprintf("%s: the package %s has no row in the house's table", file, pkg)}, nil
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
		if why := objection(room, imported); why != "" {
			out = append(out, fmt.Sprintf("%s imports %s: %s", file, imported, why))
		}
	}
	return out, nil
}

func TestImportsFollowTheHouse(t *testing.T) {
	seen := map[string]bool{}
	err := filepath.WalkDir("..", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() && file != ".." && (name == "testdata" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_")) {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		pkg, err := filepath.Rel("..", filepath.Dir(file))
		if err != nil {
			return err
		}
		objections, err := judge(filepath.ToSlash(pkg), file, nil)
		for _, o := range objections {
			t.Error(o)
		}
		seen[roomOf(filepath.ToSlash(pkg))] = true
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for room := range rooms {
		if _, err := os.Stat(filepath.Join("..", room)); !seen[room] && (room != "magefile.go" || err != nil) {
			t.Errorf("the table has a row for %s, which has no Go file", room)
		}
	}
}

// Each planted import must be found, and the same kind of import where it is allowed must pass.
var planted = []struct {
	pkg, imported string
	allowed       bool
}{
	{"verify", module + "internal/build", false},
	{"verify", module + "recipes", false},
	{"verify", module + "internal/fault", false},
	{"verify/subject", module + "internal/sandbox", false},
	{"verify/server", module + "verify/wire", true},
	{"verify/server", module + "verify/subject", false},
	{"verify/server", module + "internal/fault", false},
	{"verify", module + "verify/server", false},
	{"verify/wire", module + "verify", false},
	{"verify/wire", "golang.org/x/crypto/cryptobyte", true},
	{"verify/wire", "golang.org/x/sys/unix", false},
	{"verify/subject", module + "verify/wire", true},
	{"verify/report", module + "verify/wire", true},
	{"verify/report", module + "verify/subject", false},
	{"verify/report", module + "recipes", false},
	{"verify/report", "github.com/in-toto/attestation/go/v1", true},
	{"verify", "github.com/in-toto/attestation/go/v1", false},
	{"verify", module + "verify/report", false},
	{"artifacts", "google.golang.org/protobuf/proto", false},
	{"recipes", module + "patches", false},
	{"patches", module + "recipes", false},
	{"patches", module + "recipes/version", true},
	{"recipes", module + "internal/store", false},
	{"recipes", module + "internal/fault", true},
	{"recipes/version", module + "internal/fault", false},
	{"internal/digest", module + "internal/event", false},
	{"internal/digest", module + "internal/fault", false},
	{"internal/digest", "golang.org/x/crypto/sha3", false},
	{"internal/fault", module + "internal/digest", false},
	{"internal/store", module + "internal/plan", false},
	{"internal/plan", module + "internal/store", false},
	{"internal/fetch", module + "recipes", true},
	{"internal/build", module + "recipes", true},
	{"internal/build", module + "verify", false},
	{"internal/build", module + "artifacts", false},
	{"internal/build", module + "internal/cli", false},
	{"artifacts/deploy", module + "verify", true},
	{"artifacts", module + "internal/build", false},
	{"internal/ui", module + "recipes", false},
	{"internal/elfpolicy", module + "recipes", false},
	{"internal/elfpolicy", module + "internal/fault", true},
	{"internal/build", module + "internal/elfpolicy", true},
	{"verify", module + "internal/elfpolicy", false},
	{"internal/archive", "github.com/ulikunitz/xz", true},
	{"internal/fetch", "github.com/ulikunitz/xz", false},
	{"internal/build", "github.com/hashicorp/go-getter/v2", false},
	{"internal/fetch", "github.com/hashicorp/go-getter/v2", true},
	{"recipes", "github.com/goccy/go-yaml/ast", true},
	{"internal/cli", "github.com/goccy/go-yaml", false},
	{"internal/cli", "github.com/magefile/mage/mg", false},
	{"internal/cli", "github.com/somebody/else", false},
	{"internal/cli/deeper", module + "verify/subject", true},
	{"internal/news", "fmt", false},
	{".", module + "internal/cli", true},
	{".", module + "internal/build", false},
	{".", module + "internal/fault", false},
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
		objections, err := judge(c.pkg, file, fmt.Sprintf("package p\nimport _ %q\n", c.imported))
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
	for room := range rooms {
		if !named[room] && room != "internal/docpart" { // tests only
			t.Errorf("docs/architecture.md does not name %s", room)
		}
	}
	for room := range named {
		if _, known := rooms[room]; !known && room != "room" && !strings.HasPrefix(room, "-") {
			t.Errorf("docs/architecture.md names %s, which is no room", room)
		}
	}
}
