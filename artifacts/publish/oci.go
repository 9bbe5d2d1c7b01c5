package publish

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/credentials"
	"oras.land/oras-go/v2/registry/remote/errcode"
	"oras.land/oras-go/v2/registry/remote/retry"

	"github.com/tlsfloor/tlsfloor/artifacts/bundle"
	"github.com/tlsfloor/tlsfloor/internal/engine/transport"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// The types of the artifact and of its referrers (OCI image specification 1.1, "artifactType").
const (
	BundleType     = "application/vnd.tlsfloor.bundle.v1"
	SBOMType       = "application/spdx+json"
	ProvenanceType = "application/vnd.in-toto.provenance+json"
	ProofType      = "application/vnd.tlsfloor.proof.v1"
	SignatureType  = "application/vnd.tlsfloor.signature.v1"
)

// Schemes are how an address of a registry begins. The second is http, for one on this machine.
var Schemes = []string{"oci://", "oci+http://"}

// IsOCI reports whether the address is a registry's.
func IsOCI(address string) bool {
	return slices.ContainsFunc(Schemes, func(s string) bool { return strings.HasPrefix(address, s) })
}

// place is where in a registry.
type place struct {
	*remote.Repository
	tag  string
	pool *transport.Pool
}

// What tests change: how slow a registry may be, whose certificates are believed, and how often it is asked
// again.
var (
	limits   transport.Limits
	roots    *x509.CertPool
	attempts = retry.DefaultPolicy
)

// open reads oci://HOST/REPOSITORY[:TAG]. Who one is comes from where `docker login` has put it.
func open(address, tag string) (*place, error) {
	const hint = "such as oci://registry.example/tools/python:1.0; oci+http:// is for a registry on this machine"
	plain := strings.HasPrefix(address, Schemes[1])
	repo, err := remote.NewRepository(strings.TrimPrefix(strings.TrimPrefix(address, Schemes[0]), Schemes[1]))
	if err != nil {
		return nil, fault.New(fault.Usage, hint, "%s: %w", address, err)
	}
	if repo.PlainHTTP = plain; plain && !loopback(repo.Reference.Host()) {
		return nil, fault.New(fault.Usage, hint, "%s: passwords and bundles do not go over http to another machine", address)
	}
	store, err := credentials.NewStoreFromDocker(credentials.StoreOptions{})
	if err != nil {
		return nil, fault.New(fault.Usage, "log in again with docker, podman or oras login", "credentials: %w", err)
	}
	pool := transport.New(limits)
	pool.TLSClientConfig.RootCAs = roots
	login, host := credentials.Credential(store), repo.Reference.Host()
	way := &retry.Transport{Policy: func() retry.Policy { return attempts },
		Base: &door{next: pool.For(host), host: host, plain: plain, login: login}}
	client := &auth.Client{Client: &http.Client{Transport: way, CheckRedirect: checkRedirect},
		Cache: auth.NewCache(), Credential: login}
	client.SetUserAgent("tlsfloor")
	repo.Client = client
	repo.SkipReferrersGC = true
	p := &place{repo, repo.Reference.Reference, pool}
	if p.tag == "" {
		p.tag = tag
	}
	if p.tag == "" {
		return nil, fault.New(fault.Usage, hint, "%s: which version? it has no tag", address)
	}
	return p, nil
}

func loopback(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = host
	}
	ip := net.ParseIP(name)
	return name == "localhost" || ip != nil && ip.IsLoopback()
}

// explained adds what to do to an error of a registry.
func (p *place) explained(doing string, err error) error {
	hint := "look at the registry, and run it again: what was uploaded is not sent twice"
	if own := fault.HintOf(err); own != "" {
		hint = own
	}
	code := fault.Failed
	if fault.CodeOf(err) == fault.Usage {
		code = fault.Usage
	}
	answer, refused := errors.AsType[*errcode.ErrorResponse](err)
	if errors.Is(err, auth.ErrBasicCredentialNotFound) || refused && (answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusForbidden) {
		hint = "log in first: docker login " + p.Reference.Registry + " (or podman, oras); credentials are read from docker's own file"
	}
	if strings.Contains(err.Error(), "certificate signed by unknown authority") {
		hint = "name the registry's own CA with SSL_CERT_FILE=<pem>"
	}
	if errors.Is(err, errdef.ErrNotFound) {
		hint = "look at the name and the tag"
	}
	return fault.New(code, hint, "%s %s/%s:%s: %w", doing, p.Reference.Registry, p.Reference.Repository,
		p.tag, err)
}

// group is what one manifest holds.
type group struct {
	kind  string
	files []string
}

// grouped distributes the files of the bundle in dir: the bundle itself first, which is all of them; then
// those that other tools look for among its referrers.
func grouped(dir string) ([]group, error) {
	groups := []group{{kind: BundleType}, {kind: SBOMType}, {kind: ProvenanceType}, {kind: ProofType}, {kind: SignatureType}}
	err := filepath.WalkDir(dir, func(file string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, file)
		if err != nil {
			return err
		}
		groups[0].files = append(groups[0].files, rel)
		i := 0
		switch {
		case strings.HasSuffix(rel, bundle.Signature):
			i = 4
		case strings.HasPrefix(rel, bundle.ProofDir+"/"), strings.HasPrefix(rel, "test-result."), rel == "verdict.txt", rel == "cases.json":
			i = 3
		case rel == bundle.ProvenanceFile || rel == bundle.EnvelopeOf(bundle.ProvenanceFile):
			i = 2
		case rel == bundle.SBOMFile:
			i = 1
		}
		if i > 0 {
			groups[i].files = append(groups[i].files, rel)
		}
		return nil
	})
	return slices.DeleteFunc(groups, func(g group) bool { return len(g.files) == 0 }), err
}

// ToOCI uploads the bundle in dir as an artifact, and reports whether it was there already. It gets its tag
// last. progress may be nil.
func ToOCI(ctx context.Context, dir, name, address string, progress func(string)) (ref string, there bool, err error) {
	p, err := open(address, strings.TrimPrefix(name, "tlsfloor-"))
	if err != nil {
		return "", false, err
	}
	ref = p.Reference.Registry + "/" + p.Reference.Repository + ":" + p.tag
	if there, err := p.taken(ctx, dir); there || err != nil {
		return ref, there, err
	}
	groups, err := grouped(dir)
	if err != nil {
		return "", false, err
	}
	var subject *ocispec.Descriptor
	for _, g := range groups {
		desc, err := p.push(ctx, dir, g, subject, progress)
		if err != nil {
			return "", false, p.explained("publishing", err)
		}
		if subject == nil {
			subject = &desc
		}
	}
	if there, err := p.taken(ctx, dir); there || err != nil { // by somebody else, meanwhile
		return ref, there, err
	}
	if err := p.Tag(ctx, *subject, p.tag); err != nil {
		return "", false, p.explained("publishing", err)
	}
	return ref, false, nil
}

// push uploads the files of a group that are not there yet, and its manifest.
func (p *place) push(ctx context.Context, dir string, g group, subject *ocispec.Descriptor, progress func(string)) (ocispec.Descriptor, error) {
	var layers []ocispec.Descriptor
	for _, name := range g.files {
		f, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			return ocispec.Descriptor{}, err
		}
		defer f.Close()
		sum, err := digest.SHA256.FromReader(f)
		info, err2 := f.Stat()
		if err := errors.Join(err, err2); err != nil {
			return ocispec.Descriptor{}, err
		}
		desc := ocispec.Descriptor{MediaType: mediaType(name), Digest: sum, Size: info.Size(), Annotations: map[string]string{ocispec.AnnotationTitle: filepath.ToSlash(name)}}
		layers = append(layers, desc)
		if there, err := p.Blobs().Exists(ctx, desc); err != nil {
			return ocispec.Descriptor{}, err
		} else if there {
			continue
		}
		if progress != nil {
			progress("uploading " + name)
		}
		if _, err := f.Seek(0, 0); err != nil {
			return ocispec.Descriptor{}, err
		}
		if err := p.Blobs().Push(ctx, desc, f); err != nil && !errors.Is(err, errdef.ErrAlreadyExists) {
			return ocispec.Descriptor{}, fmt.Errorf("%s: %w", name, err)
		}
	}
	return oras.PackManifest(ctx, p.Repository, oras.PackManifestVersion1_1, g.kind, oras.PackManifestOptions{Subject: subject, Layers: layers,
		ManifestAnnotations: map[string]string{ocispec.AnnotationCreated: "1970-01-01T00:00:00Z"}}) // the same bytes have the same digest
}

func mediaType(name string) string {
	switch base := path.Base(name); {
	case strings.HasSuffix(base, ".tar.zst"):
		return "application/vnd.tlsfloor.tree.v1.tar+zstd"
	case strings.HasSuffix(base, ".tar.xz"):
		return "application/vnd.tlsfloor.tree.v1.tar+xz"
	case strings.HasSuffix(base, ".deb"):
		return "application/vnd.debian.binary-package"
	case strings.HasSuffix(base, ".rpm"):
		return "application/x-rpm"
	case strings.HasSuffix(base, ".md"):
		return "text/markdown"
	case base == bundle.SBOMFile:
		return SBOMType
	case strings.HasSuffix(base, ".intoto.json"):
		return "application/vnd.in-toto+json"
	case strings.HasSuffix(base, ".dsse.json"):
		return "application/vnd.dsse.envelope.v1+json"
	case strings.HasSuffix(base, ".json"):
		return "application/json"
	case strings.HasSuffix(base, ".html"):
		return "text/html"
	case strings.HasSuffix(base, ".xml"):
		return "application/xml"
	case strings.HasSuffix(base, bundle.Signature):
		return "application/octet-stream"
	}
	return "text/plain"
}

// taken reports whether the tag holds the same bundle already; another one is an error.
func (p *place) taken(ctx context.Context, dir string) (bool, error) {
	desc, err := p.Resolve(ctx, p.tag)
	if errors.Is(err, errdef.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, p.explained("publishing", err)
	}
	m, err := p.manifest(ctx, desc)
	if err != nil {
		return false, p.explained("publishing", err)
	}
	ours, err := os.ReadFile(filepath.Join(dir, bundle.Sums))
	if err != nil {
		return false, err
	}
	for _, l := range m.Layers {
		if l.Annotations[ocispec.AnnotationTitle] == bundle.Sums && l.Digest == digest.FromBytes(ours) {
			return true, nil
		}
	}
	return false, fault.New(fault.Failed, hintTaken, "publishing: %s/%s:%s holds something else", p.Reference.Registry, p.Reference.Repository, p.tag)
}
