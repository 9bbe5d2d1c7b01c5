package archive

import (
	"archive/tar"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// debMade is one member of a package.
type debMade struct {
	name string
	data []byte
}

var debHead = debMade{"debian-binary", []byte("2.0\n")}

func debOf(parts ...debMade) []byte {
	b := []byte(arMagic)
	for _, p := range parts {
		b = fmt.Appendf(b, "%-16s%-12d%-6d%-6d%-8s%-10d`\n", p.name, 1_700_000_000, 0, 0, "100644", len(p.data))
		b = append(b, p.data...)
		if len(p.data)%2 == 1 {
			b = append(b, '\n')
		}
	}
	return b
}

// libc has the kinds of links that libc's packages have.
func libc(t testing.TB) []byte {
	return tarOf(t, dirEntry("./"), dirEntry("./lib/x/"), fileEntry("./lib/x/libc-2.31.so", "code"),
		linkEntry(tar.TypeSymlink, "./lib/x/libc.so.6", "libc-2.31.so"),
		linkEntry(tar.TypeSymlink, "./usr/lib/x/libc.so", "/lib/x/libc.so.6"),
		linkEntry(tar.TypeSymlink, "./ld.so", "//lib/x/ld.so"))
}

func TestUnpackDeb(t *testing.T) {
	control := debMade{"control.tar.xz", []byte("odd")} // odd: a byte of padding follows
	for name, data := range map[string]debMade{
		"xz": {"data.tar.xz", xzed(t, libc(t))}, "gz": {"data.tar.gz/", gz(t, libc(t))}, "tar": {"data.tar", libc(t)},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "out")
			deb := debOf(debHead, control, data, debMade{"_more", []byte("not read")})
			if err := Unpack(t.Context(), bytes.NewReader(deb), dir, Options{Strip: 1}); err != nil {
				t.Fatal(err)
			}
			if text, err := os.ReadFile(filepath.Join(dir, "usr/lib/x/libc.so")); string(text) != "code" {
				t.Errorf("through two links: %q, %v", text, err)
			}
			for link, want := range map[string]string{"usr/lib/x/libc.so": "../../../lib/x/libc.so.6", "lib/x/libc.so.6": "libc-2.31.so", "ld.so": "lib/x/ld.so"} {
				if got, err := os.Readlink(filepath.Join(dir, link)); got != want {
					t.Errorf("%s leads to %q, %v; want %q", link, got, err, want)
				}
			}
			contained(t, dir)
			alone(t, dir)
		})
	}
}

func TestUnpackRefusesDebs(t *testing.T) {
	data := func(entries ...entry) []byte {
		return debOf(debHead, debMade{"data.tar.gz", gz(t, tarOf(t, entries...))})
	}
	whole := debOf(debHead, debMade{"data.tar", libc(t)})
	size := bytes.Index(whole, []byte("data.tar")) + 48
	negative := bytes.Clone(whole)
	copy(negative[size:], "-1        ")
	for name, c := range map[string]struct {
		deb  []byte
		want string
	}{
		"absolute name":       {data(fileEntry("/etc/x", "1")), "an absolute name"},
		"dot dot":             {data(fileEntry("./../x", "1")), `a name with ".."`},
		"link dot dot":        {data(linkEntry(tar.TypeSymlink, "./a/l", "/../../x")), "outside of the archive"},
		"link dot dot deeper": {data(linkEntry(tar.TypeSymlink, "./a/l", "/b/../../../x")), `with ".." behind a name`},
		"relative link out":   {data(linkEntry(tar.TypeSymlink, "./a/l", "../../x")), "outside of the archive"},
		"below a link":        {data(linkEntry(tar.TypeSymlink, "./l", "/usr"), fileEntry("./l/x", "1")), "which is not a folder"},
		"link to the root":    {data(linkEntry(tar.TypeSymlink, "./l", "/")), "a link to nothing"},
		"device":              {data(entry{Header: tar.Header{Name: "./null", Typeflag: tar.TypeChar}}), "is not a file, folder or link"},
		"no data":             {debOf(debHead, debMade{"control.tar.xz", []byte("x")}), "holds no data"},
		"only the magic":      {[]byte(arMagic), "holds no data"},
		"data too late":       {debOf(append(many(debHead, 16), debMade{"data.tar", libc(t)})...), "no data among the first 16"},
		"library":             {debOf(debMade{"/", []byte("index")}, debMade{"data.tar", libc(t)}), "is no package"},
		"zstd":                {debOf(debHead, debMade{"data.tar.zst", []byte{0x28, 0xb5, 0x2f, 0xfd}}), `member "data.tar.zst": packed in a way`},
		"package within":      {debOf(debHead, debMade{"data.tar", whole}), "nor a .deb file"},
		"empty data":          {debOf(debHead, debMade{"data.tar", nil}), "nor a .deb file"},
		"cut header":          {whole[:len(arMagic)+60+4+30], "header of a member"},
		"cut member":          {debOf(debHead, debMade{"control.tar", libc(t)})[:400], `member "control.tar": unexpected EOF`},
		"cut data":            {whole[:len(whole)-10], "unexpected EOF"},
		"negative size":       {negative, "no ar header"},
		"no header":           {append([]byte(arMagic), strings.Repeat("x", 100)...), "no ar header"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "out")
			err := Unpack(t.Context(), bytes.NewReader(c.deb), dir, Options{})
			if err == nil || !strings.Contains(err.Error(), c.want) || fault.HintOf(err) == "" {
				t.Errorf("got %v with hint %q, want %q", err, fault.HintOf(err), c.want)
			}
			if _, err := os.Lstat(dir); err == nil {
				t.Error("a folder is left")
			}
			alone(t, dir)
		})
	}
}

func many(p debMade, n int) []debMade {
	var all []debMade
	for range n {
		all = append(all, p)
	}
	return all
}
