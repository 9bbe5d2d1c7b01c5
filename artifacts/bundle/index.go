package bundle

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tlsfloor/tlsfloor/artifacts"
	"github.com/tlsfloor/tlsfloor/internal/engine/elfpolicy"
	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/verify"
)

// Index is index.json: for programs, what stands in a bundle.
type Index struct {
	Claim    artifacts.Claim     `json:"-"` // what was built, in which way and with what; it stands beside this in the file
	Name     string              `json:"name"`
	Summary  string              `json:"summary"`
	Floor    string              `json:"floor"` // nothing below this TLS version
	OS       string              `json:"os"`
	Arch     string              `json:"arch"`
	GLIBC    string              `json:"glibc"` // the lowest version of the C library that all programs can be loaded with
	Archives []Archive           `json:"archives"`
	Packages []Archive           `json:"packages,omitempty"` // of dpkg's and rpm's
	Parts    map[string]Part     `json:"parts"`
	ELF      ELF                 `json:"elf"`
	Modules  map[string][]string `json:"modules,omitempty"` // Python's: builtin, shared, absent
	Proof    ProofSummary        `json:"proof"`
}

// Archive is one tarball. Each holds one top folder of the bundle's name, and below it the installed trees by
// the names of their folders.
type Archive struct {
	File     string        `json:"file"`
	SHA256   digest.Digest `json:"sha256"`
	SHA1     string        `json:"sha1,omitempty"`
	Bytes    int64         `json:"bytes"`
	Controls bool          `json:"controls,omitempty"` // it holds the weak peers of the proof, which are never installed
}

// Part is a component of the toolchain, installed or linked into what is.
type Part struct {
	Version string        `json:"version"`
	Role    string        `json:"role"`
	License string        `json:"license,omitempty"`
	EOL     string        `json:"end_of_life,omitempty"` // YYYY-MM-DD
	Key     digest.Digest `json:"key"`
	Output  digest.Digest `json:"output"`
	Prefix  string        `json:"prefix"` // compiled in
	Sources []string      `json:"sources,omitempty"`
	Patches []string      `json:"patches,omitempty"`
}

// ELF counts what was looked at.
type ELF struct {
	Objects   int      `json:"objects"`
	Libraries int      `json:"libraries"` // static
	Needed    []string `json:"needed"`    // all that is loaded from the host
}

// ProofSummary says which proof belongs to the bundle. What it shows is in verdict.txt and the Statements.
type ProofSummary struct {
	Edition int           `json:"edition"` // of the judge
	Verdict digest.Digest `json:"verdict"` // of verdict.txt
	Cases   int           `json:"cases"`
	Warned  []string      `json:"warned,omitempty"`
}

// published are all files that hold trees.
func (x *Index) published() []Archive { return slices.Concat(x.Archives, x.Packages) }

// index fills the index in, but for its archives.
func (f *facts) index(trees string, proof *verify.Proof) (*Index, error) {
	p := f.Plan.Profile
	arch, _, _ := strings.Cut(f.Plan.Host.Triple, "-")
	x := &Index{Claim: f.Claim, Name: f.name, Summary: p.Summary, Floor: string(p.Floor), OS: "linux", Arch: arch, Parts: map[string]Part{}}
	for _, one := range f.parts {
		r := one.Recipe
		c := Part{Version: r.Version, Role: string(r.Role), License: r.License, Key: one.record.Key, Output: one.record.Output, Prefix: one.Prefix}
		if !r.EOL.IsZero() {
			c.EOL = r.EOL.Format(time.DateOnly)
		}
		for _, src := range one.sources() {
			c.Sources = append(c.Sources, src.File)
		}
		for _, patch := range one.Patches {
			c.Patches = append(c.Patches, patch.Name)
		}
		x.Parts[r.Name] = c
		for _, file := range r.Files {
			if minor := strings.Join(strings.SplitN(r.Version, ".", 3)[:2], "."); file.Path == "Modules/tlsfloor/"+minor+".txt" {
				x.Modules = modules(file.Content)
			}
		}
	}
	for _, one := range f.installed() {
		dir := filepath.Join(trees, filepath.Base(one.Prefix))
		report, err := elfpolicy.Scan(dir, elfpolicy.Policy{Floor: string(p.Floor), Rules: []elfpolicy.Rule{elfpolicy.Needed}})
		if err != nil {
			return nil, err
		}
		x.ELF.Objects, x.ELF.Libraries = x.ELF.Objects+report.Objects, x.ELF.Libraries+report.Libraries
		x.ELF.Needed = append(x.ELF.Needed, report.Needed...)
	}
	slices.Sort(x.ELF.Needed)
	x.ELF.Needed = slices.Compact(x.ELF.Needed)
	var err error
	if x.GLIBC, err = elfpolicy.GLIBC(trees); err != nil {
		return nil, err
	}
	if proof == nil {
		return x, nil
	}
	x.Proof = ProofSummary{Edition: verify.Edition, Verdict: digest.Of(proof.Verdict()), Cases: len(proof.Findings)}
	for _, one := range proof.Findings {
		if one.Status == verify.Warned {
			x.Proof.Warned = append(x.Proof.Warned, one.Case.Name)
		}
	}
	return x, nil
}

// modules reads the list that the build held Python's modules against.
func modules(text string) map[string][]string {
	all := map[string][]string{}
	for line := range strings.Lines(text) {
		if kind, names, ok := strings.Cut(line, ":"); ok {
			all[kind] = strings.Fields(names)
		}
	}
	return all
}

// Encode writes the index as an artifacts/index.json of one claim, so that `rebuild -against` takes it.
func (x *Index) Encode() ([]byte, error) {
	inner, err := json.Marshal(x)
	if err != nil {
		return nil, err
	}
	text, err := json.MarshalIndent(artifacts.Claims{Format: 1, Claims: []artifacts.Claim{x.Claim}, Bundle: inner}, "", " ")
	return append(text, '\n'), err
}

// parseIndex reads what Encode wrote.
func parseIndex(text []byte) (*Index, error) {
	var c artifacts.Claims
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return nil, err
	}
	if c.Format != 1 {
		return nil, fault.New(fault.Failed, "get a newer tlsfloor", "format %d is not known", c.Format)
	}
	if len(c.Claims) != 1 || c.Bundle == nil {
		return nil, fmt.Errorf("it is no index of a bundle")
	}
	x := &Index{}
	inner := json.NewDecoder(bytes.NewReader(c.Bundle))
	inner.DisallowUnknownFields()
	if err := inner.Decode(x); err != nil {
		return nil, fault.New(fault.BadSignature, "if it was made with a newer tlsfloor, use that", "%w", err)
	}
	x.Claim = c.Claims[0]
	return x, nil
}

// plainForm is what can be nothing but the name of a file: no folder, no option, no escape for a terminal.
const plainForm = `[A-Za-z0-9][A-Za-z0-9._+~-]*`

var (
	plainName    = regexp.MustCompile(`^` + plainForm + `$`)
	plainPath    = regexp.MustCompile(`^(/[A-Za-z0-9._+-]*[A-Za-z0-9_+-])+$`) // no part of it is . or ..
	plainVersion = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.:+~_-]*$`)      // Debian's too
	plainSysroot = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.:+~_/-]*$`)
)

// IsPlain reports whether a name can be nothing but that of a file or folder.
func IsPlain(name string) bool { return plainName.MatchString(name) }

// written refuses an index that is not what Encode writes: a name that stands twice, or a digest in
// capitals, is one thing to this program and may be another to the next.
func (x *Index) written(text []byte) error {
	again, err := x.Encode()
	if err == nil && !bytes.Equal(again, text) {
		err = fmt.Errorf("it is not written as tlsfloor writes it")
	}
	return err
}

// plain refuses names and versions that would be more than that where they are joined to a path or
// printed.
func (x *Index) plain() error {
	names := append([]string{x.Name, x.Claim.Profile, x.OS, x.Arch, x.Claim.Triple}, x.Claim.With...)
	versions := []string{cmp.Or(x.GLIBC, "0")}
	for name, c := range x.Claim.Components {
		if !plainPath.MatchString(c.Folder) || path.Dir(c.Folder) != x.Claim.Prefix {
			return fmt.Errorf("%q is no folder below its prefix %q", c.Folder, x.Claim.Prefix)
		}
		if c.Output.IsZero() {
			return fmt.Errorf("%s: its tree has no digest", name)
		}
		names, versions = append(names, name, path.Base(c.Folder)), append(versions, c.Version)
	}
	for name, p := range x.Parts {
		if !plainPath.MatchString(p.Prefix) {
			return fmt.Errorf("%q is no prefix", p.Prefix)
		}
		if c, installed := x.Claim.Components[name]; installed && (p.Version != c.Version ||
			p.Output != c.Output) {
			return fmt.Errorf("two things are said of %s", name)
		}
		names, versions = append(names, name), append(versions, cmp.Or(p.Version, "0"), cmp.Or(p.EOL, "0"))
	}
	for _, name := range names {
		if !plainName.MatchString(name) {
			return fmt.Errorf("%q is no plain name", name)
		}
	}
	for _, version := range versions {
		if !plainVersion.MatchString(version) {
			return fmt.Errorf("%q is no version", version)
		}
	}
	if x.Claim.Sysroot != "" && (!plainSysroot.MatchString(x.Claim.Sysroot) ||
		strings.Contains(x.Claim.Sysroot, "..")) {
		return fmt.Errorf("%q is no sysroot", x.Claim.Sysroot)
	}
	if _, err := verify.ParseFloor(x.Floor); err != nil {
		return err
	}
	return x.plainArchives()
}

// plainArchives wants of each archive a plain name, a digest and a size, once.
func (x *Index) plainArchives() error {
	seen := map[string]bool{}
	controls := 0
	for _, a := range x.published() {
		switch {
		case !plainName.MatchString(a.File) || !IsArchive(a.File):
			return fmt.Errorf("%q is no plain name of an archive", a.File)
		case a.SHA256.IsZero():
			return fmt.Errorf("%s has no digest", a.File)
		case a.Bytes <= 0:
			return fmt.Errorf("%s has no size", a.File)
		case seen[a.File]:
			return fmt.Errorf("%s stands twice", a.File)
		}
		seen[a.File] = true
		if a.Controls {
			controls++
		}
	}
	if controls > 1 {
		return fmt.Errorf("%d archives hold weak peers", controls)
	}
	return nil
}
