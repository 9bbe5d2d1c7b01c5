package publish

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/errdef"

	"github.com/tlsfloor/tlsfloor/artifacts/bundle"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// What a manifest may name, before anybody knows whose it is.
const (
	manifestLimit = 4 << 20 // bytes, as registries have it
	layersLimit   = 1000
	smallLimit    = 64 << 20 // bytes of a file that is no archive
	largeLimit    = 4 << 30  // bytes of an archive
	totalLimit    = 32 << 30 // bytes of all
)

// FromOCI is the bundle at the address of a registry. Its manifest is read here, and each file when it is
// asked for: so whoever takes the bundle sees the signed list first, and nothing more of what nobody
// trusted has signed. The tag is looked up once; what it names later is not looked at. progress may be nil.
func FromOCI(ctx context.Context, address string, progress func(string)) (bundle.Source, error) {
	p, err := open(address, "")
	if err != nil {
		return bundle.Source{}, err
	}
	o := &offered{place: p, progress: progress}
	if o.files, err = p.offer(ctx); err != nil {
		return bundle.Source{}, p.explained("taking", err)
	}
	return bundle.Source{Name: address, Bring: o.bring}, nil
}

// offered is what a manifest names. None of it is believed.
type offered struct {
	*place
	files    map[string]ocispec.Descriptor
	progress func(string)
}

// offer reads the manifest of the bundle. All of the bundle's files are its layers: what others attach to
// it is not looked at, and so cannot stand before a signature.
func (p *place) offer(ctx context.Context) (map[string]ocispec.Descriptor, error) {
	ctx, cancel := p.pool.Whole(ctx, manifestLimit)
	defer cancel()
	desc, err := p.Resolve(ctx, p.tag)
	if err != nil {
		return nil, err
	}
	m, err := p.manifest(ctx, desc)
	if err != nil {
		return nil, err
	}
	if m.ArtifactType != BundleType {
		return nil, fault.New(fault.Usage, "name one that `publish` has put there",
			"it is no bundle: its type is %.80q", m.ArtifactType)
	}
	return layers(m)
}

// manifest reads the one that desc names, and nothing else than an image's manifest (OCI image
// specification 1.1).
func (p *place) manifest(ctx context.Context, desc ocispec.Descriptor) (*ocispec.Manifest, error) {
	switch {
	case desc.MediaType != ocispec.MediaTypeImageManifest:
		return nil, fmt.Errorf("a manifest of the type %.80q, and not %q", desc.MediaType,
			ocispec.MediaTypeImageManifest)
	case desc.Size < 2 || desc.Size > manifestLimit:
		return nil, fmt.Errorf("a manifest of %d bytes; %d are the most", desc.Size, manifestLimit)
	case desc.Digest.Validate() != nil || desc.Digest.Algorithm() != digest.SHA256:
		return nil, fmt.Errorf("a manifest whose digest is no SHA-256: %.80q", desc.Digest)
	}
	text, err := content.FetchAll(ctx, p.Repository, desc)
	if err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	return parseManifest(text)
}

func parseManifest(text []byte) (*ocispec.Manifest, error) {
	m := &ocispec.Manifest{}
	if err := json.Unmarshal(text, m); err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	if m.MediaType != ocispec.MediaTypeImageManifest || m.SchemaVersion != 2 {
		return nil, fmt.Errorf("manifest: it says that it is of the type %.80q and version %d",
			m.MediaType, m.SchemaVersion)
	}
	return m, nil
}

// title is the name of a file of a bundle.
var title = regexp.MustCompile(`^(` + bundle.ProofDir + `/)?[A-Za-z0-9][A-Za-z0-9._+~-]{0,199}$`)

// layers holds what a manifest names against what a bundle may have.
func layers(m *ocispec.Manifest) (map[string]ocispec.Descriptor, error) {
	if len(m.Layers) > layersLimit {
		return nil, fmt.Errorf("manifest: %d files; %d are the most", len(m.Layers), layersLimit)
	}
	files, lower, total := map[string]ocispec.Descriptor{}, map[string]bool{}, int64(0)
	for i, l := range m.Layers {
		name := l.Annotations[ocispec.AnnotationTitle]
		limit := int64(smallLimit)
		if bundle.IsArchive(name) {
			limit = largeLimit
		}
		switch {
		case !title.MatchString(name):
			return nil, fmt.Errorf("manifest: layer %d is a file named %.80q: nothing of a bundle is",
				i+1, name)
		case lower[strings.ToLower(name)]:
			return nil, fmt.Errorf("manifest: there are two files named %q", name)
		case l.Size < 0 || l.Size > limit:
			return nil, fmt.Errorf("manifest: %s has %d bytes; %d are the most", name, l.Size, limit)
		case l.Digest.Validate() != nil || l.Digest.Algorithm() != digest.SHA256:
			return nil, fmt.Errorf("manifest: the digest of %s is no SHA-256: %.80q", name, l.Digest)
		case len(l.URLs) > 0:
			return nil, fmt.Errorf("manifest: %s is to be had elsewhere, at %.80q", name, l.URLs[0])
		}
		if total += l.Size; total > totalLimit {
			return nil, fmt.Errorf("manifest: more than %d bytes in all", int64(totalLimit))
		}
		lower[strings.ToLower(name)] = true
		files[name] = l
	}
	return files, nil
}

// bring implements bundle.Source: of a file that is not whole nothing stays.
func (o *offered) bring(ctx context.Context, name, to string, limit int64) error {
	desc, there := o.files[name]
	switch {
	case !there:
		return &fs.PathError{Op: "take", Path: name, Err: fs.ErrNotExist}
	case desc.Size > limit:
		return bundle.ErrTooLarge
	}
	if o.progress != nil && desc.Size > 1<<20 {
		o.progress("taking " + path.Base(name))
	}
	err := bundle.Room(filepath.Dir(to), desc.Size)
	if err == nil {
		err = o.file(ctx, desc, to)
	}
	if err != nil {
		os.Remove(to)
		return fmt.Errorf("%w: %w", bundle.ErrUnreachable,
			o.explained("taking", fmt.Errorf("%s: %w", name, err)))
	}
	return nil
}

// file brings the blob, which has as many bytes as the manifest says, and its digest.
func (p *place) file(ctx context.Context, desc ocispec.Descriptor, to string) error {
	ctx, cancel := p.pool.Whole(ctx, desc.Size)
	defer cancel()
	in, err := p.Blobs().Fetch(ctx, desc)
	if errors.Is(err, errdef.ErrNotFound) {
		return errors.New("the registry does not have what its manifest names")
	}
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	v := content.NewVerifyReader(io.LimitReader(in, desc.Size+1), desc)
	if _, err := io.Copy(out, v); err != nil {
		return err
	}
	return errors.Join(v.Verify(), out.Close())
}
