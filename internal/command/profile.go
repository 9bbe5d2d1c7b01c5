package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/engine/archive"
	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/recipes"
)

// trained trains and writes the profile as an archive, with the lines that pin it in an overlay.
func (c *command) trained(ctx context.Context) error {
	ch, err := c.choose(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(ch.recipes, func(r *recipes.Recipe) bool { return len(r.Train) > 0 })
	if i < 0 {
		return fault.New(fault.Usage, "say -optimize=pgo or -optimize=pgo+lto; where a profile is pinned for this compiler there is nothing to train", "profile %s at optimize %s trains nothing", ch.profile.Name, ch.profile.Optimize)
	}
	r := ch.recipes[i]
	ch.recipes = ch.recipes[:i+1] // they are in order of need
	w, records, err := c.ran(ctx, ch)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "tlsfloor-profile-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	tree := filepath.Join(dir, "tree")
	if err := w.store.Restore(ctx, records[r.Name].Output, tree); err != nil {
		return err
	}
	var packed bytes.Buffer
	top := r.Name + "-" + r.Version
	if err := archive.Pack(ctx, &packed, tree, top, archive.PackOptions{When: time.Unix(0, 0)}); err != nil {
		return err
	}
	out := c.Report
	if out == "" {
		out = "."
	}
	cc := compiler(ctx)
	file := fmt.Sprintf("%s-%s-%s.tar.xz", top, w.plan.Host.Triple, digest.Of([]byte(cc+ch.profile.Sysroot)).Short())
	if err := errors.Join(os.MkdirAll(out, 0o755), os.WriteFile(filepath.Join(out, file), packed.Bytes(), 0o644)); err != nil {
		return err
	}
	sysroot := ""
	if ch.profile.Sysroot != "" {
		sysroot = "    sysroot: " + ch.profile.Sysroot + "\n"
	}
	fmt.Fprintf(c.out, pinText, r.Name, r.Version, yamlText(cc), sysroot, file, digest.Of(packed.Bytes()), packed.Len(), file)
	return nil
}

// pinText is what an overlay says to use a profile instead of training.
const pinText = `name: %s
pins:
  - version: "%s"
    compiler: %s
%s    file: %s
    sha256: %s
    size: %d
    urls: [https://example.org/%s] # where you publish it, or look for it with -mirror
    signature: none
    unsigned: a profile of our own
    vouched: us
`

// yamlText quotes text as YAML wants it in double quotes.
func yamlText(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
}
