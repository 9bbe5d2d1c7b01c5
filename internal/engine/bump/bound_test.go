package bump

import (
	"archive/tar"
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/recipes"
)

// tarOf is an archive of files with these names.
func tarOf(t *testing.T, names ...string) *bytes.Reader {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range names {
		h := &tar.Header{Name: name, Mode: 0o644, Typeflag: tar.TypeReg}
		if strings.HasSuffix(name, "/") {
			h.Mode, h.Typeflag = 0o755, tar.TypeDir
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return bytes.NewReader(b.Bytes())
}

// TestBound has the folders of the archives that recipes pin, and what might be served in their place.
func TestBound(t *testing.T) {
	for _, c := range []struct {
		file, version, top string
		vouched            bool
		want               string // of the error; "": none
	}{
		{"openssl-3.5.7.tar.gz", "3.5.7", "openssl-3.5.7", false, ""},
		{"Python-3.13.15.tar.xz", "3.13.15", "Python-3.13.15", false, ""},
		{"ncurses-6.5-20250216.tgz", "6.5+20250216", "ncurses-6.5-20250216", false, ""},
		{"libedit-20250104-3.1.tar.gz", "20250104-3.1", "libedit-20250104-3.1", false, ""},
		{"util-linux-2.41.5.tar.xz", "2.41.5", "util-linux-2.41.5", false, ""},
		{"sqlite3_3.53.4.orig.tar.xz", "3.53.4", "sqlite3-3.53.4", false, ""},
		{"postgresql-17.11.tar.bz2", "17.11", "postgresql-17.11", false, ""},
		{"ca-certificates_20250419.tar.xz", "20250419", "ca-certificates", true, ""},
		{"openssl-3.5.8.tar.gz", "3.5.8", "openssl-openssl-3.5.8", true, ""}, // as a forge packs it

		{"openssl-3.5.99.tar.gz", "3.5.99", "openssl-3.5.7", false, "not of version 3.5.99"},
		{"openssl-3.5.99.tar.gz", "3.5.99", "openssl-3.5.7", true, "not of version 3.5.99"},
		{"openssl-3.5.9.tar.gz", "3.5.9", "openssl-1.3.5.9", true, "not of version 3.5.9"},
		{"openssl-3.5.9.tar.gz", "3.5.9", "openssl-13.5.9", true, "not of version 3.5.9"},
		{"openssl-3.5.9.tar.gz", "3.5.9", "openssl-3.5.91", true, "not of version 3.5.9"},
		{"openssl-3.5.9.tar.gz", "3.5.9", "openssl-3.5.9-beta1", true, "not of version 3.5.9"},
		{"openssl-3.5.8.tar.gz", "3.5.8", "openssl-fips-3.5.8", false, "not of version 3.5.8"},
		{"ca-certificates_20260101.tar.xz", "20260101", "ca-certificates-20250419", true, "not of version"},
		{"ca-certificates_20260101.tar.xz", "20260101", "work", false, "nothing in it says"},
	} {
		k := Candidate{Version: c.version, Source: recipes.Source{File: c.file}}
		if c.vouched {
			k.Voucher = "a signed list"
		}
		err := Bound(t.Context(), tarOf(t, c.top+"/", c.top+"/a"), k)
		refused := fault.CodeOf(err) == fault.BadSignature && strings.Contains(fmt.Sprint(err), c.want)
		if c.want == "" && err != nil || c.want != "" && !refused {
			t.Errorf("%s in %s: %v, want %q", c.file, c.top, err, c.want)
		}
	}
	k := Candidate{Version: "1.2", Source: recipes.Source{File: "a-1.2.tar"}}
	for name, files := range map[string][]string{
		"two folders":     {"a-1.2/x", "a-1.1/x"},
		"the other way":   {"a-1.1/x", "a-1.2/x"},
		"a file beside":   {"a-1.2/x", "README"},
		"a file so named": {"a-1.2"},
		"above":           {"../a-1.2/x"},
	} {
		if err := Bound(t.Context(), tarOf(t, files...), k); fault.CodeOf(err) != fault.BadSignature {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := Bound(t.Context(), tarOf(t, "./", "./a-1.2/", "./a-1.2/x"), k); err != nil {
		t.Errorf("below a dot: %v", err)
	}
	if err := Bound(t.Context(), strings.NewReader("no archive"), k); fault.CodeOf(err) != fault.BadSignature {
		t.Errorf("no archive: %v", err)
	}
}
