// Package recipes says WHAT is built: one YAML file per component, profiles that choose versions of
// them, and the public PGP keys that their signatures are held against. All are embedded; a site lays
// folders of the same layout over them (Load), so that a new version needs no change of the program.
//
// What it promises:
//
//   - Nothing unknown is skipped: an unknown key, a value of the wrong type, an unquoted number where text
//     is meant (3.10 would become 3.1), an anchor, a second document are errors with file:line:column.
//   - A source without digest and size does not parse, and there is no waiver. It has a signature with the
//     fingerprint of a key in keys/, or says "signature: none", why (unsigned) and who vouches for the
//     digest instead (vouched).
//   - Every flag, variable and written file has a reason (why), which is data.
//   - Every version of every component has been resolved at both floors, at all optimisations and with every choice of optional sets
//     when Load returns: needs exist and have no cycle, every {placeholder} has a meaning.
//
// A component of an overlay is merged with the one of the same name: versions by number (the overlay's
// win), every other field that it gives replaces the whole field. A profile of the same name replaces.
// Files in keys/ are named by the primary key's fingerprint; whoever verifies a signature compares it
// with the key itself.
//
// Conditions on needs, flags, variables, files and commands: "when" holds against the component's version,
// "floor" is the lowest floor of a profile and "optimize" the least optimisation for which the entry is
// meant, "with" the optional set that has to be chosen for it and "without" the one that must not be.
//
// Placeholders, in arguments, values and files alike: {jobs} compilers at once, {dest} the staging folder,
// {src} the source folder, {prefix} the component's compiled-in prefix, {target} OpenSSL's name of the
// platform, {triple} the compiler's, {version} the component's and {minor} its first two numbers (3.13), and
// for each need {prefix:NAME} its compiled-in prefix and {dep:NAME} the folder in which its installed tree
// lies. The argument {configure} stands for all configure flags, {make} for all make arguments.
package recipes

import (
	"fmt"
	"slices"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/recipes/version"
)

// DefaultProfile is the profile of a build without flags.
const DefaultProfile = "min-tls1_2"

// Floor is the lowest TLS version that a profile's toolchain can speak.
type Floor string

// The floors.
const (
	TLS12 Floor = "1.2" // RFC 5246
	TLS13 Floor = "1.3" // RFC 8446
)

// AtLeast reports whether f is g or stricter.
func (f Floor) AtLeast(g Floor) bool { return version.Compare(string(f), string(g)) >= 0 }

// Role says what becomes of a component's tree.
type Role string

// The roles.
const (
	Install  Role = "install"  // it is installed under its own prefix
	Library  Role = "library"  // it is linked statically into others and not installed
	Tool     Role = "tool"     // it is run while others are built, and nothing of it is in what is built
	Control  Role = "control"  // a weak peer for the proof: built, never installed
	Training Role = "training" // its model compiled to count what it runs; only the counts are kept, for the model's own build
	Data     Role = "data"     // its source is read as it is: no step builds it, and no profile chooses it
	Sysroot  Role = "sysroot"  // the libc that everything else is compiled against, where one is chosen
)

// Optimize is how far a component's compilation goes.
type Optimize string

// The optimisations, each with all that the one before it has.
const (
	NoOptimize Optimize = "none"
	PGO        Optimize = "pgo"     // compiled with a profile of what runs often
	PGOLTO     Optimize = "pgo+lto" // and optimised as a whole when it is linked
)

// Optimizations lists them, least first.
var Optimizations = []Optimize{NoOptimize, PGO, PGOLTO}

// ParseOptimize reads an optimisation's name.
func ParseOptimize(s string) (Optimize, error) {
	if !slices.Contains(Optimizations, Optimize(s)) {
		return "", fmt.Errorf("optimize %q is not known", s)
	}
	return Optimize(s), nil
}

// AtLeast reports whether o goes as far as p.
func (o Optimize) AtLeast(p Optimize) bool {
	return slices.Index(Optimizations, o) >= slices.Index(Optimizations, p)
}

// Check names a property of an installed tree that the build step holds it against.
type Check string

// The checks.
const (
	CheckFloor Check = "openssl-floor" // libssl.a lacks the protocol methods below the floor
	CheckSSL   Check = "python-ssl"    // _ssl and _hashlib are there and hold our OpenSSL and no other
	CheckELF   Check = "elf-policy"    // every object is hardened and loads, exports and speaks only what it may
	CheckGlibc Check = "glibc"         // no program or library wants a newer glibc than the sysroot's; only where there is one, and in no file
)

// Profile chooses one version of each component and the floor that they are built for.
type Profile struct {
	Name     string
	Summary  string
	Floor    Floor
	Versions map[string]string // component -> version
	Prefixes map[string]string // installed component -> name of its folder below the base
	Controls []string          // components of role control
	Optimize Optimize
	Sysroot  string   // a version of the component sysroot (Set.Sysroot); empty for the host's own libc. In no file: whoever builds chooses it
	With     []string // the optional sets, as Set.With gives them. In no file: whoever builds chooses them
	Notes    string
}

// Recipe is one version of a component as a profile builds it: conditions have been applied.
type Recipe struct {
	Name     string
	Version  string
	Origin   string // whose sources and patches these are; another's only for a control
	Role     Role
	Summary  string
	License  string // SPDX expression
	Homepage string
	CPE      string    // vendor:product, by which the NVD knows it (CPE 2.3); empty where it does not
	EOL      time.Time // end of upstream's support; zero: none announced
	FIPS     string    // FIPS 140 status in plain words
	Sources  []Source
	Needs    []string

	Configure []Flag
	Env       []Var
	Files     []File
	Make      []Flag // for the commands that have {make} among their arguments
	Build     []Command
	Train     []Command // run twice after Build; what the compiler counted must be equal, and is installed beside what Install does
	Pins      []Pin     // what Train gives, by compiler
	Install   []Command
	Checks    []Check
}

// Pin is the result of a training as an archive, for one compiler: counts fit only what the same compiler
// makes.
type Pin struct {
	Compiler string // the first line of what cc --version prints
	Sysroot  string // the version of the component sysroot that it was compiled against, if any: headers hold code that is counted too
	Source   Source
}

// Pinned returns the recipe that installs the pin for this compiler and sysroot instead of training, or r
// itself when there is none.
func (r *Recipe) Pinned(compiler, sysroot string) *Recipe {
	i := slices.IndexFunc(r.Pins, func(p Pin) bool { return p.Compiler == compiler && p.Sysroot == sysroot })
	if i < 0 {
		return r
	}
	return &Recipe{Name: r.Name, Version: r.Version, Origin: r.Name, Role: r.Role, Summary: r.Summary, License: r.License, Homepage: r.Homepage, EOL: r.EOL, FIPS: r.FIPS,
		Sources: []Source{r.Pins[i].Source},
		Install: []Command{{Argv: []string{"mkdir", "-p", "{dest}{prefix}"}}, {Argv: []string{"cp", "-R", "./.", "{dest}{prefix}"}}}}
}

// Flag is one argument of a configure step and its reason.
type Flag struct{ Arg, Why string }

// Var is one environment variable of all steps and its reason.
type Var struct{ Name, Value, Why string }

// File is written into the source tree before the first step; Path is relative to {src}.
type File struct {
	Path, Content, Why string
	Literal            bool // Content comes from a file and has no placeholders
}

// Command is an argv; no shell reads it.
type Command struct {
	Argv   []string
	Memory int64 // bytes that it takes beyond what an ordinary compiler does; it waits for them while others run
}

// Source is one archive. Places are tried in order: URLs, then the apt mirror, then the Alternatives.
type Source struct {
	File         string // canonical name
	SHA256       digest.Digest
	Size         int64 // bytes
	URLs         []string
	Apt          *Apt
	Signature    *Signature // nil: Unsigned says why
	Unsigned     string
	Vouched      string // who vouches for the digest, and what was checked when the pin was made
	Why          string // of an alternative: why it differs
	Alternatives []Source
}

// Apt names a file in the pool of a Debian source package.
type Apt struct{ Package, File string }

// Signature is a detached PGP signature over a Source's bytes.
type Signature struct {
	File   string
	SHA256 digest.Digest // zero: not pinned, the key decides
	URLs   []string
	Apt    *Apt
	Key    string // fingerprint of the primary key, 40 upper-case hexadecimal digits
}
