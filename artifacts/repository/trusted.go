package repository

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/internal/ground/owned"
)

// The files of a folder of keys that are no keys: what its holder believes of the repository, which may lie
// where others write.
const (
	trustedFile = "root.json" // the newest one that was verified from here
	seenFile    = "seen.json" // the newest metadata that was
)

// mostBytes is how large metadata may be; mostRotations how many root.json may follow the trusted one.
const (
	mostBytes     = 5_000_000
	mostRotations = 256
)

// seen is the newest metadata of a role that was verified, or signed, from a folder of keys. The very bytes
// stay good when their keys are replaced: a publisher who was stopped in the middle of that goes on.
type seen struct {
	Version int64         `json:"version"`
	SHA256  digest.Digest `json:"sha256"`
}

// state is the metadata of a repository that the trusted root.json vouches for.
type state struct {
	root      *metadata.Metadata[metadata.RootType]
	targets   *metadata.Metadata[metadata.TargetsType]
	snapshot  *metadata.Metadata[metadata.SnapshotType]
	timestamp *metadata.Metadata[metadata.TimestampType]
	trusted   []byte // the text of root
	seen      map[string]seen
}

// read verifies the newest root.json, from the trusted one on, and what timestamp.json leads to, as a client
// does; but that the time of a signature is over is no fault: the publisher signs anew. Nothing else of the
// repository is ever signed.
func (p Publisher) read() (*state, error) {
	s := &state{}
	err := p.follow(s)
	if err == nil {
		s.timestamp, err = load[metadata.TimestampType](p, s, metadata.TIMESTAMP, nil)
	}
	if err == nil {
		s.snapshot, err = load[metadata.SnapshotType](p, s, metadata.SNAPSHOT, s.timestamp.Signed.Meta)
	}
	if err == nil {
		s.targets, err = load[metadata.TargetsType](p, s, metadata.TARGETS, s.snapshot.Signed.Meta)
	}
	if err != nil {
		return nil, fmt.Errorf("repository %s: %w", p.Dir, err)
	}
	return s, nil
}

// follow goes from the trusted root.json to the newest one, each of which the one before it has signed.
func (p Publisher) follow(s *state) error {
	var err error
	if s.trusted, s.seen, err = p.believed(); err != nil {
		return err
	}
	first, err := metadata.Root().FromBytes(s.trusted)
	if err == nil {
		err = first.VerifyDelegate(metadata.ROOT, first)
	}
	if err != nil {
		return fault.New(fault.BadSignature, hintRoot, "the trusted root.json: %w", err)
	}
	s.root = first
	for range mostRotations {
		name := fmt.Sprintf("%d.root.json", s.root.Signed.Version+1)
		text, err := p.bring(name)
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err != nil {
			return err
		}
		next, err := metadata.Root().FromBytes(text)
		if err == nil {
			err = succeeds(s.root, next)
		}
		if err != nil {
			return forged(name, err)
		}
		s.root, s.trusted = next, text
	}
	// A stolen key may have counted up: with another one the count begins anew.
	for role, was := range s.seen {
		if !sameKeys(first, s.root, role) {
			s.seen[role] = seen{SHA256: was.SHA256}
		}
	}
	return nil
}

// succeeds reports whether next may follow root.
func succeeds(root, next *metadata.Metadata[metadata.RootType]) error {
	if next.Signed.Version != root.Signed.Version+1 {
		return fmt.Errorf("version %d follows %d", next.Signed.Version, root.Signed.Version)
	}
	return errors.Join(root.VerifyDelegate(metadata.ROOT, next), next.VerifyDelegate(metadata.ROOT, next))
}

func sameKeys(a, b *metadata.Metadata[metadata.RootType], role string) bool {
	x, y := a.Signed.Roles[role], b.Signed.Roles[role]
	return x != nil && y != nil && slices.Equal(slices.Sorted(slices.Values(x.KeyIDs)),
		slices.Sorted(slices.Values(y.KeyIDs)))
}

// load verifies the metadata of a role. by lists its version, but for timestamp.json.
func load[T metadata.Roles](p Publisher, s *state, role string, by map[string]*metadata.MetaFiles) (
	*metadata.Metadata[T], error) {
	name, listed := role+".json", by[role+".json"]
	if by != nil {
		if listed == nil {
			return nil, forged(name, errors.New("no version of it is listed"))
		}
		name = fmt.Sprintf("%d.%s", listed.Version, name)
	}
	text, err := p.bring(name)
	if err != nil {
		return nil, err
	}
	m, err := new(metadata.Metadata[T]).FromBytes(text)
	if err != nil {
		return nil, forged(name, err)
	}
	version, was := versionOf(text), s.seen[role]
	if digest.Of(text) != was.SHA256 {
		err = s.root.VerifyDelegate(role, m)
	}
	switch {
	case err != nil:
	case listed != nil && version != listed.Version:
		err = fmt.Errorf("mixed up: version %d is listed, and it is %d", listed.Version, version)
	case version < was.Version:
		err = fmt.Errorf("rolled back: version %d was seen, and this is %d", was.Version, version)
	case version >= mostVersions:
		err = errFastForward
	}
	if err != nil {
		return nil, forged(name, err)
	}
	s.seen[role] = seen{version, digest.Of(text)}
	return m, nil
}

func versionOf(text []byte) int64 {
	var m struct{ Signed struct{ Version int64 } }
	if json.Unmarshal(text, &m) != nil {
		return 0
	}
	return m.Signed.Version
}

func forged(name string, err error) error {
	return fault.New(fault.BadSignature,
		"somebody has altered the repository: nothing was signed. Restore it from a copy, or ask who else "+
			"signs",
		"%s: not what the trusted root.json vouches for: %w", name, err)
}

// believed is the root.json that is trusted, and what was seen.
func (p Publisher) believed() (root []byte, known map[string]seen, err error) {
	known = map[string]seen{}
	if p.Keys == "" {
		if p.TrustRoot == "" { // nothing is signed: keys:list shows what the repository says of itself
			root, err = p.bring("1.root.json")
			return root, known, err
		}
		root, err = os.ReadFile(p.TrustRoot)
		return root, known, err
	}
	dir, err := owned.Open("", p.Keys)
	if err != nil {
		return nil, nil, fault.New(fault.Usage,
			cmp.Or(fault.HintOf(err), "-keys=<folder> names the folder of private keys"), "keys: %w", err)
	}
	defer dir.Close()
	root, err = owned.ReadIn(dir, trustedFile, mostBytes)
	switch missing := errors.Is(err, fs.ErrNotExist); {
	case missing && p.TrustRoot == "":
		return nil, nil, fault.New(fault.Usage, "copy root.json from the folder that keys:init made, or name "+
			"it once with -trustroot=<file>: not one from the repository itself",
			"keys %s: there is no root.json, so nobody can say whose metadata this is", p.Keys)
	case missing:
		root, err = os.ReadFile(p.TrustRoot)
	} // its own is as new as what was verified from it: -trustroot says nothing then
	if err != nil {
		return nil, nil, fault.New(fault.Usage, "it is the root.json that is trusted", "trusted root: %w", err)
	}
	text, err := owned.ReadIn(dir, seenFile, mostBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return root, known, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &known)
	}
	if err == nil && known == nil {
		err = errors.New("it is empty")
	}
	if err != nil {
		err = fault.New(fault.Failed, "put back a copy of it; without it older metadata passes for the newest",
			"keys %s: %s: %w", p.Keys, seenFile, err)
	}
	return root, known, err
}

// remember keeps what was verified, or signed, beside the keys.
func (p Publisher) remember(s *state) error {
	dir, err := owned.Open("", p.Keys)
	if err != nil {
		return err
	}
	defer dir.Close()
	text, err := json.MarshalIndent(s.seen, "", "  ")
	if err != nil {
		return err
	}
	for _, one := range []struct {
		name string
		text []byte
	}{{seenFile, append(text, '\n')}, {trustedFile, s.trusted}} {
		if was, err := owned.ReadIn(dir, one.name, mostBytes); err == nil && string(was) == string(one.text) {
			continue
		}
		if err := owned.ReplaceIn(dir, one.name, one.text, 0o600); err != nil {
			return fmt.Errorf("keys: %w", err)
		}
	}
	return nil
}

// bring reads a file of the folder of metadata.
func (p Publisher) bring(name string) ([]byte, error) {
	dir, err := owned.Share(p.Dir)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	return owned.ReadIn(dir, path.Join(metadataDir, name), mostBytes)
}

// replace swaps a file of the repository for one with the bytes b.
func (p Publisher) replace(name string, b []byte) error {
	root, err := owned.Share(p.Dir)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	dir, err := root.OpenRoot(path.Dir(name))
	if err != nil {
		return err
	}
	defer dir.Close()
	return owned.ReplaceIn(dir, path.Base(name), b, 0o644)
}
