package bump

import (
	"context"
	"io"
	"path"
	"regexp"
	"strings"

	"github.com/tlsfloor/tlsfloor/internal/engine/archive"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// numbered matches names that say some version: 3.5.7, 1.1.1w, 20250419.
var numbered = regexp.MustCompile(`[0-9]+(\.[0-9]+)+|[0-9]{6,}`)

// Bound reports why the archive in r is not shown to be c's version. A signature is over bytes, and says
// nothing of the name that they are served under: an old release, with the signature that it had, is not to
// pass for a new one. So the folder that everything in the archive is in has to be named as the file is.
// Where a signed list has the digest under the version (Voucher), another name will do, as long as it says
// no other version: distributions pack anew. Errors have fault.BadSignature.
func Bound(ctx context.Context, r io.Reader, c Candidate) error {
	top, err := topFolder(ctx, r, c.Source.File)
	if err != nil {
		return fault.New(fault.BadSignature, "ask another place", "which version it is cannot be read: %w", err)
	}
	name, v := plainName(top), plainName(c.Version)
	want := plainName(c.Source.File)
	if at := strings.Index(want, v); at >= 0 {
		want = want[:at] + v
	}
	refuse := func(format string, args ...any) error {
		hint := "an old release may be served under a newer number: look at it, and pin it by hand"
		return fault.New(fault.BadSignature, hint, format, args...)
	}
	switch {
	case name != "" && name == want, c.Voucher != "" && endsIn(name, v):
		return nil
	case numbered.MatchString(name):
		return refuse("its files are in the folder %q, which is not of version %s", top, c.Version)
	case c.Voucher == "":
		return refuse("nothing in it says that it is version %s: its files are in %s", c.Version, folder(top))
	}
	return nil
}

// plainName makes one of the ways in which places write a name.
func plainName(name string) string {
	return strings.NewReplacer("_", "-", "+", "-").Replace(strings.ToLower(name))
}

// endsIn reports whether the version stands at the end, and is not the end of a longer one.
func endsIn(name, v string) bool {
	before, ok := strings.CutSuffix(name, v)
	return ok && before != "" && !strings.ContainsAny(before[len(before)-1:], ".0123456789")
}

func folder(top string) string {
	if top == "" {
		return "no folder of their own"
	}
	return "the folder " + top
}

// topFolder is the folder that every file in the archive is in; "" where there is none.
func topFolder(ctx context.Context, r io.Reader, name string) (string, error) {
	top, none := "", false
	err := archive.Visit(ctx, r, name, archive.Limits{}, func(v archive.Visited) error {
		first, _, inside := strings.Cut(path.Clean(v.Name), "/")
		switch {
		case first == "." && v.Mode.IsDir():
		case !inside && !v.Mode.IsDir(), first == "", first == "..", top != "" && first != top:
			none = true
		default:
			top = first
		}
		return nil
	})
	if none {
		top = ""
	}
	return top, err
}
