package deploy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/engine/store"
	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/internal/ground/owned"
	"github.com/tlsfloor/tlsfloor/verify"
)

// Judge tries a generation that stands in its folder and is not in use yet.
type Judge func(ctx context.Context, g Generation) (*verify.Proof, error)

// Candidate is a staged generation that somebody wants to put in use.
type Candidate struct {
	Site       Site
	Generation Generation // as Stage returned it, or as it was found there
	Floor      string     // the profile's: a proof of another floor does not count
	Page       func(*verify.Proof) ([]byte, error)
	Elsewhere  string // the bundle that brought the proof with it; empty: the proof is made here
}

// Proved is a generation that may be put in use. Nobody can make one but Prove and Stored, from a complete
// proof without a breach, and the two named exceptions asAdopted and asPackaged. The zero value is no
// generation, and Switch refuses it.
type Proved struct {
	home   string
	number int
}

// Prove tries a candidate, keeps the proof beside its trees and judges it. The proof is returned with every
// error that comes after it was made.
func Prove(ctx context.Context, c Candidate, judge Judge) (Proved, *verify.Proof, error) {
	proof, err := judge(ctx, c.Generation)
	if err != nil {
		return Proved{}, nil, err
	}
	if proof == nil {
		return Proved{}, nil, fault.New(fault.Incomplete, "`verify` tries it again", "generation %d: the judge gave no proof", c.Generation.Number)
	}
	if err := c.Keep(proof); err != nil {
		return Proved{}, proof, err
	}
	if err := Verdict(proof); err != nil {
		return Proved{}, proof, err
	}
	if c.Floor != "" && proof.Floor.String() != c.Floor {
		return Proved{}, proof, fault.New(fault.Incomplete, "`verify` proves it for the profile's floor", "generation %d: its proof is of floor %s, not %s", c.Generation.Number, proof.Floor, c.Floor)
	}
	if err := c.Site.about(c.Generation, proof, true); err != nil {
		return Proved{}, proof, err
	}
	return Proved{c.Site.Home(), c.Generation.Number}, proof, nil
}

// Verdict is nil for a complete proof without a breach.
func Verdict(p *verify.Proof) error {
	switch {
	case p.Breached():
		return fault.New(fault.Breached, "the table names the cases; do not use what was tried where the floor matters", "floor %s breached: %s", p.Floor, p.Summary())
	case !p.Complete():
		return fault.New(fault.Incomplete, "the table names the cases that were not proved, and why", "proof incomplete: %s", p.Summary())
	}
	return nil
}

// Clients are the TLS clients in the trees beside openssl and Python, by the optional sets that brought them.
// A proof tries them too.
func (g Generation) Clients() []verify.Library {
	if slices.Contains(g.With, "postgres") {
		return []verify.Library{verify.Psycopg2, verify.Psql}
	}
	return nil
}

// Edition names the judge and what it asks of a generation: a proof of another edition does not count. It
// is "" for an unknown floor.
func Edition(floor string, g Generation) string {
	f, err := verify.ParseFloor(floor)
	if err != nil {
		return ""
	}
	cases := verify.ExpectedCases(f, g.Components["openssl"].Version, g.Components["python"].Version)
	asked := fmt.Append(nil, verify.Edition, cases)
	for _, l := range g.Clients() {
		asked = fmt.Append(asked, l)
	}
	return digest.Of(asked).Short()
}

// Keep writes the proof beside the generation, for programs and as a page, and notes it in the generation's
// record.
func (c Candidate) Keep(p *verify.Proof) error {
	g, err := c.Site.Generation(c.Generation.Number)
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return err
	}
	files := map[string][]byte{"proof.json": text}
	if c.Page != nil {
		if files["proof.html"], err = c.Page(p); err != nil {
			return err
		}
	}
	home, err := c.Site.home()
	if err != nil {
		return err
	}
	defer home.Close()
	dir, err := owned.Inside(home, strconv.Itoa(g.Number))
	if err != nil {
		return err
	}
	defer dir.Close()
	for name, b := range files {
		if err := owned.ReplaceIn(dir, name, b, 0o644); err != nil {
			return err
		}
	}
	g.Floor = c.Floor
	g.Proof = &ProofNote{Elsewhere: c.Elsewhere, Status: p.Status.String(), Time: p.Time, Judge: Edition(p.Floor.String(), g), Cases: len(p.Findings), Digest: digest.Of(text)}
	if c.Elsewhere == "" {
		g.Proof.Host, _ = os.Hostname() // a machine without a name has no proof less
	}
	return save(home, strconv.Itoa(g.Number), g)
}

// NoteDowngrade notes in generation n what it is older than, as somebody wanted it.
func (s Site) NoteDowngrade(n int, than string) error {
	g, err := s.Generation(n)
	if err != nil || g.Downgrade == than {
		return err
	}
	g.Downgrade = than
	return s.save(g)
}

// Proof reads the proof of a generation and judges it anew, so that what it says of itself is not believed.
// A proof that is missing, was altered or is about something else is an error; whether it passed is
// Verdict's to say.
func (s Site) Proof(g Generation) (*verify.Proof, error) {
	if g.Proof == nil {
		return nil, fmt.Errorf("generation %d has no proof", g.Number)
	}
	b, err := s.read(filepath.Join(strconv.Itoa(g.Number), "proof.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("proof of generation %d: the file proof.json is missing", g.Number)
	}
	if err != nil {
		return nil, err
	}
	if digest.Of(b) != g.Proof.Digest {
		return nil, fmt.Errorf("proof of generation %d: it was altered", g.Number)
	}
	var p verify.Proof
	if err := json.Unmarshal(b, &p); err != nil {
		return nil, fmt.Errorf("proof of generation %d: %w", g.Number, err)
	}
	if p.Kind != verify.KindToolchain || p.OpenSSLVersion != g.Components["openssl"].Version || p.PythonVersion != g.Components["python"].Version {
		return nil, fmt.Errorf("proof of generation %d: it is about something else", g.Number)
	}
	return &p, nil
}

// Stored judges the proof that generation n carries, against its trees and against what this edition of the
// judge asks.
func (s Site) Stored(n int) (Proved, *verify.Proof, error) {
	g, err := s.Generation(n)
	if err != nil {
		return Proved{}, nil, err
	}
	p, err := s.Proof(g)
	if err == nil {
		err = s.holds(g, p)
	}
	if err != nil {
		code := fault.CodeOf(err)
		if code == fault.Failed {
			code = fault.Incomplete
		}
		return Proved{}, p, fault.New(code, fmt.Sprintf("`verify -to=%d` proves it again", n), "%w", err)
	}
	return Proved{s.Home(), n}, p, nil
}

func (s Site) holds(g Generation, p *verify.Proof) error {
	if err := Verdict(p); err != nil {
		return fmt.Errorf("generation %d: %w", g.Number, err)
	}
	if edition := Edition(p.Floor.String(), g); edition != g.Proof.Judge {
		return fmt.Errorf("generation %d was proved by another edition of the test suite (%s) than this tlsfloor's (%s)", g.Number, g.Proof.Judge, edition)
	}
	if g.Floor != "" && p.Floor.String() != g.Floor {
		return fmt.Errorf("generation %d: its proof is of floor %s, not %s", g.Number, p.Floor, g.Floor)
	}
	return s.about(g, p, true)
}

// about holds the files that a proof names against the generation's lists, and those against the components'
// Outputs: a proof of another tree is none of this one. With bytes the files on disk are read too.
func (s Site) about(g Generation, p *verify.Proof, bytes bool) error {
	sums := map[string][]string{} // digest -> the files that have it, below the generation's folder
	sizes := map[string]int64{}   // of those files
	names := map[string]bool{}    // what a file or link of the trees is called
	trees, err := s.lists(g)
	if err != nil {
		return fmt.Errorf("generation %d: %w", g.Number, err)
	}
	for name, tree := range trees {
		for _, e := range tree {
			if names[path.Base(e.Path)] = true; e.Mode.IsRegular() {
				file := filepath.Join(name, e.Path)
				sums[e.Digest.String()], sizes[file] = append(sums[e.Digest.String()], file), e.Size
			}
		}
	}
	for _, l := range g.Clients() {
		if !slices.ContainsFunc(p.Libraries, func(i verify.Installed) bool { return i.Library == l }) {
			return fmt.Errorf("generation %d: its proof did not try %s", g.Number, l)
		}
	}
	seen := map[string]bool{} // components
	for _, t := range p.Subjects {
		files, ok := sums[t.SHA256]
		if !ok && names[path.Base(t.Path)] {
			return fmt.Errorf("generation %d: its proof is of another tree: %s has another digest there", g.Number, t.Path)
		}
		for _, file := range files {
			component, _, _ := strings.Cut(file, "/")
			seen[component] = true
			if !bytes {
				continue
			}
			d, err := sized(filepath.Join(s.Dir(g.Number), file), sizes[file])
			if err != nil || d.String() != t.SHA256 {
				return fmt.Errorf("generation %d: %s was altered since it was proved", g.Number, file)
			}
		}
	}
	for name := range g.Components {
		if !seen[name] {
			return fmt.Errorf("generation %d: its proof names no file of its %s", g.Number, name)
		}
	}
	return nil
}

// sized is the digest of a file of so many bytes: one of another size is not read.
func sized(path string, size int64) (digest.Digest, error) {
	if info, err := os.Stat(path); err != nil || info.Size() != size {
		return digest.Digest{}, errors.Join(err, fmt.Errorf("%s has another size", path))
	}
	d, _, err := digest.OfFile(path)
	return d, err
}

// lists reads the lists of a generation's components, and holds each against its Output.
func (s Site) lists(g Generation) (map[string]store.Tree, error) {
	all := map[string]store.Tree{}
	for name, c := range g.Components {
		b, err := s.read(filepath.Join(strconv.Itoa(g.Number), name+".tree"))
		if err == nil && digest.Of(b) != c.Output {
			err = fmt.Errorf("the list of %s is not that of its Output %s", name, c.Output.Short())
		}
		if err == nil {
			all[name], err = store.ParseTree(b)
		}
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// again is what rollback may go to: a generation whose stored proof holds, or one of the two exceptions.
func (s Site) again(g Generation) (Proved, error) {
	switch {
	case g.Adopted:
		return s.asAdopted(g), nil
	case g.Package != "" && g.Proof != nil && !g.Proof.Verdict.IsZero():
		return s.asPackaged(g)
	}
	p, _, err := s.Stored(g.Number)
	return p, err
}

// asAdopted is the exception for the folders that stood at the prefixes before tlsfloor: nobody proves
// them, and people can have them back.
func (s Site) asAdopted(g Generation) Proved { return Proved{s.Home(), g.Number} }

// VerdictFile is the part of a proof that is the same for the same behaviour. A package, which is the same
// bytes for everybody who makes it, has it in the place of the proof, which holds the time and what TLS has
// random.
const VerdictFile = "verdict.txt"

// PackagedNote is what the record of a package's generation says of the proof that the package was written
// from.
func PackagedNote(g Generation, p *verify.Proof, when time.Time) *ProofNote {
	return &ProofNote{Status: p.Status.String(), Time: when, Elsewhere: g.Package,
		Judge: Edition(p.Floor.String(), g), Cases: len(p.Findings),
		Verdict: digest.Of(p.Verdict())}
}

// asPackaged is the exception for what dpkg or rpm brought: its verdict has to be there, of this edition,
// and of these trees and versions.
func (s Site) asPackaged(g Generation) (Proved, error) {
	text, err := s.read(filepath.Join(strconv.Itoa(g.Number), VerdictFile))
	switch {
	case err != nil:
	case digest.Of(text) != g.Proof.Verdict:
		err = errors.New("its verdict was altered")
	case g.Proof.Status != verify.Pass.String() || !passes(text, g):
		err = errors.New("its verdict is about something else, or is not pass")
	case Edition(g.Floor, g) != g.Proof.Judge:
		err = errors.New("it was proved by another edition of the test suite")
	default:
		_, err = s.lists(g)
	}
	if err != nil {
		return Proved{}, fault.New(fault.Incomplete, fmt.Sprintf("`verify -to=%d` proves it again",
			g.Number), "generation %d: %w", g.Number, err)
	}
	return Proved{s.Home(), g.Number}, nil
}

// passes reads the head of a verdict (verify.Proof.Verdict).
func passes(verdict []byte, g Generation) bool {
	head := map[string]string{}
	for line := range strings.Lines(string(verdict)) {
		word, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		if _, seen := head[word]; !seen {
			head[word] = rest
		}
		if word == "status" {
			break
		}
	}
	return head["status"] == verify.Pass.String() && head["floor"] == g.Floor &&
		head["openssl"] == g.Components["openssl"].Version &&
		head["python"] == g.Components["python"].Version
}
