package cli

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/tlsfloor/tlsfloor/internal/digest"
	"github.com/tlsfloor/tlsfloor/internal/fault"
)

// Dist compiles all targets into one static program for machines without Go.
func Dist(ctx context.Context, f Flags) error { return run(ctx, f, (*command).dist) }

func (c *command) dist(ctx context.Context) error {
	text, err := os.ReadFile("go.mod")
	if err != nil || !strings.HasPrefix(string(text), "module github.com/tlsfloor/tlsfloor\n") {
		return fault.New(fault.Usage, "go to the folder of tlsfloor's sources", "dist: this folder does not hold tlsfloor's sources")
	}
	out, err := filepath.Abs(cmp.Or(c.O, filepath.Join("artifacts", "out", "tlsfloor-linux-"+runtime.GOARCH)))
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return fmt.Errorf("dist: %w", err)
	}
	// Compiled aside: a program of that name may be running.
	staging := filepath.Join(filepath.Dir(out), ".new-"+filepath.Base(out))
	defer os.Remove(staging)
	cmd := exec.CommandContext(ctx, "go", "tool", "mage", "-compile", staging, "-ldflags", "-s -w -buildid=")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS="+strings.TrimSpace(os.Getenv("GOFLAGS")+" -trimpath -buildvcs=false"), "GOOS=linux")
	cmd.Stderr = os.Stderr
	if said, err := cmd.Output(); err != nil {
		return fault.New(fault.Failed, "it needs Go and, the first time, the modules that go.sum names", "dist: %w: %s", err, said)
	}
	d, size, err := digest.OfFile(staging)
	if err == nil {
		err = os.Rename(staging, out)
	}
	if err != nil {
		return fmt.Errorf("dist: %w", err)
	}
	if c.JSON {
		return c.json(map[string]any{"file": out, "bytes": size, "sha256": d})
	}
	fmt.Fprintf(c.out, "%s  %s\n%.1f MB, for linux/%s: copy it anywhere; it needs nothing but the kernel\n", d, out, float64(size)/1e6, runtime.GOARCH)
	return nil
}
