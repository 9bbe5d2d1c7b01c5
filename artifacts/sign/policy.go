package sign

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// Etc is the folder of this machine's administrator.
const Etc = "/etc/tlsfloor"

// PolicyFile stands in Etc.
const PolicyFile = "policy.json"

// Policy is what the administrator of a machine wants of everything that is installed there. No flag and no
// variable overrides it. It is the policy of the machine on which tlsfloor runs, also for an image that it
// stages into: an image does not say who is trusted to fill it.
type Policy struct {
	Format     int  `json:"format"`      // 1
	SignedOnly bool `json:"signed_only"` // nothing unsigned is installed

	Keys  map[string]Scope `json:"keys,omitempty"`  // by their files in keys.d; with it no others are trusted
	Roots map[string]Scope `json:"roots,omitempty"` // likewise the files of roots.d, of repositories

	Threshold int `json:"threshold"` // signatures that a release needs; 2 and more: from a repository only
}

// Scope is what a key is trusted for.
type Scope struct {
	Profiles []string `json:"profiles,omitempty"` // as patterns of package path; none: all
}

const hintPolicy = `such as {"format": 1, "signed_only": true, "keys": {"release.pem": {"profiles": ["min-tls1_*"]}}}`

// ReadPolicy reads the policy in the folder etc; nil where there is none. Whoever can write there decides
// what is installed: so the file and all folders above it must be root's, and no other's to write to.
func ReadPolicy(etc string) (*Policy, error) {
	file := filepath.Join(etc, PolicyFile)
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		err = RootOwned(file)
	}
	if err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	p := &Policy{}
	if err := d.Decode(p); err != nil {
		return nil, fault.New(fault.BadSignature, hintPolicy, "policy %s: %w", file, err)
	}
	if d.More() {
		return nil, fault.New(fault.BadSignature, hintPolicy, "policy %s: something stands behind it", file)
	}
	if p.Format != 1 || p.Threshold < 0 {
		return nil, fault.New(fault.BadSignature, hintPolicy, "policy %s: of format %d, with threshold %d", file, p.Format, p.Threshold)
	}
	for _, scopes := range []map[string]Scope{p.Keys, p.Roots} {
		for name, scope := range scopes {
			for _, pattern := range scope.Profiles {
				if _, err := path.Match(pattern, ""); err != nil {
					return nil, fault.New(fault.BadSignature, hintPolicy, "policy %s: %s: %q: %w", file, name,
						pattern, err)
				}
			}
		}
	}
	return p, nil
}

// Trusted are the keys of the folder that the policy trusts. A nil policy trusts all.
func (p *Policy) Trusted(folder []Key) ([]Key, error) {
	if p == nil || p.Keys == nil {
		return folder, nil
	}
	var trusted []Key
	for _, name := range slices.Sorted(maps.Keys(p.Keys)) {
		i := slices.IndexFunc(folder, func(k Key) bool { return filepath.Base(k.From) == name })
		if i < 0 {
			return nil, fault.New(fault.BadSignature, "put it there, or take it out of the policy", "policy: key %s is not in %s", name, Folder)
		}
		k := folder[i]
		k.only = p.Keys[name].Profiles
		trusted = append(trusted, k)
	}
	return trusted, nil
}

// Named are the keys of -key as far as a policy leaves the choice: they have to be among the trusted ones.
func (p *Policy) Named(named, trusted []Key) ([]Key, error) {
	if p == nil {
		return named, nil
	}
	var all []Key
	for _, k := range named {
		i := slices.IndexFunc(trusted, func(t Key) bool { return t.ID == k.ID })
		if i < 0 {
			return nil, fault.New(fault.BadSignature, "ask the administrator to put it into "+Folder,
				"-key=%s: the policy of this machine does not trust that key", k.From)
		}
		all = append(all, trusted[i])
	}
	return all, nil
}

// Unsigned says whether something unsigned may be installed.
func (p *Policy) Unsigned() error {
	if p != nil && (p.SignedOnly || p.Threshold > 0) {
		return fault.New(fault.BadSignature, "take a bundle that a trusted key has signed",
			"-unsigned: the policy of this machine (%s) wants signatures", filepath.Join(Etc, PolicyFile))
	}
	return nil
}

// Vouching is the key that stands for a repository, as far as the policy trusts its root: the file of that
// name in roots.d, or with "" one that the command line names, which no policy trusts.
func (p *Policy) Vouching(k Key, root string) (Key, error) {
	if p == nil {
		return k, nil
	}
	scope, ok := p.Roots[root]
	if root == "" || p.Roots != nil && !ok {
		return k, fault.New(fault.BadSignature,
			"ask the administrator to put it into "+Etc+"/roots.d, and into the policy",
			"the policy of this machine does not trust the root.json of this repository")
	}
	k.only = scope.Profiles
	return k, nil
}

// Enough refuses a repository whose bundles fewer keys sign than the policy wants.
func (p *Policy) Enough(threshold int) error {
	if p != nil && threshold < p.Threshold {
		return fault.New(fault.BadSignature, "its publisher can make it with keys:init -roles=targets=2/2",
			"the policy of this machine wants %d signatures, and the targets of this repository have %d",
			p.Threshold, threshold)
	}
	return nil
}

// May reports whether the key is trusted for a profile.
func (k Key) May(profile string) bool {
	return k.only == nil || slices.ContainsFunc(k.only, func(pattern string) bool {
		ok, err := path.Match(pattern, profile)
		return ok && err == nil
	})
}
