package bundle

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/tlsfloor/tlsfloor/artifacts/deploy"
	"github.com/tlsfloor/tlsfloor/internal/engine/archive"
	"github.com/tlsfloor/tlsfloor/internal/engine/store"
	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// Site is where the bundle is installed below root: at base, or with "" where its prefixes are compiled in.
func (x *Index) Site(root, base string) deploy.Site {
	s := deploy.Site{Root: root, Base: base, Profile: x.Claim.Profile, Prefixes: map[string]string{}}
	if base == "" {
		s.Base = x.Claim.Prefix
	}
	for name, c := range x.Claim.Components {
		s.Prefixes[name] = path.Base(c.Folder)
	}
	return s
}

// Generation is what installing the bundle at the site makes.
func (k *Checked) Generation(s deploy.Site) deploy.Generation {
	g := k.Index.generation(s)
	if k.Key != nil {
		g.Signer = k.Key.ID
	}
	if k.Release != nil {
		g.Release = k.Release.Sequence
	}
	return g
}

func (x *Index) generation(s deploy.Site) deploy.Generation {
	g := deploy.Generation{Profile: x.Claim.Profile, Sysroot: x.Claim.Sysroot, With: x.Claim.With, Bundle: x.Name, Components: map[string]deploy.Component{}}
	for name, c := range x.Claim.Components {
		g.Components[name] = deploy.Component{Version: c.Version, Prefix: s.Prefix(name), Key: x.Parts[name].Key, Output: c.Output}
	}
	return g
}

// Filler unpacks the archive that was taken as a generation's trees, and holds every byte against the
// index, and the proof against the bytes.
func (k *Checked) Filler() deploy.Filler {
	file := k.Archive
	return func(ctx context.Context, dir string, g deploy.Generation) error {
		unpacked := filepath.Join(dir, "unpacked")
		if err := unpackFile(ctx, filepath.Join(k.Dir, file), unpacked); err != nil {
			return err
		}
		trees := map[string]store.Tree{}
		for name, c := range g.Components {
			folder := path.Base(k.Index.Claim.Components[name].Folder)
			if err := os.Rename(filepath.Join(unpacked, folder), filepath.Join(dir, name)); err != nil {
				return fault.New(fault.BadSignature, hintTake, "%s: %w", file, err)
			}
			tree, err := store.Summed(ctx, filepath.Join(dir, name))
			if err != nil {
				return err
			}
			text := tree.Encode()
			if digest.Of(text) != c.Output {
				return fault.New(fault.BadSignature, hintTake, "%s: what is in %s is not what %s claims", file, folder, IndexFile)
			}
			if err := os.WriteFile(filepath.Join(dir, name+".tree"), text, 0o644); err != nil {
				return err
			}
			trees[folder] = tree
		}
		if err := tested(k.Proof, k.Index.Claim, trees); err != nil {
			return fault.New(fault.BadSignature, hintTake, "%s: %w", file, err)
		}
		if err := os.Rename(filepath.Join(unpacked, LicencesFile), filepath.Join(dir, LicencesFile)); err != nil {
			return fault.New(fault.BadSignature, hintTake, "%s: %w", file, err)
		}
		if err := os.Remove(unpacked); err != nil {
			return fault.New(fault.BadSignature, hintTake, "%s: there is more in it than %s speaks of", file, IndexFile)
		}
		return nil
	}
}

// Weak reports whether the archive of the weak peers was there.
func (k *Checked) Weak() bool {
	i := slices.IndexFunc(k.Index.Archives, func(a Archive) bool { return a.Controls })
	if i < 0 {
		return false
	}
	_, err := os.Stat(filepath.Join(k.Dir, k.Index.Archives[i].File))
	return err == nil
}

// Controls unpacks the weak peers into the new folder dir, and returns their compiled-in prefixes; none when
// the bundle lacks them.
func (k *Checked) Controls(ctx context.Context, dir string) (map[string]string, error) {
	i := slices.IndexFunc(k.Index.Archives, func(a Archive) bool { return a.Controls })
	if i < 0 {
		return nil, nil
	}
	file := k.Index.Archives[i].File
	if _, err := os.Stat(filepath.Join(k.Dir, file)); err != nil {
		return nil, nil
	}
	if err := unpackFile(ctx, filepath.Join(k.Dir, file), dir); err != nil {
		return nil, err
	}
	prefixes := map[string]string{}
	for name, want := range k.Index.folders(true) {
		tree, err := store.Summed(ctx, filepath.Join(dir, name))
		if err != nil {
			return nil, err
		}
		if digest.Of(tree.Encode()) != want {
			return nil, fault.New(fault.BadSignature, hintTake, "%s: what is in %s is not what %s claims", file, name, IndexFile)
		}
		prefixes[name] = k.Index.Parts[name].Prefix
	}
	return prefixes, nil
}

func unpackFile(ctx context.Context, file, dir string) error {
	f, err := os.Open(file)
	if err != nil {
		return fmt.Errorf("bundle: %w", err)
	}
	defer f.Close()
	err = archive.Unpack(ctx, f, dir, archive.Options{Name: filepath.Base(file), Strip: 1})
	if err != nil && ctx.Err() == nil && !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, syscall.EDQUOT) {
		err = fault.New(fault.BadSignature, fault.HintOf(err), "bundle: %w", err)
	}
	return err
}
