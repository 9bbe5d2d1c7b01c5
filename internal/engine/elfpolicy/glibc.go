package elfpolicy

import (
	"io"
	"regexp"
	"strconv"
	"strings"

	"github.com/tlsfloor/tlsfloor/internal/ground/elffile"
)

var (
	glibcVersion = regexp.MustCompile(`^GLIBC_(\d{1,4}(?:\.\d{1,4}){1,2})$`)
	// abiVersions are versions that stand for a change of the format: the first glibc that knows them.
	abiVersions = map[string]string{"GLIBC_ABI_DT_RELR": "2.36"}
)

// highest returns the highest x.y of the names GLIBC_x.y.
func highest(names []string) string {
	best := ""
	for _, name := range names {
		best = newer(best, abiVersions[name])
		if m := glibcVersion.FindStringSubmatch(name); m != nil {
			best = newer(best, m[1])
		}
	}
	return best
}

// newer returns the higher of two versions; "" is below all.
func newer(a, b string) string {
	if Older(a, b) {
		return b
	}
	return a
}

// Older reports whether version a of glibc is below b; "" is below all.
func Older(a, b string) bool {
	as, bs := numbers(a), numbers(b)
	for i := range as {
		if as[i] != bs[i] {
			return as[i] < bs[i]
		}
	}
	return false
}

func numbers(version string) (n [3]int) {
	for i, part := range strings.SplitN(version, ".", len(n)) {
		n[i], _ = strconv.Atoi(part)
	}
	return n
}

// GLIBC returns the highest version of glibc that an object below tree needs, "" when none does. Objects that
// cannot be read are passed over: what they are worth is Scan's to say.
func GLIBC(tree string) (string, error) {
	best := ""
	err := walk(tree, func(_ string, f io.ReaderAt, _ int64) error {
		head := make([]byte, len(elfMagic))
		if _, err := f.ReadAt(head, 0); err != nil || string(head) != elfMagic {
			return nil
		}
		o := &object{reader: f}
		if err := elffile.Guard(o.header, o.needs); err == nil {
			best = newer(best, highest(o.versions))
		}
		return nil
	})
	return best, err
}
