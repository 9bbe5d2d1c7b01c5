package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/tlsfloor/tlsfloor/artifacts/bundle"
	"github.com/tlsfloor/tlsfloor/artifacts/sign"
	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// What lies beside the program, by its name and these endings.
const (
	distSums = ".sha256"    // the list that sha256sum -c reads, of the program and its SBOM
	distSBOM = ".spdx.json" // bundle.ProgramSBOM
)

// dist compiles all targets into one static program for machines without Go, and describes and signs it.
func (c *command) dist(ctx context.Context) error {
	text, err := os.ReadFile("go.mod")
	if err != nil || !strings.HasPrefix(string(text), "module github.com/tlsfloor/tlsfloor\n") {
		return fault.New(fault.Usage, "go to the folder of tlsfloor's sources",
			"dist: this folder does not hold tlsfloor's sources")
	}
	signer, err := c.signer() // before anything is compiled
	if err != nil {
		return err
	}
	out, err := filepath.Abs(cmp.Or(c.O, filepath.Join("artifacts", "out", "tlsfloor-linux-"+runtime.GOARCH)))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return fmt.Errorf("dist: %w", err)
	}
	// Compiled aside: a program of that name may be running.
	staging, err := os.MkdirTemp(filepath.Dir(out), ".new-")
	if err != nil {
		return fmt.Errorf("dist: %w", err)
	}
	defer os.RemoveAll(staging)
	made := filepath.Join(staging, filepath.Base(out))
	if err := compile(ctx, made); err != nil {
		return err
	}
	d, err := describe(ctx, made, signer)
	if err != nil {
		return fmt.Errorf("dist: %w", err)
	}
	if err := d.put(out); err != nil {
		return fmt.Errorf("dist: %w", err)
	}
	return c.tellDist(d)
}

// compile makes the program: the same bytes from any folder.
func compile(ctx context.Context, to string) error {
	cmd := exec.CommandContext(ctx, "go", "tool", "mage", "-compile", to, "-ldflags", "-s -w -buildid=")
	flags := strings.TrimSpace(os.Getenv("GOFLAGS") + " -trimpath -buildvcs=false")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS="+flags, "GOOS=linux")
	cmd.Stderr = os.Stderr
	if said, err := cmd.Output(); err != nil {
		return fault.New(fault.Failed, "it needs Go and, the first time, the modules that go.sum names",
			"dist: %w: %s", err, said)
	}
	return nil
}

// dist is a program with what lies beside it.
type dist struct {
	File   string        `json:"file"`
	Bytes  int64         `json:"bytes"`
	SHA256 digest.Digest `json:"sha256"`
	Key    string        `json:"key,omitempty"` // who signed both
	Beside []string      `json:"beside"`        // endings
}

// describe writes SBOM, list and, with a signer, signatures beside the program at file.
func describe(ctx context.Context, file string, signer *sign.Signer) (*dist, error) {
	name := filepath.Base(file)
	d := &dist{File: file, Beside: []string{distSBOM, distSums}}
	sbom, err := bundle.ProgramSBOM(file, name)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(file+distSBOM, sbom, 0o644); err != nil {
		return nil, err
	}
	if d.SHA256, d.Bytes, err = digest.OfFile(file); err != nil {
		return nil, err
	}
	list := fmt.Sprintf("%s  %s\n%s  %s\n", d.SHA256, name, digest.Of(sbom), name+distSBOM)
	if err := os.WriteFile(file+distSums, []byte(list), 0o644); err != nil || signer == nil {
		return d, err
	}
	d.Key = signer.Key.ID
	for _, of := range []string{"", distSBOM} {
		data, err := os.ReadFile(file + of)
		if err != nil {
			return nil, err
		}
		sig, err := signer.Sign(ctx, data)
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(file+of+bundle.Signature, sig, 0o644); err != nil {
			return nil, err
		}
		d.Beside = append(d.Beside, of+bundle.Signature)
	}
	return d, d.signed(&signer.Key)
}

// signed reads back what was written, and holds both signatures against the key.
func (d *dist) signed(key *sign.Key) error {
	for _, of := range []string{"", distSBOM} {
		data, err := os.ReadFile(d.File + of)
		if err != nil {
			return err
		}
		sig, err := os.ReadFile(d.File + of + bundle.Signature)
		if err != nil {
			return err
		}
		if !key.Signed(data, sig) {
			return fault.New(fault.BadSignature, "write it anew", "%s: its signature is not by key %s",
				d.File+of, key.ID[:12])
		}
	}
	return nil
}

// put moves all of it to its place. What an earlier one left beside it goes first: it is about other bytes.
func (d *dist) put(out string) error {
	for _, ending := range []string{distSBOM, distSums, bundle.Signature, distSBOM + bundle.Signature} {
		if err := os.Remove(out + ending); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	for _, ending := range append([]string{""}, d.Beside...) {
		if err := os.Rename(d.File+ending, out+ending); err != nil {
			return err
		}
	}
	d.File = out
	return nil
}

func (c *command) tellDist(d *dist) error {
	if c.JSON {
		return c.json(d)
	}
	how := "not signed"
	if d.Key != "" {
		how = "signed by key " + d.Key[:16]
	}
	fmt.Fprintf(c.out, "%s  %s\n%.1f MB, for linux/%s: copy it anywhere; it needs nothing but the kernel\n",
		d.SHA256, d.File, float64(d.Bytes)/1e6, runtime.GOARCH)
	fmt.Fprintf(c.out, "beside it %s; %s\n", strings.Join(d.Beside, ", "), how)
	return nil
}
