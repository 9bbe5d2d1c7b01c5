package sandbox

import (
	"context"
	"path/filepath"
	"strings"
)

// Origin is the distribution's package that a tool came with.
type Origin struct {
	Tool    string `json:"tool"`
	Package string `json:"package"` // empty where no package manager knows the file
	Version string `json:"version"` // the package's, else what the tool says about itself
}

// origins are the tools whose packages decide what a compilation gives.
var origins = []string{"cc", "as", "ld", "ar", "make", "perl"}

// Origins says for compiler, binutils, make, perl and libc which package of which version they are.
func (h Host) Origins(ctx context.Context) []Origin {
	var all []Origin
	for _, name := range origins {
		if path := h.Find(name); path != "" {
			all = append(all, h.origin(ctx, name, path))
		}
	}
	if cc := h.Find("cc"); cc != "" {
		for _, f := range []struct{ tool, file string }{{"libc", "libc.so.6"}, {"libc headers", "crt1.o"}} {
			if path := strings.TrimSpace(h.ask(ctx, "", cc, "-print-file-name="+f.file)); filepath.IsAbs(path) {
				all = append(all, h.origin(ctx, f.tool, path))
			}
		}
	}
	return all
}

func (h Host) origin(ctx context.Context, tool, path string) Origin {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	o := Origin{Tool: tool}
	// A distribution whose /bin leads to /usr/bin may list its files by either path.
	for _, p := range []string{path, strings.TrimPrefix(path, "/usr")} {
		if dpkg := h.Find("dpkg-query"); dpkg != "" {
			if owner, _, ok := strings.Cut(h.ask(ctx, "", dpkg, "-S", p), ": "); ok {
				o.Package, o.Version, _ = strings.Cut(strings.TrimSpace(h.ask(ctx, "", dpkg, "-W", "-f", "${Package} ${Version}", owner)), " ")
			}
		} else if rpm := h.Find("rpm"); rpm != "" {
			o.Package, o.Version, _ = strings.Cut(strings.TrimSpace(h.ask(ctx, "", rpm, "-q", "--qf", "%{NAME} %{VERSION}-%{RELEASE}", "-f", p)), " ")
		}
		if o.Version != "" {
			return o
		}
	}
	o.Package, o.Version = "", h.version(ctx, path)
	return o
}
