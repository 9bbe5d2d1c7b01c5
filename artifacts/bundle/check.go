package bundle

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spdx/tools-golang/spdx/v2/v2_3"

	"github.com/tlsfloor/tlsfloor/artifacts/packages"
	"github.com/tlsfloor/tlsfloor/artifacts/sign"
	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/verify"
	"github.com/tlsfloor/tlsfloor/verify/report"
)

const (
	hintTake = "take the whole folder anew from whoever publishes it; it says nothing about what is installed"
	hintKey  = "-key=<file> names the public key of whoever signed it; keys for all of this machine belong into " + sign.Folder
)

// Trust says whose bundles are accepted.
type Trust struct {
	Keys     []sign.Key // of which one has to have signed everything
	Unsigned bool       // without keys: hold digests and proof against what the bundle itself says

	Voucher *sign.Key // a repository that has vouched for every file: then no signature is asked for

	Stale bool             // one that has expired will do: it is only looked at, or proved again
	Now   func() time.Time // the clock; nil: the machine's
}

// Checked is a bundle that was held against its keys, its digests and its proof.
type Checked struct {
	From  string // where it was taken from
	Dir   string // the private copy that was checked, and that is used
	Index *Index
	Proof *verify.Proof
	Key   *sign.Key // who signed it; nil: nobody was asked for

	Release *Release // which release of it was signed; nil: it says nothing of that

	Archive string // which one is unpacked; "": all were read
}

// check is one look at a bundle.
type check struct {
	Trust
	Checked
	only string // the one archive of the trees that has to be there; "" for everything
	sums map[string]digest.Digest
}

// look holds the copy of a bundle against the keys, its digests and its proof. only names the one archive
// of the installed trees that has to be there, and that is looked into when it is unpacked; "": all of
// them are there, and read.
func look(ctx context.Context, copied Checked, trust Trust, only string) (*Checked, error) {
	k := &check{Trust: trust, Checked: Checked{From: copied.From, Dir: copied.Dir, Archive: only}, only: only}
	for _, step := range []func(context.Context) error{k.lists, k.index, k.release, k.described, k.proved, k.archives} {
		if err := step(ctx); err != nil {
			return nil, refused(ctx, k.From, err)
		}
	}
	return &k.Checked, nil
}

// lists looks at both lists: who signed them, and whether every file is what they say.
func (k *check) lists(ctx context.Context) error {
	for _, sub := range subs {
		sums, err := k.list(ctx, sub)
		if err != nil {
			return fmt.Errorf("%s: %w", filepath.Join(sub, Sums), err)
		}
		if sub == "" {
			k.sums = sums
		}
	}
	return nil
}

func (k *check) list(ctx context.Context, sub string) (map[string]digest.Digest, error) {
	dir := filepath.Join(k.Dir, sub)
	text, err := os.ReadFile(filepath.Join(dir, Sums))
	if err != nil {
		return nil, fault.New(fault.BadSignature, "name the folder of a bundle; index.json stands in it", "%w", err)
	}
	if err := k.signed(dir, text); err != nil {
		return nil, err
	}
	sums, err := parseSums(text)
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	if err := extra(entries, sub, sums); err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		got, _, err := digest.OfFile(filepath.Join(dir, name))
		switch {
		case errors.Is(err, fs.ErrNotExist) && k.mayMiss(name):
		case errors.Is(err, fs.ErrNotExist):
			return nil, fmt.Errorf("%s is missing", name)
		case err != nil:
			return nil, err
		case got != sums[name]:
			return nil, fmt.Errorf("%s was altered: it has sha256 %s, and %s is listed", name, got.Short(), sums[name].Short())
		}
		if err := k.envelope(ctx, dir, name); err != nil {
			return nil, err
		}
	}
	return sums, nil
}

// mayMiss reports whether the file is an archive that is not to be installed.
func (k *check) mayMiss(name string) bool {
	return k.only != "" && name != k.only && IsArchive(name)
}

// IsArchive tells the files of which an index speaks from those that describe them.
func IsArchive(name string) bool {
	return strings.Contains(name, ".tar.") || strings.HasSuffix(name, "."+packages.Deb) || strings.HasSuffix(name, "."+packages.RPM)
}

// signed looks who signed a list.
func (k *check) signed(dir string, text []byte) error {
	if k.Voucher != nil {
		k.Key = k.Voucher
	}
	if len(k.Keys) == 0 {
		return nil
	}
	sig, err := os.ReadFile(filepath.Join(dir, Sums+Signature))
	if errors.Is(err, fs.ErrNotExist) {
		return fault.New(fault.BadSignature, "say -unsigned, and trust the place that it came from; or take one that is signed", "it is not signed")
	}
	if err != nil {
		return err
	}
	key, err := sign.By(k.Keys, text, sig)
	if err != nil {
		return fault.New(fault.BadSignature, hintKey, "%w, of %d that are trusted", err, len(k.Keys))
	}
	if k.Key != nil && k.Key.ID != key.ID {
		return fmt.Errorf("another key signed it than the other list")
	}
	k.Key = &key
	return nil
}

// extra refuses what stands beside the listed files and belongs to none of them.
func extra(entries []fs.DirEntry, sub string, sums map[string]digest.Digest) error {
	for _, e := range entries {
		name := e.Name()
		_, listed := sums[name]
		stem, isEnvelope := strings.CutSuffix(name, envelopeEnd)
		if isEnvelope {
			_, isEnvelope = sums[stem+statementEnd]
		}
		switch {
		case e.IsDir() && sub == "" && name == ProofDir:
		case e.Type().IsRegular() && (listed || isEnvelope || name == Sums || name == Sums+Signature):
		default:
			return fmt.Errorf("%s is extra: nothing lists it", name)
		}
	}
	return nil
}

// envelope holds a Statement's envelope against the Statement and the keys.
func (k *check) envelope(ctx context.Context, dir, name string) error {
	stem, ok := strings.CutSuffix(name, statementEnd)
	if !ok || len(k.Keys) == 0 {
		return nil
	}
	text, err := os.ReadFile(filepath.Join(dir, stem+envelopeEnd))
	if err != nil {
		return fmt.Errorf("the envelope of %s: %w", name, err)
	}
	body, key, err := sign.Open(ctx, k.Keys, text)
	if err != nil {
		return fmt.Errorf("the envelope of %s: %w", name, err)
	}
	statement, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return err
	}
	if !bytes.Equal(body, statement) || key.ID != k.Key.ID {
		return fmt.Errorf("the envelope of %s holds another Statement, or another key signed it", name)
	}
	return nil
}

// index reads index.json and holds it against the list.
func (k *check) index(context.Context) error {
	text, err := k.read(IndexFile)
	if err != nil {
		return err
	}
	if k.Index, err = parseIndex(text); err != nil {
		return fmt.Errorf("%s: %w", IndexFile, err)
	}
	if k.Key != nil && !k.Key.May(k.Index.Claim.Profile) {
		return fault.New(fault.BadSignature, "the policy of this machine says which key is for which profiles",
			"key %s signed it, which is not trusted for profile %s", k.Key.From, k.Index.Claim.Profile)
	}
	if len(k.Index.Archives) == 0 || len(k.Index.Claim.Components) == 0 {
		return fmt.Errorf("%s: it names no archive, or nothing that is installed", IndexFile)
	}
	if err := errors.Join(k.Index.plain(), k.Index.written(text)); err != nil {
		return fmt.Errorf("%s: %w", IndexFile, err)
	}
	for _, a := range k.Index.published() {
		if k.sums[a.File] != a.SHA256 {
			return fmt.Errorf("%s: %s is listed with another digest", IndexFile, a.File)
		}
	}
	for name := range k.sums {
		if IsArchive(name) && !slices.ContainsFunc(k.Index.published(), func(a Archive) bool { return a.File == name }) {
			return fmt.Errorf("%s does not speak of %s", IndexFile, name)
		}
	}
	return nil
}

// read returns a file that the list has.
func (k *check) read(name string) ([]byte, error) {
	if _, ok := k.sums[name]; !ok {
		return nil, fmt.Errorf("%s is not listed", name)
	}
	return os.ReadFile(filepath.Join(k.Dir, name))
}

// described holds SBOM and provenance against what they have to be about.
func (k *check) described(context.Context) error {
	text, err := k.read(SBOMFile)
	if err != nil {
		return err
	}
	var doc v2_3.Document
	if err := json.Unmarshal(text, &doc); err != nil {
		return fmt.Errorf("%s: %w", SBOMFile, err)
	}
	if doc.SPDXVersion != v2_3.Version || doc.DocumentNamespace != k.Index.Namespace() {
		return fmt.Errorf("%s is about something else", SBOMFile)
	}
	if text, err = k.read(ProvenanceFile); err != nil {
		return err
	}
	var statement struct {
		PredicateType string
		Subject       []struct {
			Name   string
			Digest map[string]string
		}
	}
	if err := json.Unmarshal(text, &statement); err != nil {
		return fmt.Errorf("%s: %w", ProvenanceFile, err)
	}
	if statement.PredicateType != ProvenanceType {
		return fmt.Errorf("%s is no provenance", ProvenanceFile)
	}
	subjects := map[string]string{}
	for _, one := range statement.Subject {
		subjects[one.Name] = one.Digest["sha256"]
	}
	for _, a := range k.Index.published() {
		if subjects[a.File] != a.SHA256.String() {
			return fmt.Errorf("%s does not speak of %s", ProvenanceFile, a.File)
		}
	}
	if len(statement.Subject) != len(k.Index.published()) {
		return fmt.Errorf("%s speaks of something that %s does not, or twice of the same", ProvenanceFile,
			IndexFile)
	}
	return nil
}

// proved judges the proof again, and holds it against what the bundle says of it.
func (k *check) proved(context.Context) error {
	text, err := os.ReadFile(filepath.Join(k.Dir, ProofDir, report.ProofFile))
	if err != nil {
		return fmt.Errorf("its proof: %w", err)
	}
	p := new(verify.Proof)
	if err := json.Unmarshal(text, p); err != nil {
		return fmt.Errorf("its proof: %w", err)
	}
	verdict, err := k.read(report.VerdictFile)
	if err != nil {
		return err
	}
	components := k.Index.Claim.Components
	switch {
	case p.Kind != verify.KindToolchain || p.Floor.String() != k.Index.Floor || p.OpenSSLVersion != components["openssl"].Version || p.PythonVersion != components["python"].Version:
		return fmt.Errorf("its proof is about something else")
	case k.Index.Proof.Edition != verify.Edition:
		return fault.New(fault.BadSignature, "use the tlsfloor that it was made with, or take one that was made with this", "its proof is of edition %d of the judge, and this is edition %d, whose cases it does not hold", k.Index.Proof.Edition, verify.Edition)
	case p.Status != verify.Pass:
		return fmt.Errorf("its proof is not pass: %s", p.Summary())
	case !bytes.Equal(p.Verdict(), verdict) || digest.Of(verdict) != k.Index.Proof.Verdict:
		return fmt.Errorf("%s is not what its proof shows", report.VerdictFile)
	default:
		if err := k.stated(p); err != nil {
			return err
		}
	}
	k.Proof = p
	return nil
}

// stated holds the Statements against those that the proof gives.
func (k *check) stated(p *verify.Proof) error {
	s, err := report.Attest(p)
	if err != nil {
		return err
	}
	for name, want := range map[string][]byte{report.TestResultFile: s.TestResult, filepath.Join(ProofDir, report.SCAIFile): s.SCAI, filepath.Join(ProofDir, report.SVRFile): s.SVR} {
		got, err := os.ReadFile(filepath.Join(k.Dir, name))
		if err != nil {
			return err
		}
		if len(want) == 0 || !bytes.Equal(got, want) {
			return fmt.Errorf("%s is not what the proof shows", name)
		}
	}
	return nil
}

// EnvelopeOf returns the name of the envelope of a Statement, "" for another file.
func EnvelopeOf(name string) string {
	if stem, ok := strings.CutSuffix(name, statementEnd); ok {
		return stem + envelopeEnd
	}
	return ""
}
