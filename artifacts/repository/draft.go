package repository

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/internal/ground/owned"
)

// Draft is a new root.json that waits for signatures. It lies where others write: whoever signs it has to
// know what it changes.
type Draft struct {
	Digest  digest.Digest // of what is signed, so that it stays the same as signatures are added
	Changes []string      // how it differs from the root.json that is trusted, a line each
}

// Draft returns what waits for signatures, if it may follow the trusted root.json and somebody who has a root
// key now has signed it.
func (p Publisher) Draft() (Draft, error) {
	s, err := p.read()
	if err != nil {
		return Draft{}, err
	}
	_, d, err := p.draft(s)
	return d, err
}

func (p Publisher) draft(s *state) (*metadata.Metadata[metadata.RootType], Draft, error) {
	text, err := p.bring(draftFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, Draft{}, fault.New(fault.Usage, "keys:rotate makes one",
			"repository %s: no root.json waits for signatures", p.Dir)
	}
	if err != nil {
		return nil, Draft{}, err
	}
	next, err := metadata.Root().FromBytes(text)
	if err == nil {
		err = mayFollow(s.root, next)
	}
	if err != nil {
		return nil, Draft{}, fault.New(fault.BadSignature,
			"ask who has laid it there: keys:rotate makes one that others sign; remove it to give it up",
			"%s: it is no next root.json: %w", p.file(draftFile), err)
	}
	d, err := digestOf(next)
	return next, Draft{d, changes(s.root, next)}, err
}

// mayFollow holds a draft against the root.json that it is to follow: all but keys, thresholds and expiry
// stays, and a holder of a root key has begun to sign it.
func mayFollow(root, next *metadata.Metadata[metadata.RootType]) error {
	if next.Signed.Version != root.Signed.Version+1 {
		return fmt.Errorf("it has version %d, and %d is next", next.Signed.Version, root.Signed.Version+1)
	}
	one, err := copyOf(root)
	if err != nil {
		return err
	}
	one.Signed.Roles[metadata.ROOT].Threshold = 1
	if err := one.VerifyDelegate(metadata.ROOT, next); err != nil {
		return fmt.Errorf("nobody with a root key has signed it: %w", err)
	}
	is, may := slices.Sorted(maps.Keys(next.Signed.Roles)), slices.Sorted(slices.Values(Roles))
	if !slices.Equal(is, may) || !next.Signed.ConsistentSnapshot ||
		len(next.Signed.UnrecognizedFields)+len(next.UnrecognizedFields) > 0 {
		return errors.New("it changes more than keys, thresholds and expiry")
	}
	for id, key := range next.Signed.Keys {
		if key == nil {
			return fmt.Errorf("key %.16s is empty", id)
		}
		if is, err := key.ID(); err != nil || is != id {
			return fmt.Errorf("key %.16s has the ID of another", id)
		}
	}
	for role, r := range next.Signed.Roles {
		if r == nil || r.Threshold < 1 || r.Threshold > len(r.KeyIDs) {
			return fmt.Errorf("role %s: nobody can sign for it", role)
		}
	}
	return nil
}

// changes tells how next differs from root.
func changes(root, next *metadata.Metadata[metadata.RootType]) []string {
	var all []string
	for _, role := range Roles {
		was, is := root.Signed.Roles[role], next.Signed.Roles[role]
		for _, id := range was.KeyIDs {
			if !slices.Contains(is.KeyIDs, id) {
				all = append(all, fmt.Sprintf("%-10s - key %s", role, id))
			}
		}
		for _, id := range is.KeyIDs {
			if !slices.Contains(was.KeyIDs, id) {
				all = append(all, fmt.Sprintf("%-10s + key %s", role, id))
			}
		}
		if was.Threshold != is.Threshold {
			all = append(all, fmt.Sprintf("%-10s %d keys sign, and %d did", role, is.Threshold, was.Threshold))
		}
	}
	return append(all, fmt.Sprintf("%-10s until %s, and was until %s", metadata.ROOT,
		next.Signed.Expires.Format(time.DateOnly), root.Signed.Expires.Format(time.DateOnly)))
}

// digestOf is the digest of what is signed.
func digestOf(root *metadata.Metadata[metadata.RootType]) (digest.Digest, error) {
	bare, err := copyOf(root)
	if err != nil {
		return digest.Digest{}, err
	}
	bare.ClearSignatures()
	text, err := bare.ToBytes(false)
	return digest.Of(text), err
}

func (p Publisher) dropDraft() error {
	dir, err := owned.Share(p.Dir)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := dir.Remove(path.Join(metadataDir, draftFile)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func copyOf(root *metadata.Metadata[metadata.RootType]) (*metadata.Metadata[metadata.RootType], error) {
	text, err := root.ToBytes(false)
	if err != nil {
		return nil, err
	}
	return metadata.Root().FromBytes(text)
}
