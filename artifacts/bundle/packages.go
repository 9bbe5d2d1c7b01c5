package bundle

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tlsfloor/tlsfloor/artifacts/packages"
	"github.com/tlsfloor/tlsfloor/artifacts/sign"
	"github.com/tlsfloor/tlsfloor/verify/report"
)

// packages writes the packages that were asked for.
func (w *writer) packages(ctx context.Context, x *Index, licences []byte) (all []Archive, err error) {
	if len(w.Packages) == 0 {
		return nil, nil
	}
	site := x.Site("", "")
	s := &packages.Spec{Site: site, Generation: x.generation(site), Trees: map[string]packages.Tree{}, Floor: x.Floor, Arch: x.Arch, License: w.license(),
		Licences: licences, Docs: map[string][]byte{}, Release: w.Release, Maintainer: w.Maintainer, When: w.when}
	s.Generation.GLIBC = x.GLIBC
	for _, p := range w.installed() {
		s.Trees[p.Recipe.Name] = packages.Tree{Dir: filepath.Join(w.Trees, filepath.Base(p.Prefix)), List: p.tree}
	}
	if w.PGP != nil {
		s.Sign = w.PGP.Sign
	}
	if w.Proof != nil {
		s.Proof, s.Docs[report.VerdictFile] = w.Proof, w.Proof.Verdict()
	}
	for _, kind := range w.Packages {
		a := Archive{File: s.File(kind)}
		w.progress("packing " + a.File)
		file := filepath.Join(w.dir, a.File)
		if err := packages.Write(ctx, s, kind, file); err != nil {
			return nil, fmt.Errorf("%s: %w", a.File, err)
		}
		f, err := os.Open(file)
		if err == nil {
			err = a.read(f)
			f.Close()
		}
		if err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	return all, nil
}

// signDebs signs the packages that have no place for a signature, in files beside them.
func (w *writer) signDebs(x *Index, files map[string][]byte) error {
	for _, p := range x.Packages {
		if w.PGP == nil || !strings.HasSuffix(p.File, "."+packages.Deb) {
			continue
		}
		data, err := os.ReadFile(filepath.Join(w.dir, p.File))
		if err != nil {
			return err
		}
		sig, err := w.PGP.Sign(data)
		if err != nil {
			return err
		}
		if files[p.File+armorEnd], err = sign.Armored(sig); err != nil {
			return err
		}
	}
	return nil
}

// license is that of all that is in the trees.
func (f *facts) license() string {
	var all []string
	for _, p := range f.shipped() {
		if one := p.Recipe.License; one != "" && !slices.Contains(all, one) {
			if strings.Contains(one, " OR ") {
				one = "(" + one + ")"
			}
			all = append(all, one)
		}
	}
	slices.Sort(all)
	return strings.Join(all, " AND ")
}
