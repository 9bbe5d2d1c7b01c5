package bundle

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tlsfloor/tlsfloor/artifacts"
	"github.com/tlsfloor/tlsfloor/artifacts/packages"
	"github.com/tlsfloor/tlsfloor/internal/engine/archive"
	"github.com/tlsfloor/tlsfloor/internal/engine/store"
	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/recipes"
	"github.com/tlsfloor/tlsfloor/verify"
)

// folders maps the folders in an archive to what the index says of them.
func (x *Index) folders(controls bool) map[string]digest.Digest {
	all := map[string]digest.Digest{}
	if controls {
		for name, p := range x.Parts {
			if p.Role == string(recipes.Control) {
				all[name] = p.Output
			}
		}
		return all
	}
	for _, c := range x.Claim.Components {
		all[path.Base(c.Folder)] = c.Output
	}
	return all
}

// archives reads every archive that is there and was not asked for, and holds what is in it against the
// index.
func (k *check) archives(ctx context.Context) error {
	if k.only != "" {
		return nil
	}
	for _, a := range k.Index.Archives {
		trees, err := readTrees(ctx, filepath.Join(k.Dir, a.File))
		if err != nil {
			return err
		}
		for folder, want := range k.Index.folders(a.Controls) {
			if got := digest.Of(trees[folder].Encode()); got != want {
				return fmt.Errorf("%s: what is in %s is not what %s claims", a.File, folder, IndexFile)
			}
		}
		for _, folder := range slices.Sorted(maps.Keys(trees)) {
			if _, known := k.Index.folders(a.Controls)[folder]; !known {
				return fmt.Errorf("%s: %s does not speak of its folder %s", a.File, IndexFile, folder)
			}
		}
		if !a.Controls {
			if err := tested(k.Proof, k.Index.Claim, trees); err != nil {
				return fmt.Errorf("%s: %w", a.File, err)
			}
		}
	}
	for _, p := range k.Index.Packages {
		trees, err := packages.Trees(ctx, filepath.Join(k.Dir, p.File))
		if err != nil {
			return fmt.Errorf("%s: %w", p.File, err)
		}
		for name, c := range k.Index.Claim.Components {
			if digest.Of(trees[name].Encode()) != c.Output {
				return fmt.Errorf("%s: what is in %s is not what %s claims", p.File, name, IndexFile)
			}
		}
	}
	return nil
}

// readTrees lists what is in an archive, by the folders below its top.
func readTrees(ctx context.Context, file string) (map[string]store.Tree, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return treesOf(ctx, f, filepath.Base(file), archive.Limits{})
}

func treesOf(ctx context.Context, r io.Reader, called string, l archive.Limits) (map[string]store.Tree, error) {
	trees := map[string]store.Tree{}
	top := ""
	err := archive.Visit(ctx, r, called, l, func(v archive.Visited) error {
		name := path.Clean(v.Name)
		first, rest, _ := strings.Cut(name, "/")
		if top == "" {
			top = first
		}
		if first != top || first == "" || name == ".." || strings.Contains(name, "../") {
			return fmt.Errorf("not below the folder %s", top)
		}
		folder, inside, below := strings.Cut(rest, "/")
		if !below {
			if v.Mode.IsDir() || folder == LicencesFile {
				return nil
			}
			return fmt.Errorf("nothing belongs there")
		}
		e := store.Entry{Path: inside, Mode: v.Mode.Type() | v.Mode.Perm(), Target: v.Link}
		if v.Mode.IsRegular() {
			var err error
			if e.Digest, e.Size, err = digest.OfReader(v.Body); err != nil {
				return err
			}
		}
		trees[folder] = append(trees[folder], e)
		return nil
	})
	for _, t := range trees {
		slices.SortFunc(t, func(a, b store.Entry) int { return strings.Compare(a.Path, b.Path) })
	}
	return trees, err
}

// tested holds the files that the proof speaks of against those in the trees, by the names of their folders:
// a proof is about these bytes or it is worth nothing here.
func tested(p *verify.Proof, claim artifacts.Claim, trees map[string]store.Tree) error {
	seen := 0
	for _, t := range p.Subjects {
		for _, c := range claim.Components {
			inside, ok := strings.CutPrefix(t.Path, c.Folder+"/")
			if !ok {
				continue
			}
			e, found := follow(trees[path.Base(c.Folder)], inside)
			if !found || e.Digest.String() != t.SHA256 {
				return fmt.Errorf("the proof is about another %s than this", t.Path)
			}
			seen++
			break
		}
	}
	if seen != len(p.Subjects) || seen == 0 {
		return fmt.Errorf("the proof is about files that are not in it")
	}
	return nil
}

// follow returns the file at inside, through links such as that from python3 to python3.13.
func follow(t store.Tree, inside string) (store.Entry, bool) {
	for range 8 {
		i, found := slices.BinarySearchFunc(t, inside, func(e store.Entry, path string) int { return strings.Compare(e.Path, path) })
		if !found || t[i].Mode.Type() != fs.ModeSymlink {
			return append(t[:len(t):len(t)], store.Entry{})[i], found
		}
		inside = path.Join(path.Dir(inside), t[i].Target)
	}
	return store.Entry{}, false
}
