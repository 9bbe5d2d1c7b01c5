// Package artifacts turns Outputs into what people use: generations below a base folder, switched as one.
//
// Layout, below the base (/opt unless said otherwise) of one profile:
//
//	.tlsfloor/<profile>/<n>/openssl     generation n of both trees
//	.tlsfloor/<profile>/<n>/python
//	.tlsfloor/<profile>/<n>/generation.json, *.tree, index, proof.json
//	.tlsfloor/<profile>/current -> <n>
//	openssl-with-<profile> -> .tlsfloor/<profile>/current/openssl
//	python-with-<profile>  -> .tlsfloor/<profile>/current/python
//
// Promises: the one rename of `current` switches both prefixes; a process killed at any moment leaves the old
// generation or the new one; nothing that a user put into a generation is ever deleted by a switch.
package artifacts

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/digest"
	"github.com/tlsfloor/tlsfloor/internal/fault"
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
	Created    time.Time            `json:"created"`
	Adopted    bool                 `json:"adopted,omitempty"` // folders that were there before tlsfloor
	Components map[string]Component `json:"components"`
	Proof      *ProofNote           `json:"proof,omitempty"`
}

// ProofNote says which proof a generation carries; the proof itself is the file proof.json beside it.
type ProofNote struct {
	Status string        `json:"status"`
	Time   time.Time     `json:"time"`
	Judge  string        `json:"judge"` // the judge's version: another judge proves anew
	Cases  int           `json:"cases"`
	Digest digest.Digest `json:"digest"` // of proof.json
}

// Home returns the folder of the profile's generations.
func (s Site) Home() string { return filepath.Join(s.Root, s.Base, ".tlsfloor", s.Profile) }

// Dir returns the folder of generation n.
func (s Site) Dir(n int) string { return filepath.Join(s.Home(), strconv.Itoa(n)) }

// Prefix returns the compiled-in prefix of a component.
func (s Site) Prefix(component string) string {
	return filepath.Join(s.Base, s.Prefixes[component])
}

func (s Site) link(component string) string { return filepath.Join(s.Root, s.Prefix(component)) }

func (s Site) components() []string { return slices.Sorted(maps.Keys(s.Prefixes)) }

// Generation reads generation n.
func (s Site) Generation(n int) (Generation, error) {
	var g Generation
	b, err := os.ReadFile(filepath.Join(s.Dir(n), "generation.json"))
	if err == nil {
		err = json.Unmarshal(b, &g)
	}
	if err != nil {
		return g, fmt.Errorf("generation %d of %s: %w", n, s.Profile, err)
	}
	g.Number = n
	return g, nil
}

// Generations lists all generations, oldest first.
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
			return nil, err
		}
		all = append(all, g)
	}
	slices.SortFunc(all, func(a, b Generation) int { return a.Number - b.Number })
	return all, nil
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
		path := s.link(c)
		if _, err := os.Lstat(path); err != nil {
			continue
		}
		if target, err := os.Readlink(path); err == nil && target == s.target(c) {
			continue
		}
		all = append(all, Blocked{c, path})
	}
	return all
}

// target is what the link at a component's prefix says: relative, so that it holds inside an image's root too.
func (s Site) target(component string) string {
	rel, err := filepath.Rel(filepath.Dir(s.link(component)), filepath.Join(s.Home(), "current", component))
	if err != nil {
		return filepath.Join(s.Home(), "current", component)
	}
	return rel
}

// Ready says before anything is compiled whether an installation could work: the base can be written to, and no prefix
// holds something else (unless it may be adopted).
func (s Site) Ready(adopt bool) error {
	dir := filepath.Join(s.Root, s.Base)
	for {
		info, err := os.Stat(dir)
		if err == nil && !info.IsDir() {
			return fault.New(fault.Usage, "choose another folder with -prefix=<folder>", "installing to %s: %s is not a folder", s.Base, dir)
		}
		if err == nil {
			break
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("installing to %s: %w", s.Base, err)
		}
		dir = filepath.Dir(dir)
	}
	const writable = 2 // W_OK of access(2)
	if err := syscall.Access(dir, writable); err != nil {
		return fault.New(fault.Failed, "run it as root, or choose a folder of your own with -prefix=<folder>", "installing to %s: no write permission for %s: %w", s.Base, dir, err)
	}
	if adopt {
		return nil
	}
	for _, b := range s.Blocked() {
		return fault.New(fault.Failed, "-adopt moves it aside as a generation that `rollback` brings back; or move it away yourself",
			"installing to %s: something that tlsfloor did not install stands there", b.Path)
	}
	return nil
}

// Lock makes the caller the only one that changes this site.
func (s Site) Lock(wait func()) (func(), error) {
	if err := os.MkdirAll(s.Home(), 0o755); err != nil {
		return nil, fmt.Errorf("installing to %s: %w", s.Base, err)
	}
	f, err := os.OpenFile(filepath.Join(s.Home(), "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("installing to %s: %w", s.Base, err)
	}
	if err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); errors.Is(err, syscall.EWOULDBLOCK) {
		wait()
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("locking %s: %w", s.Home(), err)
	}
	return func() { f.Close() }, nil
}

// Profiles lists the profiles that have generations below base, sorted.
func Profiles(root, base string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(root, base, ".tlsfloor"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, err
}
