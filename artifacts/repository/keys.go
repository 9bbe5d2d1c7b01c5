package repository

import (
	"cmp"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/tlsfloor/tlsfloor/artifacts/sign"
	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/internal/ground/owned"
)

// Role says how many keys a role has, and how many of them have to sign.
type Role struct{ Threshold, Keys int }

// privateKey is one of the folder of keys.
type privateKey struct {
	id   string
	file string
	by   *sign.Signer
}

// keys reads all private keys that are at hand. They are nobody else's to read.
func (p Publisher) keys() ([]privateKey, error) {
	if err := owned.Check("", p.Keys); err != nil {
		return nil, fault.New(fault.Usage,
			cmp.Or(fault.HintOf(err), "-keys=<folder> names the folder of private keys"), "keys: %w", err)
	}
	files, err := filepath.Glob(filepath.Join(p.Keys, "*.pem"))
	if err == nil && len(files) == 0 {
		err = fault.New(fault.Usage, "-keys=<folder> names the folder of private keys",
			"keys: no *.pem in %q", p.Keys)
	}
	if err != nil {
		return nil, err
	}
	var all []privateKey
	for _, file := range files {
		info, err := os.Stat(file)
		if err != nil {
			return nil, err
		}
		if info.Mode().Perm()&0o077 != 0 {
			return nil, fault.New(fault.Usage, "chmod 600 "+file, "key %s: others may read it (mode %04o)",
				file,
				info.Mode().Perm())
		}
		by, err := sign.NewSigner(file, nil)
		if err != nil {
			return nil, err
		}
		key, err := metadata.KeyFromPublicKey(by.Key.Public())
		if err != nil {
			return nil, err
		}
		id, err := key.ID()
		if err != nil {
			return nil, err
		}
		all = append(all, privateKey{id, file, by})
	}
	return all, nil
}

// tufSigner lets a key of ours sign metadata.
type tufSigner struct {
	ctx context.Context
	by  *sign.Signer
}

func (s tufSigner) PublicKey(...signature.PublicKeyOption) (crypto.PublicKey, error) {
	return s.by.Key.Public(), nil
}

func (s tufSigner) SignMessage(message io.Reader, _ ...signature.SignOption) ([]byte, error) {
	text, err := io.ReadAll(message)
	if err != nil {
		return nil, err
	}
	return s.by.Sign(s.ctx, text)
}

// signed signs a role's metadata with all keys at hand that the root lists for it, which have to be
// enough.
func signed[T metadata.Roles](ctx context.Context, s *state, keys []privateKey, role string,
	m *metadata.Metadata[T]) ([]byte, error) {
	m.ClearSignatures()
	if _, err := cosign(ctx, s.root, keys, role, m); err != nil {
		return nil, err
	}
	if err := s.root.VerifyDelegate(role, m); err != nil {
		return nil, fault.New(fault.BadSignature, "`keys:list` says which keys it needs",
			"signing %s: %d of %d signatures: %w",
			role, len(m.Signatures), s.root.Signed.Roles[role].Threshold, err)
	}
	return m.ToBytes(true)
}

// cosign adds the signatures of keys at hand that root lists for the role, and are not there yet.
func cosign[T metadata.Roles](ctx context.Context, root *metadata.Metadata[metadata.RootType],
	keys []privateKey, role string, m *metadata.Metadata[T]) (added int, err error) {
	for _, k := range keys {
		there := slices.ContainsFunc(m.Signatures, func(s metadata.Signature) bool { return s.KeyID == k.id })
		if there || !slices.Contains(root.Signed.Roles[role].KeyIDs, k.id) {
			continue
		}
		if _, err := m.Sign(tufSigner{ctx, k.by}); err != nil {
			return added, err
		}
		added++
	}
	return added, nil
}

// Init makes a new repository, and new keys for all roles in the new folder of keys.
func (p Publisher) Init(ctx context.Context, roles map[string]Role) error {
	if Is(p.Dir) {
		return fault.New(fault.Usage, "name another folder, or change its keys with keys:rotate",
			"%s is a repository already", p.Dir)
	}
	above, err := owned.Make("", filepath.Dir(filepath.Clean(p.Keys)))
	if err == nil {
		err = errors.Join(above.Mkdir(filepath.Base(p.Keys), 0o700), above.Close())
	}
	if err != nil {
		return fault.New(fault.Usage,
			"name a folder that is not there yet, on the medium that the keys live on", "keys: %w", err)
	}
	unlock, err := p.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	s := &state{root: metadata.Root(p.expires(metadata.ROOT)),
		targets:   metadata.Targets(p.expires(metadata.TARGETS)),
		snapshot:  metadata.Snapshot(p.expires(metadata.SNAPSHOT)),
		timestamp: metadata.Timestamp(p.expires(metadata.TIMESTAMP))}
	s.seen = map[string]seen{}
	s.root.Signed.ConsistentSnapshot = true
	s.targets.Signed.Version, s.snapshot.Signed.Version, s.timestamp.Signed.Version = 0, 0, 0
	for _, role := range Roles {
		r := roles[role]
		if r.Threshold < 1 || r.Keys < r.Threshold {
			return fault.New(fault.Usage, "such as root=2/3: two of three keys have to sign",
				"role %s: %d of %d keys", role, r.Threshold, r.Keys)
		}
		s.root.Signed.Roles[role].Threshold = r.Threshold
		for range r.Keys {
			if err := p.newKey(s.root, role); err != nil {
				return err
			}
		}
	}
	keys, err := p.keys()
	if err != nil {
		return err
	}
	text, err := signed(ctx, s, keys, metadata.ROOT, s.root)
	if err != nil {
		return err
	}
	files, err := p.sign(ctx, s, true)
	if err != nil {
		return err
	}
	files["1.root.json"], s.trusted = text, text
	return p.write(s, files)
}

// newKey makes a key for the role and writes its private half into the folder of keys.
func (p Publisher) newKey(root *metadata.Metadata[metadata.RootType], role string) error {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	key, err := metadata.KeyFromPublicKey(public)
	if err != nil {
		return err
	}
	id, err := key.ID()
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(p.Keys, role+"-"+id[:8]+".pem"), os.O_CREATE|os.O_EXCL|os.O_WRONLY,
		0o600)
	if err != nil {
		return err
	}
	err = pem.Encode(f, &pem.Block{Type: "PRIVATE KEY", Bytes: der})
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return root.Signed.AddKey(key, role)
}

// Rotate gives a role a new key in the place of the one whose ID begins with revoke; "" will do where it
// has only one. The new root.json is in force when enough of the old root keys and enough of the new ones
// have signed it: done says whether the keys at hand were enough. If not, Sign goes on with others.
func (p Publisher) Rotate(ctx context.Context, role, revoke string) (done bool, err error) {
	unlock, err := p.lock(ctx)
	if err != nil {
		return false, err
	}
	defer unlock()
	s, err := p.read()
	if err != nil {
		return false, err
	}
	if _, err := os.Lstat(p.file(draftFile)); err == nil {
		return false, fault.New(fault.Usage,
			"keys:sign adds signatures to it; remove "+p.file(draftFile)+" to give it up",
			"a new root.json is waiting for signatures already")
	}
	r := s.root.Signed.Roles[role]
	if r == nil {
		return false, fault.New(fault.Usage, "one of: "+strings.Join(Roles, ", "), "-role=%s: no such role",
			role)
	}
	var out []string
	for _, id := range r.KeyIDs {
		if strings.HasPrefix(id, revoke) {
			out = append(out, id)
		}
	}
	if len(out) != 1 {
		return false, fault.New(fault.Usage, "-revoke=<the beginning of its ID>; `keys:list` shows them",
			"%d keys of role %s are meant by %q", len(out), role, revoke)
	}
	next, err := copyOf(s.root)
	if err != nil {
		return false, err
	}
	if err := errors.Join(next.Signed.RevokeKey(out[0], role), p.newKey(next, role)); err != nil {
		return false, err
	}
	next.Signed.Version, next.Signed.Expires = s.root.Signed.Version+1, p.expires(metadata.ROOT)
	next.ClearSignatures()
	return p.endorse(ctx, s, next)
}

// Sign adds the signatures of the keys at hand to the root.json that waits for them, if it is the one with
// that digest: what its holder has looked at.
func (p Publisher) Sign(ctx context.Context, wanted digest.Digest) (done bool, err error) {
	unlock, err := p.lock(ctx)
	if err != nil {
		return false, err
	}
	defer unlock()
	s, err := p.read()
	if err != nil {
		return false, err
	}
	next, d, err := p.draft(s)
	if err != nil {
		return false, err
	}
	if d.Digest != wanted {
		return false, fault.New(fault.BadSignature, "keys:sign without -draft shows what it changes",
			"another root.json waits for signatures: it has sha256 %s", d.Digest)
	}
	return p.endorse(ctx, s, next)
}

// endorse signs the next root with what is at hand, and puts it in force if that is enough.
func (p Publisher) endorse(ctx context.Context, s *state, next *metadata.Metadata[metadata.RootType]) (
	done bool, err error) {
	keys, err := p.keys()
	if err != nil {
		return false, err
	}
	for _, root := range []*metadata.Metadata[metadata.RootType]{s.root, next} {
		if _, err := cosign(ctx, root, keys, metadata.ROOT, next); err != nil {
			return false, err
		}
	}
	if err := mayFollow(s.root, next); err != nil {
		return false, fault.New(fault.BadSignature, "one of the root keys has to be in the folder of keys",
			"a new root.json: %w", err)
	}
	text, err := next.ToBytes(true)
	if err != nil {
		return false, err
	}
	if s.root.VerifyDelegate(metadata.ROOT, next) != nil || next.VerifyDelegate(metadata.ROOT, next) != nil {
		return false, p.replace(path.Join(metadataDir, draftFile), text)
	}
	// A root in force whose other roles nobody can sign would lock readers out: it waits for their keys too.
	s.root = next
	files, err := p.renew(ctx, s)
	if fault.CodeOf(err) == fault.BadSignature {
		return false, p.replace(path.Join(metadataDir, draftFile), text)
	}
	if err != nil {
		return false, err
	}
	files[fmt.Sprintf("%d.root.json", next.Signed.Version)] = text
	if err := p.write(s, files); err != nil {
		return false, err
	}
	return true, p.dropDraft()
}

// Listed is what keys:list shows of a role.
type Listed struct {
	Role      string    `json:"role"`
	Version   int64     `json:"version"`
	Expires   time.Time `json:"expires"`
	Threshold int       `json:"threshold"`
	Keys      []string  `json:"keys"`
	AtHand    []string  `json:"at_hand"` // whose private halves are in the folder of keys
}

// List tells of the roles. Without a folder of keys none are at hand.
func (p Publisher) List() ([]Listed, error) {
	s, err := p.read()
	if err != nil {
		return nil, err
	}
	var keys []privateKey
	if p.Keys != "" {
		if keys, err = p.keys(); err != nil {
			return nil, err
		}
	}
	versions := map[string]int64{metadata.ROOT: s.root.Signed.Version,
		metadata.TARGETS:  s.targets.Signed.Version,
		metadata.SNAPSHOT: s.snapshot.Signed.Version, metadata.TIMESTAMP: s.timestamp.Signed.Version}
	expires := map[string]time.Time{metadata.ROOT: s.root.Signed.Expires,
		metadata.TARGETS:  s.targets.Signed.Expires,
		metadata.SNAPSHOT: s.snapshot.Signed.Expires, metadata.TIMESTAMP: s.timestamp.Signed.Expires}
	var all []Listed
	for _, role := range Roles {
		r := s.root.Signed.Roles[role]
		l := Listed{Role: role, Version: versions[role], Expires: expires[role], Threshold: r.Threshold,
			Keys: r.KeyIDs}
		for _, k := range keys {
			if slices.Contains(r.KeyIDs, k.id) {
				l.AtHand = append(l.AtHand, k.id)
			}
		}
		all = append(all, l)
	}
	return all, nil
}

// targetOf describes a file.
func targetOf(file string) (*metadata.TargetFiles, error) {
	d, n, err := digest.OfFile(file)
	if err != nil {
		return nil, err
	}
	return &metadata.TargetFiles{Length: n, Hashes: metadata.Hashes{"sha256": d[:]}}, nil
}

// place is where a target lies below the folder of targets.
func place(name string, t *metadata.TargetFiles) string {
	return path.Join(path.Dir(name), hex.EncodeToString(t.Hashes["sha256"])+"."+path.Base(name))
}

// aboutIn reads what is said of a bundle at the target of its list.
func aboutIn(t *metadata.TargetFiles) (About, error) {
	var a About
	if t.Custom == nil {
		return a, errors.New("a list of a bundle of which nothing is said")
	}
	err := json.Unmarshal(*t.Custom, &a)
	return a, err
}
