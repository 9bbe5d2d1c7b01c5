package sandbox

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
)

// perlScript loads modules and prints lines of a kind and a path: the folders of Perl's core, those of
// @INC, the files loaded, and the names, relative to @INC, of what was loaded or looked for in vain. That
// is without /usr/local, which a sandbox hides.
const perlScript = `use Config;
BEGIN { @INC = grep { !m{^/usr/local(/|$)} } @INC }
my @inc = @INC;
my %name;
push @INC, sub { $name{$_[1]} = 1; () };
for (@ARGV) { eval "require $_" }
$name{$_} = 1 for keys %INC;
my @file = grep { defined && !ref } values %INC, @DynaLoader::dl_shared_objects;
print map "$_\n", (map "core $_", $Config{privlibexp}, $Config{archlibexp}), (map "inc $_", @inc),
	(map "file $_", sort @file), (map "name $_", sort keys %name);`

// perlAnswer is what perlScript prints, by the kind of line.
type perlAnswer map[string][]string

func parsePerl(text string) perlAnswer {
	a := perlAnswer{}
	for line := range strings.Lines(text) {
		if kind, path, ok := strings.Cut(strings.TrimSuffix(line, "\n"), " "); ok {
			a[kind] = append(a[kind], path)
		}
	}
	return a
}

// dependsOn returns those files and folders that there are of all that could change the answer: a module
// may come to stand before another one in @INC, or where none was found.
func (a perlAnswer) dependsOn() []string {
	var there []string
	for _, dir := range a["inc"] {
		if _, err := os.Stat(dir); err != nil || !filepath.IsAbs(dir) {
			continue
		}
		there = append(there, dir)
		for _, name := range a["name"] {
			path := filepath.Join(dir, name)
			if _, err := os.Stat(path); err == nil {
				there = append(there, path)
			}
		}
	}
	return there
}

func (h Host) askPerl(ctx context.Context, perl string) string {
	return h.ask(ctx, "", perl, append([]string{"-e", perlScript, "Text::Template"}, perlModules...)...)
}

// perlLines covers the folders of Perl's core modules, and what the needed modules load from elsewhere.
func (h Host) perlLines(ctx context.Context, c *cache, lines *digest.Lines) error {
	perl := h.Find("perl")
	if perl == "" {
		return nil
	}
	files := func(text string) []string { return append(parsePerl(text).dependsOn(), perl) }
	text, err := c.learnt("ask perl", files, func() string { return h.askPerl(ctx, perl) })
	if err != nil {
		return err
	}
	answer := parsePerl(text)
	core, loaded := slices.Compact(answer["core"]), []string{}
	if len(core) == 0 {
		return nil
	}
	for _, dir := range core {
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) { // a minimal perl names folders that it does not bring
			lines.Add("perl "+dir, "absent")
			continue
		}
		if err := c.treeLine(lines, "perl "+dir, dir, notPod); err != nil {
			return err
		}
	}
	for _, path := range answer["file"] {
		inCore := slices.ContainsFunc(core, func(dir string) bool { return within(path, dir) })
		if _, err := os.Stat(path); err == nil && !inCore {
			loaded = append(loaded, path)
		}
	}
	return c.filesLine(lines, "perl modules", "", loaded)
}

func keepAll(string) bool     { return true }
func notPod(path string) bool { return filepath.Ext(path) != ".pod" }
