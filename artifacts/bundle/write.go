// Package bundle writes what leaves tlsfloor, and holds it against keys, digests and its proof before it is
// installed.
//
// A bundle is a folder of its own name:
//
//	NAME.tar.xz, NAME.tar.zst      the installed trees and the licences, below one folder NAME
//	*.deb, *.rpm                   with -packages: the same trees for dpkg and rpm
//	NAME-controls.tar.zst          the weak peers, with which the proof can be made again; they are never installed
//	index.json                     for programs: versions, keys, digests, what it needs; also a claim for `rebuild -against`
//	sbom.spdx.json                 SPDX 2.3
//	provenance.intoto.json         SLSA v1
//	verdict.txt, cases.json, test-result.intoto.json     what was proved
//	LICENSES.txt, README.md
//	release.json                   with a key: which release it is, and until when it may be installed
//	SHA256SUMS                     of all of these
//	proof/                         the run that proved it: page, transcripts, Statements, and SHA256SUMS of these
//
// What stands beside proof/ is the same, byte for byte, for every build from the same sources with the same
// tools, and for any number of processors. proof/ is not: it holds the time and what TLS has random. With a
// key there are a signature SHA256SUMS.sig of each list, and an envelope *.dsse.json of each Statement; then
// release.json and its line in SHA256SUMS differ too, as they hold a time.
//
// Taking a bundle in (Take) promises: each file of the place that it comes from is read once, into a folder
// that only the caller's user can look into, and nothing but that copy is checked and used; no file is
// copied before a trusted key is known to have signed its list, and none is larger than it may be; no name
// in it is more than a name; what a trusted key has signed is still held against itself, its proof and its
// expiry.
package bundle

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"crypto/sha1"
	"encoding/hex"

	"github.com/tlsfloor/tlsfloor/artifacts/sign"
	"github.com/tlsfloor/tlsfloor/internal/engine/archive"
	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/internal/ground/owned"
	"github.com/tlsfloor/tlsfloor/verify"
	"github.com/tlsfloor/tlsfloor/verify/report"
)

// The files of a bundle beside those of package report.
const (
	IndexFile      = "index.json"
	SBOMFile       = "sbom.spdx.json"
	ProvenanceFile = "provenance.intoto.json"
	LicencesFile   = "LICENSES.txt"
	ReadmeFile     = "README.md"
	ProofDir       = "proof"
	Signature      = ".sig" // behind the name of a list
	statementEnd   = ".intoto.json"
	envelopeEnd    = ".dsse.json"
	armorEnd       = ".asc" // behind the name of a package
)

// constant are the files of a proof that are the same for the same behaviour.
var constant = map[string]bool{report.VerdictFile: true, report.CasesFile: true, report.TestResultFile: true}

// Options says how a bundle is written.
type Options struct {
	Out        string        // the folder that gets the bundle's folder
	Trees      string        // the installed trees, by the names of their folders. A file of licences is added
	Controls   string        // the weak peers, by the names of their components; "": they are left out
	Proof      *verify.Proof // nil: all that depends on it is left out, so that packing and describing can be compared
	About      report.About
	Signer     *sign.Signer  // nil: not signed
	Packages   []string      // which kinds of packages are written too
	Release    int           // theirs
	Maintainer string        // theirs
	PGP        *sign.PGP     // signs them; nil: they have no signature of their own
	Advisories *Advisories   // nil: nobody looked
	Sequence   int64         // of the release, when it is signed; 0: the time
	Valid      time.Duration // how long it may be installed, when it is signed; 0: Valid
	Jobs       int
	Progress   func(doing string) // may be nil
}

// Written is a bundle that was written.
type Written struct {
	Dir   string `json:"dir"`
	Index *Index `json:"index"`
	Key   string `json:"key,omitempty"` // who signed it
}

// Write writes a bundle. It is there whole or not at all; one of the same name is replaced.
func Write(ctx context.Context, in Input, o Options) (*Written, error) {
	f, err := gather(ctx, in)
	if err != nil {
		return nil, err
	}
	if err := makeOut(o.Out); err != nil {
		return nil, fmt.Errorf("bundle: %w", err)
	}
	dir := filepath.Join(o.Out, f.name)
	staging, err := os.MkdirTemp(o.Out, ".new-")
	if err != nil {
		return nil, fmt.Errorf("bundle: %w", err)
	}
	defer os.RemoveAll(staging)
	w := &writer{f, o, staging}
	x, err := w.write(ctx)
	if err != nil {
		return nil, fmt.Errorf("bundle: %w", err)
	}
	if err := errors.Join(os.Chmod(staging, 0o755), syncfs(staging), fault.At("bundle: rename")); err != nil {
		return nil, fmt.Errorf("bundle: %w", err)
	}
	if err := replaceDir(staging, dir); err != nil {
		return nil, fmt.Errorf("bundle: %w", err)
	}
	done := &Written{Dir: dir, Index: x}
	if o.Signer != nil {
		done.Key = o.Signer.Key.ID
	}
	return done, nil
}

// makeOut makes the folder that bundles get into. Root works in none that another user could exchange for a
// link.
func makeOut(path string) error {
	dir, err := owned.Share(path)
	if err != nil {
		return err
	}
	return dir.Close()
}

// replaceDir puts the folder at staging to dir; what stood there stays until the new one is in its place.
func replaceDir(staging, dir string) error {
	if _, err := os.Lstat(dir); err != nil {
		return os.Rename(staging, dir)
	}
	if err := unix.Renameat2(unix.AT_FDCWD, staging, unix.AT_FDCWD, dir, unix.RENAME_EXCHANGE); err != nil {
		return err
	}
	return os.RemoveAll(staging)
}

// syncfs brings all of the folder to the disk before it gets its name.
func syncfs(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.Syncfs(int(f.Fd()))
}

type writer struct {
	*facts
	Options
	dir string
}

func (w *writer) write(ctx context.Context) (*Index, error) {
	licences := w.licences()
	if err := os.WriteFile(filepath.Join(w.Trees, LicencesFile), licences, 0o644); err != nil {
		return nil, err
	}
	x, err := w.index(w.Trees, w.Proof)
	if err != nil {
		return nil, err
	}
	if x.Archives, err = w.archives(ctx); err != nil {
		return nil, err
	}
	if x.Packages, err = w.packages(ctx, x, licences); err != nil {
		return nil, err
	}
	w.progress("describing")
	files := map[string][]byte{LicencesFile: licences, ReadmeFile: w.readme(x)}
	if err := w.signDebs(x, files); err != nil {
		return nil, err
	}
	if files[IndexFile], err = x.Encode(); err != nil {
		return nil, err
	}
	if files[SBOMFile], err = w.sbom(x.published()); err != nil {
		return nil, err
	}
	if files[ProvenanceFile], err = w.provenance(x.published()); err != nil {
		return nil, err
	}
	if w.Signer != nil {
		if files[ReleaseFile], err = newRelease(x.Name, w.Sequence, time.Now(), w.Valid).Encode(); err != nil {
			return nil, err
		}
	}
	if w.Proof == nil {
		return x, w.put(ctx, w.dir, files, x.published())
	}
	run := map[string][]byte{}
	proof, err := report.Files(w.Proof, w.About)
	if err != nil {
		return nil, err
	}
	for _, one := range proof {
		switch {
		case one.Data == nil:
		case constant[one.Name]:
			files[one.Name] = one.Data
		default:
			run[one.Name] = one.Data
		}
	}
	if err := w.put(ctx, w.dir, files, x.published()); err != nil {
		return nil, err
	}
	return x, w.put(ctx, filepath.Join(w.dir, ProofDir), run, nil)
}

func (w *writer) progress(doing string) {
	if w.Progress != nil {
		w.Progress(doing)
	}
}

// archives packs the trees in both formats, and the weak peers.
func (w *writer) archives(ctx context.Context) (all []Archive, err error) {
	for _, one := range []struct {
		file, dir, top string
		format         archive.Format
		controls       bool
	}{
		{w.name + string(archive.XZ), w.Trees, w.name, archive.XZ, false},
		{w.name + string(archive.Zstd), w.Trees, w.name, archive.Zstd, false},
		{w.name + "-controls" + string(archive.Zstd), w.Controls, w.name + "-controls", archive.Zstd, true},
	} {
		if one.dir == "" {
			continue
		}
		w.progress("packing " + one.file)
		a := Archive{File: one.file, Controls: one.controls}
		if err := w.pack(ctx, &a, one.dir, one.top, one.format); err != nil {
			return nil, err
		}
		all = append(all, a)
	}
	return all, nil
}

// pack writes one archive and hashes it on the way.
func (w *writer) pack(ctx context.Context, a *Archive, dir, top string, format archive.Format) error {
	out, err := os.OpenFile(filepath.Join(w.dir, a.File), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer out.Close()
	r, pipe := io.Pipe()
	sums := make(chan error, 1)
	go func() {
		err := a.read(r)
		r.CloseWithError(err)
		sums <- err
	}()
	err = archive.Pack(ctx, io.MultiWriter(out, pipe), dir, top, archive.PackOptions{Format: format, Jobs: w.Jobs, When: w.when})
	pipe.Close()
	return errors.Join(err, <-sums, out.Close())
}

// read takes size and digests from the archive's bytes.
func (a *Archive) read(r io.Reader) (err error) {
	h := sha1.New()
	a.SHA256, a.Bytes, err = digest.OfReader(io.TeeReader(r, h))
	a.SHA1 = hex.EncodeToString(h.Sum(nil))
	return err
}

// put writes the files, the list of their digests and, with a key, what it signs.
func (w *writer) put(ctx context.Context, dir string, files map[string][]byte, archives []Archive) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	var names []string
	for name, data := range files {
		names = append(names, name)
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			return err
		}
	}
	for _, a := range archives {
		names = append(names, a.File)
	}
	if w.Signer != nil {
		w.progress("signing")
	}
	return Seal(ctx, dir, names, w.Signer)
}

// Seal lists the files of dir and, with a signer, signs the list and makes an envelope for each Statement
// among them.
func Seal(ctx context.Context, dir string, names []string, by *sign.Signer) error {
	if err := WriteSums(dir, names); err != nil || by == nil {
		return err
	}
	for _, name := range names {
		to := EnvelopeOf(name)
		if to == "" {
			continue
		}
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		envelope, err := by.Envelope(ctx, data)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, to), envelope, 0o644)
		}
		if err != nil {
			return err
		}
	}
	list, err := os.ReadFile(filepath.Join(dir, Sums))
	if err != nil {
		return err
	}
	sig, err := by.Sign(ctx, list)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, Sums+Signature), sig, 0o644)
}
