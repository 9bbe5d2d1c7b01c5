// Package deploy turns Outputs into what people use: generations below a base folder, switched as one.
//
// Layout, below the base (/opt unless said otherwise) of one profile:
//
//	.tlsfloor/<profile>/<n>/openssl     generation n of both trees
//	.tlsfloor/<profile>/<n>/python
//	.tlsfloor/<profile>/<n>/generation.json, *.tree, index, proof.json, proof.html
//	.tlsfloor/<profile>/<n>/openssl/ssl/cert.pem -> ../../../trust/cert.pem
//	.tlsfloor/<profile>/trust/{trust.json,cert.pem}     what all generations trust
//	.tlsfloor/<profile>/current -> <n>
//	openssl-with-<profile> -> .tlsfloor/<profile>/current/openssl
//	python-with-<profile>  -> .tlsfloor/<profile>/current/python
//	.tlsfloor/modulefiles/python-<profile>/<version>    for `module load`
//
// Promises: the one rename of `current` switches both prefixes; a process killed at any moment leaves the old
// generation or the new one; nothing that a user put into a generation is ever deleted by a switch.
package deploy

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
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tlsfloor/tlsfloor/internal/engine/store"
	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/internal/ground/owned"
)

// Site is the place where one profile's generations live.
type Site struct {
	Root     string            // an image's root folder; "" or "/" for this machine
	Base     string            // compiled-in folder of the prefixes, /opt by default
	Profile  string            // the profile's name
	Prefixes map[string]string // component -> folder below Base
}

// Component is one installed tree of a Generation.
type Component struct {
	Version string        `json:"version"`
	Prefix  string        `json:"prefix"` // compiled in
	Key     digest.Digest `json:"key"`
	Output  digest.Digest `json:"output"`
}

// Generation is one installed pair of trees.
type Generation struct {
	Number     int                  `json:"number"`
	Profile    string               `json:"profile"`
	Floor      string               `json:"floor,omitempty"`   // the profile's, as it was proved
	Sysroot    string               `json:"sysroot,omitempty"` // the suite whose libc it was compiled against; empty for the host's
	With       []string             `json:"with,omitempty"`    // the optional sets that it was built with, in order of name
	Created    time.Time            `json:"created"`
	Before     int                  `json:"before,omitempty"`  // the generation that was in use before this one
	Adopted    bool                 `json:"adopted,omitempty"` // folders that were there before tlsfloor
	Broken     string               `json:"broken,omitempty"`  // why its record cannot be read; never stored
	Left       bool                 `json:"left,omitempty"`    // it was uninstalled, and files are there that had not been installed; never stored
	Components map[string]Component `json:"components"`
	Bundle     string               `json:"bundle,omitempty"`    // the bundle that it was installed from; empty: it was built here
	Signer     string               `json:"signer,omitempty"`    // the key that had signed that
	Release    int64                `json:"release,omitempty"`   // the sequence number of that, if it was signed
	Downgrade  string               `json:"downgrade,omitempty"` // what it is older than: somebody said -downgrade
	Package    string               `json:"package,omitempty"`   // the package of dpkg's or rpm's that made it
	GLIBC      string               `json:"glibc,omitempty"`     // the lowest version that all its programs can be loaded with
	Proof      *ProofNote           `json:"proof,omitempty"`
}

// ProofNote says which proof a generation carries; the proof itself is the file proof.json beside it.
type ProofNote struct {
	Status    string        `json:"status"`
	Time      time.Time     `json:"time"`
	Elsewhere string        `json:"elsewhere,omitempty"` // the bundle that brought the proof; empty: it was made on Host
	Host      string        `json:"host,omitempty"`      // the name of the machine that it was made on
	Judge     string        `json:"judge"`               // the judge's version: another judge proves anew
	Cases     int           `json:"cases"`
	Digest    digest.Digest `json:"digest,omitzero"` // of proof.json
	// of verdict.txt, which a package has in the place of proof.json
	Verdict digest.Digest `json:"verdict,omitzero"`
}

// Home returns the folder of the profile's generations: the host's path, in which an image's links lead
// into the image.
func (s Site) Home() string { return s.path(".tlsfloor", s.Profile) }

// Dir returns the folder of generation n.
func (s Site) Dir(n int) string { return s.path(".tlsfloor", s.Profile, strconv.Itoa(n)) }

// path is the host's path of something below the base.
func (s Site) path(below ...string) string {
	return owned.Resolve(s.Root, filepath.Join(append([]string{s.Base}, below...)...))
}

// Prefix returns the compiled-in prefix of a component.
func (s Site) Prefix(component string) string {
	return filepath.Join(s.Base, s.Prefixes[component])
}

// link is the host's path of the link at a component's prefix, which is not followed.
func (s Site) link(component string) string { return filepath.Join(s.path(), s.Prefixes[component]) }

func (s Site) components() []string { return slices.Sorted(maps.Keys(s.Prefixes)) }

// valid refuses a site whose parts, which may come from a record or a bundle, are no names.
func (s Site) valid() error {
	errs := []error{owned.Name("profile", s.Profile)}
	for component, folder := range s.Prefixes {
		errs = append(errs, owned.Name("component", component), owned.Name("prefix", folder))
	}
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// valid refuses a record whose texts would become other paths, or commands of a modulefile, than what they
// name.
func (g Generation) valid() error {
	for name, c := range g.Components {
		for _, err := range []error{owned.Name("component", name), owned.Name("version of "+name,
			c.Version), owned.Prefix(c.Prefix), owned.Name("prefix", path.Base(c.Prefix))} {
			if err != nil {
				return err
			}
		}
	}
	if g.Profile == "" { // of a record that nobody names by it
		return nil
	}
	return owned.Name("profile", g.Profile)
}

// home opens the profile's folder to work in it.
func (s Site) home() (*os.Root, error) {
	if err := s.valid(); err != nil {
		return nil, err
	}
	return owned.Open(s.Root, filepath.Join(s.Base, ".tlsfloor", s.Profile))
}

// base opens the folder of the prefixes to work in it.
func (s Site) base() (*os.Root, error) {
	if err := s.valid(); err != nil {
		return nil, err
	}
	return owned.Open(s.Root, s.Base)
}

// Generation reads generation n.
func (s Site) Generation(n int) (Generation, error) {
	var g Generation
	b, err := s.read(filepath.Join(strconv.Itoa(n), "generation.json"))
	if info, statErr := os.Lstat(s.Dir(n)); statErr == nil && !info.IsDir() {
		err = errors.New("it is no folder")
	}
	if err == nil {
		err = json.Unmarshal(b, &g)
	}
	if err == nil {
		err = g.valid()
	}
	if err != nil {
		return g, fmt.Errorf("generation %d of %s: %w", n, s.Profile, err)
	}
	g.Number = n
	return g, nil
}

// read reads a file below the profile's folder, whoever owns it; no link leads out of there. See owned.Read.
func (s Site) read(name string) ([]byte, error) {
	home, err := owned.Root(s.Home())
	if err != nil {
		return nil, err
	}
	defer home.Close()
	return owned.Read(home, name, recordLimit)
}

// Generations lists all generations, oldest first. One whose record cannot be read is listed as Broken.
func (s Site) Generations() ([]Generation, error) {
	entries, err := os.ReadDir(s.Home())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []Generation
	for _, e := range entries {
		n, err := strconv.Atoi(e.Name())
		if err != nil || n < 1 {
			continue
		}
		g, err := s.Generation(n)
		if err != nil {
			g = Generation{Number: n, Profile: s.Profile, Broken: err.Error()}
			g.Left = errors.Is(err, fs.ErrNotExist) && len(s.trees(n)) == 0
		}
		all = append(all, g)
	}
	slices.SortFunc(all, func(a, b Generation) int { return a.Number - b.Number })
	return all, nil
}

// trees names the components of which generation n has a list of files.
func (s Site) trees(n int) (names []string) {
	home, err := owned.Root(s.Home())
	if err != nil {
		return nil
	}
	defer home.Close()
	files, _ := owned.List(home, strconv.Itoa(n)) // an unreadable folder has no list
	for _, file := range files {
		if name, list := strings.CutSuffix(file.Name(), listSuffix); list {
			names = append(names, name)
		}
	}
	return names
}

// Current returns the number of the generation in use, or 0.
func (s Site) Current() int {
	target, err := os.Readlink(filepath.Join(s.Home(), "current"))
	if err != nil {
		return 0
	}
	n, err := strconv.Atoi(target)
	if err != nil {
		return 0
	}
	return n
}

// Blocked is a prefix that holds something which tlsfloor did not put there.
type Blocked struct{ Component, Path string }

// Blocked lists the prefixes at which something else stands.
func (s Site) Blocked() []Blocked {
	var all []Blocked
	for _, c := range s.components() {
		if _, err := os.Lstat(s.link(c)); err == nil && !s.linked(c) && !s.strayed(c) {
			all = append(all, Blocked{c, s.link(c)})
		}
	}
	return all
}

// Linked reports whether every prefix is the link that it should be.
func (s Site) Linked() bool {
	return !slices.ContainsFunc(s.components(), func(c string) bool { return !s.linked(c) })
}

func (s Site) linked(component string) bool {
	target, err := os.Readlink(s.link(component))
	return err == nil && target == s.target(component)
}

// target is what the link at a component's prefix says: relative, so that it holds inside an image's root
// too.
func (s Site) target(component string) string {
	return filepath.Join(".tlsfloor", s.Profile, "current", component)
}

// Ready says before anything is compiled whether an installation could work: the base lies in the image, can
// be written to by us and as root by nobody else, and no prefix holds something else (unless it may be
// adopted).
func (s Site) Ready(adopt bool) error {
	if err := s.valid(); err != nil {
		return fmt.Errorf("installing to %s: %w", s.Base, err)
	}
	dir, err := s.nearest()
	if err != nil {
		return err
	}
	const writable = 2 // W_OK of access(2)
	if err := syscall.Access(dir, writable); err != nil {
		return fault.New(fault.Failed, "run it as root, or choose a folder of your own with -prefix=<folder>", "installing to %s: no write permission for %s: %w", s.Base, dir, err)
	}
	for _, below := range []string{"", ".tlsfloor/" + s.Profile, Modules + "/python-" + s.Profile} {
		if err := owned.Check(s.Root, filepath.Join(s.Base, below)); err != nil && !errors.Is(err,
			fs.ErrNotExist) {
			return fmt.Errorf("installing to %s: %w", s.Base, err)
		}
	}
	for _, b := range s.Blocked() {
		if target, err := os.Readlink(b.Path); err == nil && strings.Contains(target, ".tlsfloor/") {
			return fault.New(fault.Usage, "give one of the two profiles other prefixes", "installing to %s: another profile is installed there (%s)", b.Path, target)
		}
	}
	if adopt {
		return nil
	}
	for _, b := range s.Blocked() {
		return fault.New(fault.Failed,
			"-adopt moves it aside (for `rollback`, where nothing is in use); or move it away yourself",
			"installing to %s: something that tlsfloor did not install stands there", b.Path)
	}
	return nil
}

// nearest returns the base, or the nearest folder above it that is there.
func (s Site) nearest() (string, error) {
	for dir := s.path(); ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if errors.Is(err, fs.ErrNotExist) && dir != "/" {
			continue
		}
		if err != nil {
			return "", fault.New(fault.Failed, "choose another folder with -prefix=<folder>", "installing to %s: %w", s.Base, err)
		}
		if !info.IsDir() {
			return "", fault.New(fault.Usage, "choose another folder with -prefix=<folder>", "installing to %s: %s is not a folder", s.Base, dir)
		}
		return dir, nil
	}
}

// Lock makes the caller the only one that changes this site. While another does, wait is called once.
func (s Site) Lock(ctx context.Context, wait func()) (func(), error) {
	var err error
	for range 100 { // an uninstallation takes the folder away with the lock in it
		var unlock func()
		if unlock, err = s.lock(ctx, wait); err == nil {
			return unlock, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	if errors.Is(err, fs.ErrPermission) {
		return nil, fault.New(fault.Failed, "run it as the owner of that folder", "locking %s: %w", s.Home(), err)
	}
	return nil, fmt.Errorf("locking %s: %w", s.Home(), err)
}

func (s Site) lock(ctx context.Context, wait func()) (func(), error) {
	if err := s.valid(); err != nil {
		return nil, err
	}
	const writable = 2 // W_OK of access(2)
	if err := syscall.Access(s.Home(), writable); errors.Is(err, fs.ErrPermission) {
		return nil, err // whoever may only look needs no folder of their own
	}
	home, err := owned.Make(s.Root, filepath.Join(s.Base, ".tlsfloor", s.Profile))
	if err != nil {
		return nil, err
	}
	defer home.Close()
	unlock, err := store.FlockIn(ctx, home, "lock", wait)
	if errors.Is(err, syscall.EISDIR) && removeEmptyIn(home, "lock") == nil {
		unlock, err = store.FlockIn(ctx, home, "lock", wait)
	}
	if info, statErr := home.Lstat("lock"); err != nil && statErr == nil && !info.Mode().IsRegular() {
		lock := filepath.Join(s.Home(), "lock")
		return nil, fault.New(fault.Failed, "move it away: mv "+lock+" "+lock+".old",
			"%s is no file: %w", lock, err)
	}
	return unlock, err
}

// removeEmptyIn removes an empty folder, and never a file that took its place in between.
func removeEmptyIn(dir *os.Root, name string) error {
	f, err := dir.Open(".")
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.Unlinkat(int(f.Fd()), name, unix.AT_REMOVEDIR)
}
