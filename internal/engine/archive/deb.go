package archive

import (
	"bufio"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// debData reads b, a binary package of Debian's (deb(5)), up to the contents of its member data.tar,
// data.tar.gz or data.tar.xz. What stands behind that member is not read.
func debData(b *bufio.Reader) (io.Reader, error) {
	if _, err := b.Discard(len(arMagic)); err != nil {
		return nil, err
	}
	const most = 16 // members before the data; there are two, and further ones are allowed
	for n := range most {
		name, size, err := debMember(b)
		switch {
		case err != nil:
			return nil, err
		case n == 0 && name != "debian-binary":
			return nil, refuse("an ar archive that begins with %s is no package", quote(name))
		case slices.Contains([]string{"data.tar", "data.tar.gz", "data.tar.xz"}, name):
			return &debPart{b, size}, nil
		case strings.HasPrefix(name, "data.tar"):
			return nil, fault.New(fault.Failed, "take a package whose data is packed with xz or gzip, or not at all", "member %s: packed in a way that is not read here", quote(name))
		}
		if _, err := io.Copy(io.Discard, &debPart{b, size + size&1}); err != nil {
			return nil, at("member "+quote(name), err)
		}
	}
	return nil, refuse("no data among the first %d members of the package", most)
}

// debMember reads a member's header, which has no long names in a package.
func debMember(b *bufio.Reader) (name string, size int64, err error) {
	var h [arHeader]byte
	if _, err := io.ReadFull(b, h[:]); err == io.EOF {
		return "", 0, refuse("the package holds no data")
	} else if err != nil {
		return "", 0, at("header of a member", err)
	}
	size, err = strconv.ParseInt(strings.TrimSpace(string(h[48:58])), 10, 64)
	if err != nil || size < 0 || string(h[58:]) != "`\n" {
		return "", 0, refuse("no ar header")
	}
	return strings.TrimSuffix(strings.TrimRight(string(h[:16]), " "), "/"), size, nil
}

// debPart is the contents of a member: what ends before its size is cut.
type debPart struct {
	r    io.Reader
	left int64
}

func (m *debPart) Read(p []byte) (int, error) {
	if m.left == 0 {
		return 0, io.EOF
	}
	n, err := m.r.Read(p[:min(int64(len(p)), m.left)])
	m.left -= int64(n)
	if err == io.EOF && m.left > 0 {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}
