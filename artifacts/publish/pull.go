package publish

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"

	"github.com/tlsfloor/tlsfloor/artifacts/bundle"
	"github.com/tlsfloor/tlsfloor/internal/fault"
)

// Pull brings the bundle at the address into the new folder dir, leaving out archives that leave says are not wanted. Nothing of it is
// believed: whoever pulls checks the folder as any other.
func Pull(ctx context.Context, address, dir string, leave func(name string) bool, progress func(string)) error {
	p, err := open(address, "")
	if err != nil {
		return err
	}
	desc, err := p.Resolve(ctx, p.tag)
	if err != nil {
		return p.explained("taking", err)
	}
	if err := os.MkdirAll(filepath.Join(dir, bundle.ProofDir), 0o755); err != nil {
		return err
	}
	if err := p.files(ctx, desc, dir, BundleType, leave, progress); err != nil {
		return p.explained("taking", err)
	}
	var referrers []ocispec.Descriptor
	err = p.Referrers(ctx, desc, "", func(some []ocispec.Descriptor) error {
		referrers = append(referrers, some...)
		return nil
	})
	if err != nil {
		return p.explained("taking", err)
	}
	// Registries do not agree on what a descriptor in this list says of the type: the manifest says it.
	for _, one := range referrers[:min(len(referrers), referrersLimit)] {
		if err := p.files(ctx, one, dir, "", leave, progress); err != nil {
			return p.explained("taking", err)
		}
	}
	return nil
}

const referrersLimit = 64 // anybody who may push there can attach some

// files brings the files of a manifest of the kind, or of one of our kinds of referrers: others' are left. One that is there already stays: others may have attached more of the same kind.
func (p *place) files(ctx context.Context, desc ocispec.Descriptor, dir, kind string, leave func(string) bool, progress func(string)) error {
	m, err := p.manifest(ctx, desc)
	if err != nil {
		return err
	}
	if kind == "" && !slices.Contains([]string{SBOMType, ProvenanceType, ProofType, SignatureType}, m.ArtifactType) {
		return nil
	}
	if kind != "" && m.ArtifactType != kind {
		return fault.New(fault.Usage, "name one that `publish` has put there", "it is no bundle: its type is %q", m.ArtifactType)
	}
	for _, l := range m.Layers {
		name := l.Annotations[ocispec.AnnotationTitle]
		if base, sub := path.Base(name), path.Dir(name); strings.HasPrefix(base, ".") || name != path.Clean(name) || sub != "." && sub != bundle.ProofDir {
			return fmt.Errorf("a file named %q: nothing of a bundle is", name)
		}
		if leave(name) {
			continue
		}
		if err := p.file(ctx, l, filepath.Join(dir, name), progress); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

func (p *place) file(ctx context.Context, desc ocispec.Descriptor, to string, progress func(string)) error {
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer out.Close()
	if progress != nil && desc.Size > 1<<20 {
		progress("taking " + filepath.Base(to))
	}
	in, err := p.Blobs().Fetch(ctx, desc)
	if err != nil {
		return err
	}
	defer in.Close()
	v := content.NewVerifyReader(in, desc)
	if _, err := io.Copy(out, v); err != nil {
		return err
	}
	return errors.Join(v.Verify(), out.Close())
}
