// Package packages writes the installed trees as packages for dpkg and rpm.
//
// A package puts the trees into a folder below .tlsfloor/<profile>/package, and its scripts make a generation
// of hard links to them: what is in use stays as it is until all is unpacked, and is switched by one rename,
// as everywhere in tlsfloor. What comes out depends on nothing but the Spec.
package packages

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tlsfloor/tlsfloor/artifacts/deploy"
	"github.com/tlsfloor/tlsfloor/internal/engine/store"
	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/verify"
)

// The kinds of packages.
const (
	Deb = "deb" // deb(5)
	RPM = "rpm" // version 4 of the format
)

// Spec is what packages are made of.
type Spec struct {
	Site       deploy.Site
	Generation deploy.Generation // what installing makes; number, times and proof are left out
	Trees      map[string]Tree   // by component
	Floor      string            // nothing below this TLS version
	// of the trees; nil: the package is made to be compared, and its scripts refuse to install it
	Proof      *verify.Proof
	Arch       string // as uname -m has it
	License    string // SPDX expression
	Licences   []byte // texts
	Docs       map[string][]byte
	Release    int       // of the same versions, from 1
	Maintainer string    // Name <address>
	When       time.Time // every file's

	// Sign makes the OpenPGP signatures that rpm wants of a header, and of all of a package; nil: it has none
	Sign func([]byte) ([]byte, error)
}

// Tree is a component on disk.
type Tree struct {
	Dir  string
	List store.Tree
}

const home = "https://github.com/tlsfloor/tlsfloor"

var notInName = regexp.MustCompile(`[^a-z0-9.+-]+`)

// Name is the package's name: letters that dpkg does not take in names become hyphens.
func (s *Spec) Name() string {
	return "tlsfloor-" + strings.Trim(notInName.ReplaceAllString(strings.ToLower(s.Generation.Profile), "-"), "-.+")
}

// Version is that of Python, and of the OpenSSL that it was linked to.
func (s *Spec) Version() string {
	python, openssl := s.Generation.Components["python"].Version, s.Generation.Components["openssl"].Version
	switch {
	case python == "":
		return openssl
	case openssl == "":
		return python
	}
	return python + "+openssl" + openssl
}

// release is the part of the version behind the hyphen. One that was built for an older system sorts before
// the one that was not.
func (s *Spec) release() string {
	if s.Generation.Sysroot == "" {
		return strconv.Itoa(max(s.Release, 1))
	}
	return strconv.Itoa(max(s.Release, 1)) + "~" + strings.Trim(notInName.ReplaceAllString(strings.ReplaceAll(s.Generation.Sysroot, "-", "."), "."), ".")
}

// File is the package's file name, as its distributions have it.
func (s *Spec) File(kind string) string {
	if kind == Deb {
		return s.Name() + "_" + s.Version() + "-" + s.release() + "_" + debArch(s.Arch) + ".deb"
	}
	return s.Name() + "-" + s.Version() + "-" + s.release() + "." + s.Arch + ".rpm"
}

// IsMaintainer reports whether the text is of the form Name <address>, in one line (Debian Policy 5.6.2).
func IsMaintainer(text string) bool {
	_, _, ok := strings.Cut(text, " <")
	return ok && strings.HasSuffix(text, ">") && !strings.ContainsAny(text, "\n\r")
}

// Write writes the package of a kind to the new file.
func Write(ctx context.Context, s *Spec, kind, file string) error {
	if !IsMaintainer(s.Maintainer) {
		return fmt.Errorf("the maintainer %q is not of the form Name <address>", s.Maintainer)
	}
	if err := s.proved(); err != nil {
		return err
	}
	out, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer out.Close()
	switch kind {
	case Deb:
		err = s.deb(ctx, out)
	case RPM:
		err = s.rpm(ctx, out)
	default:
		err = fmt.Errorf("no kind of package: %q", kind)
	}
	return errors.Join(err, out.Close())
}

// proved refuses a proof that did not pass, or that is about something else.
func (s *Spec) proved() error {
	if s.Proof == nil {
		return nil
	}
	if err := deploy.Verdict(s.Proof); err != nil {
		return err
	}
	openssl, python := s.Generation.Components["openssl"].Version, s.Generation.Components["python"].Version
	if s.Proof.Floor.String() != s.Floor || s.Proof.OpenSSLVersion != openssl ||
		s.Proof.PythonVersion != python {
		return fmt.Errorf("the proof is about floor %s, openssl %s and python %s", s.Proof.Floor,
			s.Proof.OpenSSLVersion,
			s.Proof.PythonVersion)
	}
	return nil
}

// member is a file, folder or symbolic link of a package.
type member struct {
	path   string // absolute
	mode   fs.FileMode
	target string // of a link
	file   string // where the contents are, or else
	data   []byte
	shared bool // a folder that belongs to the system
	doc    bool
}

func (m member) contents() ([]byte, error) {
	if m.file == "" {
		return m.data, nil
	}
	return os.ReadFile(m.file)
}

// payload is the folder that the package manager fills. Each toolchain has one of its own: rpm runs the
// scripts of an upgrade while the files of both packages are there.
func (s *Spec) payload() string {
	var all []byte
	for _, name := range slices.Sorted(maps.Keys(s.Trees)) {
		all = append(all, name+"\n"...)
		all = append(all, s.Trees[name].List.Encode()...)
	}
	return filepath.Join(s.Site.Base, ".tlsfloor", s.Site.Profile, "package", digest.Of(all).Short())
}

// members lists what every kind of package has, in order of path.
func (s *Spec) members() ([]member, error) {
	all := []member{}
	folder := func(dir string, shared bool) {
		all = append(all, member{path: dir, mode: fs.ModeDir | 0o755, shared: shared})
	}
	for dir := s.Site.Base; dir != "/"; dir = path.Dir(dir) {
		folder(dir, true)
	}
	tree := path.Join(s.payload(), "tree")
	for dir := tree; dir != s.Site.Base; dir = path.Dir(dir) {
		folder(dir, false)
	}
	for name, t := range s.Trees {
		folder(path.Join(tree, name), false)
		for _, e := range t.List {
			if strconv.Quote(e.Path) != `"`+e.Path+`"` {
				return nil, fmt.Errorf("the scripts of a package cannot read the name %q", e.Path)
			}
			all = append(all, member{path: path.Join(tree, name, e.Path), mode: e.Mode, target: e.Target, file: filepath.Join(t.Dir, e.Path)})
		}
		all = append(all, member{path: path.Join(tree, name+".tree"), mode: 0o644, data: t.List.Encode()})
	}
	files := map[string][]byte{path.Join(tree, "LICENSES.txt"): s.Licences}
	if s.Proof != nil {
		files[path.Join(tree, deploy.VerdictFile)] = s.Proof.Verdict()
	}
	var err error
	if files[path.Join(s.payload(), "generation.json")], err = s.generation(); err != nil {
		return nil, err
	}
	if text, err := deploy.Module(s.Generation); err != nil {
		return nil, err
	} else if text != nil {
		files[path.Join(s.payload(), "modulefile")] = text
	}
	for name, data := range files {
		all = append(all, member{path: name, mode: 0o644, data: data})
	}
	docs := path.Join("/usr/share/doc", s.Name())
	for _, dir := range []string{"/usr", "/usr/share", "/usr/share/doc"} {
		folder(dir, true)
	}
	folder(docs, false)
	for name, data := range s.Docs {
		all = append(all, member{path: path.Join(docs, name), mode: 0o644, data: data, doc: true})
	}
	slices.SortFunc(all, func(a, b member) int { return strings.Compare(a.path, b.path) })
	return slices.CompactFunc(all, func(a, b member) bool { return a.path == b.path }), nil
}

// generation is the record that the scripts complete: the zero time and `before` 1 stand for what is known
// when it is installed.
func (s *Spec) generation() ([]byte, error) {
	g := s.Generation
	g.Number, g.Created, g.Before, g.Proof, g.Package, g.Floor = 0, time.Time{}, 1, nil, s.Name(), s.Floor
	if s.Proof != nil {
		g.Proof = deploy.PackagedNote(g, s.Proof, s.When.UTC().Truncate(time.Second))
	}
	text, err := json.MarshalIndent(g, "", "  ")
	return append(text, '\n'), err
}

// summary is the one line that lists of packages show.
func (s *Spec) summary() string { return "OpenSSL and Python with nothing below TLS " + s.Floor }

// description says in lines of up to 80 characters what it is.
func (s *Spec) description() []string {
	lines := []string{"Versions of TLS below " + s.Floor + " are not compiled in, so that no application,", "environment variable or configuration file can ask for them. Installed are"}
	return append(lines, s.contents()...)
}

// contents are the components and where they are.
func (s *Spec) contents() (lines []string) {
	for _, name := range slices.Sorted(maps.Keys(s.Generation.Components)) {
		c := s.Generation.Components[name]
		lines = append(lines, fmt.Sprintf("%s %s in %s", name, c.Version, c.Prefix))
	}
	return lines
}
