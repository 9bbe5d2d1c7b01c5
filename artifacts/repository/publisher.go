// Package repository publishes bundles, and takes them in, by The Update Framework
// (https://theupdateframework.github.io/ specification/latest/, version 1.0.31, with its own library
// go-tuf). A repository is a folder, for a share or a web server:
//
//	metadata/N.root.json         who signs what: keys, roles, and how many have to; signed by the root keys
//	metadata/N.targets.json      the files of all bundles, with length and digest, and what each bundle is
//	metadata/N.snapshot.json     which targets.json is the current one
//	metadata/timestamp.json      which snapshot.json is; it expires first
//	targets/NAME/DIGEST.FILE     the files of the bundle NAME
//
// What it promises to whoever has the right root.json once: nothing is taken that not enough keys of the
// role have signed (threshold); nothing older than what was seen (roll-back); nothing whose time is over
// (freeze); no files of different times (mix-up); keys change by a new root.json that the old root keys
// and the new ones have signed (rotation), and a key that is not in it any more signs nothing
// (revocation). Whoever holds the timestamp key alone can only withhold news until it expires.
//
// A publisher writes timestamp.json last: until then readers see what was there before.
package repository

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/tlsfloor/tlsfloor/artifacts/bundle"
	"github.com/tlsfloor/tlsfloor/internal/engine/store"
	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/internal/ground/owned"
)

// The folders of a repository.
const (
	metadataDir = "metadata"
	targetsDir  = "targets"
	draftFile   = "root.draft.json" // a new root.json that not enough keys have signed yet
)

// Roles are the four of the specification, in the order of their weight.
var Roles = []string{metadata.ROOT, metadata.TARGETS, metadata.SNAPSHOT, metadata.TIMESTAMP}

// Lifetimes are how long a role's signature holds. The heavier a role's keys are guarded, the longer.
var Lifetimes = map[string]time.Duration{
	metadata.ROOT: 365 * day, metadata.TARGETS: 90 * day, metadata.SNAPSHOT: 30 * day,
	metadata.TIMESTAMP: 14 * day,
}

const day = 24 * time.Hour

// Publisher changes a repository.
type Publisher struct {
	Dir  string           // the repository
	Keys string           // the folder of private keys, as many as are at hand, and of what is trusted
	Now  func() time.Time // the clock; nil: the machine's

	TrustRoot string // the file of the trusted root.json, where the folder of keys has none yet
}

// About is what targets.json says of a bundle, beside the digest of its list.
type About struct {
	Profile  string            `json:"profile"`
	Floor    string            `json:"floor"`
	Triple   string            `json:"triple"`
	With     []string          `json:"with,omitempty"`
	Sysroot  string            `json:"sysroot,omitempty"`
	Versions map[string]string `json:"versions"`
	Sequence int64             `json:"sequence"`
}

// Is reports whether the folder is a repository.
func Is(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, metadataDir, "1.root.json"))
	return err == nil
}

func aboutOf(x *bundle.Index, sequence int64) About {
	a := About{Profile: x.Claim.Profile, Floor: x.Floor, Triple: x.Claim.Triple, With: x.Claim.With,
		Sysroot: x.Claim.Sysroot, Versions: map[string]string{}, Sequence: sequence}
	for name, c := range x.Claim.Components {
		a.Versions[name] = c.Version
	}
	return a
}

func (p Publisher) now() time.Time {
	if p.Now != nil {
		return p.Now().UTC().Truncate(time.Second)
	}
	return time.Now().UTC().Truncate(time.Second)
}

func (p Publisher) expires(role string) time.Time { return p.now().Add(Lifetimes[role]) }

func (p Publisher) file(name string) string { return filepath.Join(p.Dir, metadataDir, name) }

// lock makes the caller the only one that changes the repository.
func (p Publisher) lock(ctx context.Context) (func(), error) {
	dir, err := owned.Share(p.Dir)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	return store.FlockIn(ctx, dir, ".lock", nil)
}

// Add publishes a checked bundle. there reports that it was published before. A bundle of the same name is
// replaced by one of a higher release only.
func (p Publisher) Add(ctx context.Context, k *bundle.Checked, sequence int64) (there bool, err error) {
	unlock, err := p.lock(ctx)
	if err != nil {
		return false, err
	}
	defer unlock()
	s, err := p.read()
	if err != nil {
		return false, err
	}
	if k.Release != nil {
		sequence = k.Release.Sequence
	}
	if sequence == 0 {
		sequence = p.now().Unix()
	}
	files, err := listed(k)
	if err != nil {
		return false, err
	}
	list := files[path.Join(k.Index.Name, bundle.Sums)]
	if old := s.targets.Signed.Targets[path.Join(k.Index.Name, bundle.Sums)]; old != nil {
		was, err := aboutIn(old)
		if err != nil {
			return false, err
		}
		if old.Hashes.Equal(list.Hashes) {
			return true, p.storeAll(ctx, k, files)
		}
		if was.Sequence >= sequence {
			return false, fault.New(fault.Failed, "give it a higher number: bundle -sequence=",
				"publishing: %s is there as release %d with other files, and this is %d", k.Index.Name,
				was.Sequence, sequence)
		}
	}
	custom, err := json.Marshal(aboutOf(k.Index, sequence))
	if err != nil {
		return false, err
	}
	raw := json.RawMessage(custom)
	list.Custom = &raw
	if err := p.storeAll(ctx, k, files); err != nil {
		return false, err
	}
	maps.DeleteFunc(s.targets.Signed.Targets, func(name string, _ *metadata.TargetFiles) bool {
		return strings.HasPrefix(name, k.Index.Name+"/")
	})
	maps.Copy(s.targets.Signed.Targets, files)
	changed, err := p.sign(ctx, s, true)
	if err != nil {
		return false, err
	}
	return false, p.write(s, changed)
}

func (p Publisher) storeAll(ctx context.Context, k *bundle.Checked,
	files map[string]*metadata.TargetFiles) error {
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := p.store(ctx, k, name, files[name]); err != nil {
			return fmt.Errorf("publishing %s: %w", name, err)
		}
	}
	return nil
}

// listed are the files of a bundle as targets.
func listed(k *bundle.Checked) (map[string]*metadata.TargetFiles, error) {
	files := map[string]*metadata.TargetFiles{}
	err := filepath.WalkDir(k.Dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(k.Dir, file)
		if err != nil {
			return err
		}
		name := path.Join(k.Index.Name, filepath.ToSlash(rel))
		files[name], err = targetOf(file)
		return err
	})
	return files, err
}

// store copies a file to the place of its digest, unless it is there with these bytes.
func (p Publisher) store(ctx context.Context, k *bundle.Checked, name string, t *metadata.TargetFiles) error {
	to := path.Join(targetsDir, place(name, t))
	if p.holds(to, t) {
		return ctx.Err()
	}
	in, err := os.ReadFile(filepath.Join(k.Dir, strings.TrimPrefix(name, k.Index.Name+"/")))
	if err != nil {
		return err
	}
	return errors.Join(p.replace(to, in), ctx.Err())
}

// holds reports whether the file is there as it was signed: that it has the length says nothing.
func (p Publisher) holds(file string, t *metadata.TargetFiles) bool {
	dir, err := owned.Share(p.Dir)
	if err != nil {
		return false
	}
	defer dir.Close()
	f, err := owned.OpenIn(dir, file)
	if err != nil {
		return false
	}
	defer f.Close()
	d, n, err := digest.OfReader(io.LimitReader(f, t.Length+1))
	return err == nil && n == t.Length && digest.Digest(t.Hashes["sha256"]) == d
}

// Refresh signs snapshot and timestamp again, and targets where it is about to expire or its keys have
// changed.
func (p Publisher) Refresh(ctx context.Context) error {
	unlock, err := p.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	s, err := p.read()
	if err != nil {
		return err
	}
	return p.refresh(ctx, s)
}

func (p Publisher) refresh(ctx context.Context, s *state) error {
	files, err := p.renew(ctx, s)
	if err != nil {
		return err
	}
	return p.write(s, files)
}

// renew signs what is not the root's again.
func (p Publisher) renew(ctx context.Context, s *state) (map[string][]byte, error) {
	soon := p.now().Add(Lifetimes[metadata.TARGETS] / 3)
	// The keys have changed, as read has verified it: nothing that they have not signed is signed again.
	again := s.targets.Signed.Expires.Before(soon) || s.root.VerifyDelegate(metadata.TARGETS, s.targets) != nil
	return p.sign(ctx, s, again)
}

// sign makes a new timestamp and what it leads to; targets says whether that has changed.
func (p Publisher) sign(ctx context.Context, s *state, targets bool) (map[string][]byte, error) {
	keys, err := p.keys()
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	if targets {
		t := &s.targets.Signed
		t.Version, t.Expires = t.Version+1, p.expires(metadata.TARGETS)
		if files[fmt.Sprintf("%d.targets.json", t.Version)], err = signed(ctx, s, keys, metadata.TARGETS,
			s.targets); err != nil {
			return nil, err
		}
		s.snapshot.Signed.Meta["targets.json"] = metadata.MetaFile(t.Version)
	}
	n := &s.snapshot.Signed
	n.Version, n.Expires = n.Version+1, p.expires(metadata.SNAPSHOT)
	if files[fmt.Sprintf("%d.snapshot.json", n.Version)], err = signed(ctx, s, keys, metadata.SNAPSHOT,
		s.snapshot); err != nil {
		return nil, err
	}
	t := &s.timestamp.Signed
	t.Version, t.Expires = t.Version+1, p.expires(metadata.TIMESTAMP)
	t.Meta["snapshot.json"] = metadata.MetaFile(n.Version)
	files["timestamp.json"], err = signed(ctx, s, keys, metadata.TIMESTAMP, s.timestamp)
	return files, err
}

// write puts new metadata in force: a new root first, and timestamp.json last. What was verified before is
// kept first, and then what was signed.
func (p Publisher) write(s *state, files map[string][]byte) error {
	if err := p.remember(s); err != nil {
		return err
	}
	for _, name := range slices.SortedFunc(maps.Keys(files), lastTimestamp) {
		if err := p.replace(path.Join(metadataDir, name), files[name]); err != nil {
			return err
		}
	}
	for name, text := range files {
		role := Roles[rank(name)]
		if role == metadata.ROOT {
			s.trusted = text
			continue
		}
		s.seen[role] = seen{versionOf(text), digest.Of(text)}
	}
	if err := p.remember(s); err != nil {
		return fault.New(fault.Failed, "run it again: what is published stays",
			"what was signed is published, but could not be noted beside the keys: %w", err)
	}
	return nil
}

// rank is the place of a file's role among Roles.
func rank(name string) int {
	return slices.IndexFunc(Roles, func(role string) bool { return strings.HasSuffix(name, role+".json") })
}

// lastTimestamp orders files as they are written: until the last one readers see what was there before.
func lastTimestamp(a, b string) int { return rank(a) - rank(b) }
