package recipes

import (
	"cmp"
	"fmt"
	"io/fs"
	"net/url"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/recipes/version"
)

var (
	nameForm    = regexp.MustCompile(`^[a-z0-9][a-z0-9._+-]*$`)
	cpeForm     = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]*:[a-z0-9][a-z0-9._-]*$`)
	fileForm    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+~-]*$`)
	varForm     = regexp.MustCompile(`^[A-Z_][A-Z0-9_]*$`)
	fingerprint = regexp.MustCompile(`^[0-9A-F]{40}$`)
)

// checker turns what a file says into checked values and keeps the first error, in the order of the
// fields: the code that uses it reads as a list of rules.
type checker struct {
	err error
	fs  fs.FS // the layer that is read
}

func (c *checker) require(ok bool, at place, hint, format string, args ...any) {
	if !ok && c.err == nil {
		c.err = at.fail(hint, format, args...)
	}
}

func (c *checker) given(value string, at place, hint string) string {
	c.require(strings.TrimSpace(value) != "", at, hint, "%s is missing", at.path[len(at.path)-1])
	return value
}

func (c *checker) match(form *regexp.Regexp, value string, at place, hint string) string {
	c.require(form.MatchString(value), at, hint, "%s %q is malformed", at.path[len(at.path)-1], value)
	return value
}

func (c *checker) oneOf(value string, at place, allowed ...string) string {
	c.require(slices.Contains(allowed, value), at, "one of: "+strings.Join(allowed, ", "), "%s %q is not known", at.path[len(at.path)-1], value)
	return value
}

func (c *checker) checked(err error, at place, hint string) {
	c.require(err == nil, at, hint, "%w", err)
}

const (
	hintWhy     = "say in one sentence why; mage plan -explain prints it"
	hintName    = "lower-case letters, digits and . _ + -"
	hintDigest  = "take the SHA-256 digest of a download whose signature was verified"
	hintVersion = `for example "3.5.7"`
)

func (c *checker) component(f componentFile, at place, stem string) component {
	out := component{at: at, name: f.Name, like: f.Like, summary: f.Summary, license: f.License, homepage: f.Homepage, cpe: f.CPE}
	c.match(nameForm, f.Name, at.at("name"), hintName)
	c.require(f.Name == stem, at.at("name"), "name the file after its component", "name %q in the file %s.yaml", f.Name, stem)
	if f.Role != "" {
		out.role = Role(c.oneOf(f.Role, at.at("role"), string(Install), string(Library), string(Tool), string(Control), string(Training), string(Data), string(Sysroot)))
	}
	if f.Homepage != "" {
		c.web(f.Homepage, at.at("homepage"))
	}
	if f.CPE != "" {
		c.match(cpeForm, f.CPE, at.at("cpe"), "vendor:product, such as openssl:openssl")
	}
	out.versions = c.releases(f.Versions, at.at("versions"))
	out.needs = entries(f.Needs, at.at("needs"), c.need)
	out.configure = entries(f.Configure, at.at("configure"), c.flag)
	out.env = entries(f.Env, at.at("env"), c.variable)
	out.files = entries(f.Files, at.at("files"), c.file)
	out.make = entries(f.Make, at.at("make"), c.flag)
	out.build = entries(f.Build, at.at("build"), c.command)
	out.train = entries(f.Train, at.at("train"), c.command)
	out.pins = entries(f.Pins, at.at("pins"), c.pin)
	out.install = entries(f.Install, at.at("install"), c.command)
	out.checks = entries(f.Checks, at.at("checks"), func(n string, at place) entry[Check] {
		known := slices.Contains([]Check{CheckFloor, CheckSSL, CheckELF}, Check(n))
		c.require(known, at, fmt.Sprintf("one of: %s, %s, %s", CheckFloor, CheckSSL, CheckELF), "check %q is not known", n)
		return entry[Check]{item: Check(n)}
	})
	return out
}

// entries checks a list; a list that is not given stays nil.
func entries[F, T any](list []F, at place, one func(F, place) entry[T]) []entry[T] {
	if list == nil {
		return nil
	}
	out := make([]entry[T], len(list))
	for i, f := range list {
		out[i] = one(f, at.at(i))
		out[i].at = at.at(i)
	}
	return out
}

// need reads a component's name, or a mapping that has conditions too.
func (c *checker) need(node ast.Node, at place) entry[string] {
	if text, ok := node.(*ast.StringNode); ok {
		return entry[string]{item: text.Value}
	}
	var f needFile
	if err := at.doc.decode(node, &f); err != nil {
		c.err = cmp.Or(c.err, err)
		return entry[string]{}
	}
	c.given(f.Component, at.at("component"), "the name of a component")
	return conditional(c, f.Component, f.Conditions, at)
}

func (c *checker) flag(f flagFile, at place) entry[Flag] {
	c.given(f.Arg, at.at("arg"), "one argument of the command")
	c.given(f.Why, at.at("why"), hintWhy)
	return conditional(c, Flag{f.Arg, f.Why}, f.Conditions, at)
}

func (c *checker) variable(f varFile, at place) entry[Var] {
	c.match(varForm, f.Name, at.at("name"), "upper-case letters, digits and _")
	c.given(f.Why, at.at("why"), hintWhy)
	return conditional(c, Var{f.Name, f.Value, f.Why}, f.Conditions, at)
}

func (c *checker) file(f fileFile, at place) entry[[]File] {
	c.require(filepath.IsLocal(f.Path) && filepath.Clean(f.Path) == f.Path, at.at("path"), "a path below the source folder", "path %q leads elsewhere", f.Path)
	c.given(f.Why, at.at("why"), hintWhy)
	files := []File{{Path: f.Path, Content: f.Content, Why: f.Why}}
	if f.From != "" {
		c.require(f.Content == "", at.at("content"), "give one of the two", "content beside from")
		files = c.from(f, at.at("from"))
	} else {
		c.given(f.Content, at.at("content"), "the whole text of the file, or \"from:\" and the name of a file beside the recipe")
	}
	return conditional(c, files, f.Conditions, at)
}

// from reads the file that an entry names, or all files of a folder.
func (c *checker) from(f fileFile, at place) []File {
	names := []string{f.From}
	target := func(string) string { return f.Path }
	if folder, ok := strings.CutSuffix(f.From, "/"); ok {
		names, _ = fs.Glob(c.fs, path.Join(folder, "*"))
		target = func(name string) string { return path.Join(f.Path, path.Base(name)) }
		c.require(len(names) > 0, at, "a folder beside the recipe", "folder %q holds nothing", f.From)
	}
	var files []File
	for _, name := range names {
		content, err := fs.ReadFile(c.fs, name)
		c.checked(err, at, "a path relative to the recipe's folder")
		files = append(files, File{Path: target(name), Content: string(content), Why: f.Why, Literal: true})
	}
	return files
}

func (c *checker) pin(f pinFile, at place) entry[Pin] {
	c.given(f.Compiler, at.at("compiler"), "the first line of what cc --version prints")
	when, err := version.ParseConstraint("=" + f.Version)
	c.checked(err, at.at("version"), hintVersion)
	return entry[Pin]{item: Pin{f.Compiler, f.Sysroot, c.source(f.SourceFields, at, false)}, when: when}
}

var memoryForm = regexp.MustCompile(`^([1-9][0-9]*)([MG])$`)

func (c *checker) command(f commandFile, at place) entry[Command] {
	c.require(len(f.Run) > 0 && f.Run[0] != "", at.at("run"), `an argv such as ["make", "-j{jobs}"]`, "run is empty")
	command := Command{Argv: f.Run}
	if f.Memory != "" {
		c.match(memoryForm, f.Memory, at.at("memory"), "a number and M or G, such as 900M")
		if m := memoryForm.FindStringSubmatch(f.Memory); m != nil {
			n, err := strconv.ParseInt(m[1], 10, 32)
			c.checked(err, at.at("memory"), "a number and M or G, such as 900M")
			command.Memory = n << map[string]int{"M": 20, "G": 30}[m[2]]
		}
	}
	return conditional(c, command, f.Conditions, at)
}

func conditional[T any](c *checker, item T, f Conditions, at place) entry[T] {
	e := entry[T]{item: item}
	if f.When != "" {
		var err error
		e.when, err = version.ParseConstraint(f.When)
		c.checked(err, at.at("when"), `for example ">=3.0, <4.0"`)
	}
	if f.Floor != "" {
		e.floor = c.floor(f.Floor, at.at("floor"))
	}
	if f.Optimize != "" {
		e.optimize = c.optimize(f.Optimize, at.at("optimize"))
	}
	e.with, e.without = f.With, f.Without
	c.require(f.With == "" || f.With != f.Without, at.at("without"), "remove one of the two", "with and without %s: it would never hold", f.With)
	return e
}

func (c *checker) optimize(s string, at place) Optimize {
	o, err := ParseOptimize(s)
	c.checked(err, at, "one of: none, pgo, pgo+lto")
	return o
}

func (c *checker) floor(s string, at place) Floor {
	return Floor(c.oneOf(s, at, string(TLS12), string(TLS13)))
}

func (c *checker) releases(list []versionFile, at place) map[string]release {
	out := map[string]release{}
	for i, f := range list {
		at := at.at(i)
		c.checked(version.Check(f.Version), at.at("version"), hintVersion)
		_, twice := out[f.Version]
		c.require(!twice, at.at("version"), "remove one of the two", "version %s is listed twice", f.Version)
		c.require(len(f.Sources) > 0, at.at("sources"), "every version names at least one archive", "version %s has no sources", f.Version)
		r := Recipe{Version: f.Version, License: f.License, FIPS: f.FIPS}
		if f.EOL != "" {
			var err error
			r.EOL, err = time.Parse(time.DateOnly, f.EOL)
			c.require(err == nil, at.at("eol"), "a date such as 2030-04-08", "eol %q is no date", f.EOL)
		}
		for j, s := range f.Sources {
			r.Sources = append(r.Sources, c.source(s, at.at("sources", j), false))
		}
		out[f.Version] = release{at, r}
	}
	return out
}

func (c *checker) source(f SourceFields, at place, alternative bool) Source {
	s := Source{File: f.File, Size: f.Size, URLs: f.URLs, Unsigned: f.Unsigned, Vouched: f.Vouched, Why: f.Why}
	c.match(fileForm, f.File, at.at("file"), "a plain file name")
	s.SHA256 = c.digest(f.SHA256, at.at("sha256"))
	c.require(f.Size > 0, at.at("size"), "the archive's length in bytes", "size is missing or not positive")
	s.Apt = c.places(f.URLs, f.Apt, at)
	s.Signature = c.signature(f.Signature, at.at("signature"))
	if s.Signature == nil {
		c.given(f.Unsigned, at.at("unsigned"), "say why no signature can be verified")
		c.given(f.Vouched, at.at("vouched"), "a digest that was only copied from a mirror is no provenance: say whose signature covers it")
	}
	c.require(s.Signature == nil || f.Unsigned == "", at.at("unsigned"), "remove it, or the signature", "unsigned beside a signature")
	c.require(alternative == (f.Why != ""), at.at("why"), "an alternative says why it differs, and only an alternative", "why is missing, or out of place")
	c.require(!alternative || len(f.Alternatives) == 0, at.at("alternatives"), "list them side by side", "an alternative of an alternative")
	for i, a := range f.Alternatives {
		s.Alternatives = append(s.Alternatives, c.source(a, at.at("alternatives", i), true))
	}
	return s
}

func (c *checker) digest(s string, at place) digest.Digest {
	c.given(s, at, hintDigest)
	d, err := digest.Parse(s)
	c.checked(err, at, hintDigest)
	c.require(!d.IsZero(), at, hintDigest, "sha256 is zero")
	return d
}

// places checks that there is at least one place to fetch from.
func (c *checker) places(urls []string, apt *aptFile, at place) *Apt {
	c.require(len(urls) > 0 || apt != nil, at, "give urls, apt or both", "no place to fetch %s from", at.path[len(at.path)-1])
	for i, u := range urls {
		c.web(u, at.at("urls", i))
	}
	if apt == nil {
		return nil
	}
	c.match(nameForm, apt.Package, at.at("apt", "package"), "the name of a Debian source package")
	c.match(fileForm, apt.File, at.at("apt", "file"), "a file name in the package's pool folder")
	return &Apt{apt.Package, apt.File}
}

func (c *checker) web(s string, at place) {
	u, err := url.Parse(s)
	ok := err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil
	c.require(ok, at, "an http or https address without a password", "%q is no such address", s)
}

func (c *checker) signature(node ast.Node, at place) *Signature {
	const hint = "give the signature's file, place and key, or \"signature: none\" with unsigned and vouched"
	c.require(node != nil, at, hint, "signature is missing")
	if c.err != nil {
		return nil
	}
	if text, ok := node.(*ast.StringNode); ok {
		c.require(text.Value == "none", at, hint, "signature %q is not known", text.Value)
		return nil
	}
	var f signatureFile
	if c.err = at.doc.decode(node, &f); c.err != nil {
		return nil
	}
	s := &Signature{File: f.File, URLs: f.URLs, Key: f.Key}
	c.match(fileForm, f.File, at.at("file"), "a plain file name")
	c.match(fingerprint, f.Key, at.at("key"), "the primary key's fingerprint, 40 upper-case hexadecimal digits")
	if f.SHA256 != "" {
		s.SHA256 = c.digest(f.SHA256, at.at("sha256"))
	}
	s.Apt = c.places(f.URLs, f.Apt, at)
	return s
}

func (c *checker) optional(f optionalFile, at place, stem string) Optional {
	c.match(nameForm, f.Name, at.at("name"), hintName)
	c.require(f.Name == stem, at.at("name"), "name the file after its set", "name %q in the file %s.yaml", f.Name, stem)
	return Optional{f.Name, c.given(f.Summary, at.at("summary"), "one line that says what it adds")}
}

func (c *checker) profile(f profileFile, at place, stem string) *Profile {
	c.match(nameForm, f.Name, at.at("name"), hintName)
	c.require(f.Name == stem, at.at("name"), "name the file after its profile", "name %q in the file %s.yaml", f.Name, stem)
	c.given(f.Summary, at.at("summary"), "one line for mage status and doctor")
	p := &Profile{Name: f.Name, Summary: f.Summary, Versions: f.Versions, Prefixes: f.Prefixes, Controls: f.Controls, Notes: f.Notes}
	p.Floor = c.floor(f.Floor, at.at("floor"))
	p.Optimize = c.optimize(or(f.Optimize, string(NoOptimize)), at.at("optimize"))
	c.require(len(f.Versions) > 0, at.at("versions"), "name at least one component and its version", "versions is missing")
	return p
}
