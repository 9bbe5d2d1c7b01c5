package packages

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/engine/archive"
)

// debArch is dpkg's name of an architecture.
func debArch(uname string) string {
	switch uname {
	case "x86_64":
		return "amd64"
	case "aarch64":
		return "arm64"
	}
	return uname
}

// Debian Policy, chapter 6, says when which script is called with which words.
var debScripts = []struct{ name, doing string }{
	{"preinst", "case $1 in install | upgrade) check ;; esac"},
	{"postinst", "case $1 in configure | abort-remove) enter ;; esac"},
	{"prerm", "case $1 in remove) leave ;; esac"},
	{"postrm", "case $1 in purge) purge ;; esac"},
}

// deb writes a binary package as deb(5) has it. Its members are compressed with xz, which every dpkg reads.
func (s *Spec) deb(ctx context.Context, out *os.File) error {
	members, err := s.members()
	if err != nil {
		return err
	}
	docs := path.Join("/usr/share/doc", s.Name())
	changelog, err := s.changelog()
	if err != nil {
		return err
	}
	members = append(members, member{path: path.Join(docs, "copyright"), mode: 0o644, data: s.Licences}, member{path: path.Join(docs, "changelog.Debian.gz"), mode: 0o644, data: changelog})
	data, err := os.CreateTemp(filepath.Dir(out.Name()), ".data-*")
	if err != nil {
		return err
	}
	defer os.Remove(data.Name())
	defer data.Close()
	var sums bytes.Buffer
	kib, err := s.data(ctx, data, members, &sums)
	if err != nil {
		return err
	}
	control, err := s.control(kib, sums.Bytes())
	if err != nil {
		return err
	}
	size, err := data.Seek(0, io.SeekCurrent)
	if err == nil {
		_, err = data.Seek(0, io.SeekStart)
	}
	if err != nil {
		return err
	}
	const format = "2.0\n"
	return archive.WriteAr(out, s.When, archive.ArMember{Name: "debian-binary", Size: int64(len(format)), Body: strings.NewReader(format)},
		archive.ArMember{Name: "control.tar.xz", Size: int64(len(control)), Body: bytes.NewReader(control)}, archive.ArMember{Name: "data.tar.xz", Size: size, Body: data})
}

// data writes what is unpacked, with the sums of its files, and returns how many KiB that takes (Debian
// Policy 5.6.20).
func (s *Spec) data(ctx context.Context, out io.Writer, members []member, sums io.Writer) (kib int64, err error) {
	z, err := archive.NewXZ(out)
	if err != nil {
		return 0, err
	}
	t := tar.NewWriter(z)
	for _, m := range members {
		body, err := s.tarred(t, m)
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return 0, fmt.Errorf("packing %s: %w", m.path, err)
		}
		kib += (int64(len(body)) + 1023) / 1024
		if m.mode.IsRegular() {
			sum := md5.Sum(body) // what dpkg --verify reads; nobody is to be kept from doing harm by it
			fmt.Fprintf(sums, "%s  %s\n", hex.EncodeToString(sum[:]), m.path[1:])
		} else {
			kib++
		}
	}
	return kib, errors.Join(t.Close(), z.Close())
}

func (s *Spec) tarred(t *tar.Writer, m member) (body []byte, err error) {
	h := &tar.Header{Name: "." + m.path, Mode: int64(m.mode.Perm()), Uname: "root", Gname: "root", ModTime: s.when()}
	switch m.mode.Type() {
	case fs.ModeDir:
		h.Typeflag, h.Name = tar.TypeDir, h.Name+"/"
	case fs.ModeSymlink:
		h.Typeflag, h.Mode, h.Linkname = tar.TypeSymlink, 0o777, m.target
	default:
		if body, err = m.contents(); err != nil {
			return nil, err
		}
		h.Typeflag, h.Size = tar.TypeReg, int64(len(body))
	}
	if err := t.WriteHeader(h); err != nil {
		return nil, err
	}
	_, err = t.Write(body)
	return body, err
}

func (s *Spec) when() time.Time { return s.When.UTC().Truncate(time.Second) }

// control writes the package's description, its sums and its scripts.
func (s *Spec) control(kib int64, sums []byte) ([]byte, error) {
	var text strings.Builder
	fmt.Fprintf(&text, "Package: %s\nVersion: %s-%s\nArchitecture: %s\nMaintainer: %s\nInstalled-Size: %d\nDepends: libc6 (>= %s), ca-certificates\nSection: utils\nPriority: optional\nHomepage: %s\nDescription: %s\n",
		s.Name(), s.Version(), s.release(), debArch(s.Arch), s.Maintainer, kib, s.Generation.GLIBC, home, s.summary())
	for _, line := range s.description() {
		fmt.Fprintf(&text, " %s\n", line)
	}
	var b bytes.Buffer
	z, err := archive.NewXZ(&b)
	if err != nil {
		return nil, err
	}
	t := tar.NewWriter(z)
	members := []member{{path: "/", mode: fs.ModeDir | 0o755}, {path: "/control", mode: 0o644, data: []byte(text.String())}, {path: "/md5sums", mode: 0o644, data: sums}}
	for _, one := range debScripts {
		members = append(members, member{path: "/" + one.name, mode: 0o755, data: []byte(s.script(one.doing))})
	}
	for _, m := range members {
		m.path = strings.TrimSuffix(m.path, "/")
		if _, err := s.tarred(t, m); err != nil {
			return nil, err
		}
	}
	err = errors.Join(t.Close(), z.Close())
	return b.Bytes(), err
}

// changelog is what Debian Policy 4.4 asks for.
func (s *Spec) changelog() ([]byte, error) {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(z, "%s (%s-%s) unstable; urgency=medium\n\n  * %s.\n\n -- %s  %s\n", s.Name(), s.Version(), s.release(), strings.Join(s.contents(), ".\n  * "), s.Maintainer, s.when().Format(time.RFC1123Z))
	err = z.Close()
	return b.Bytes(), err
}
