package packages

import (
	"context"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/google/rpmpack"
)

// rpm writes a package whose contents are compressed with zstd, which the rpm of every system reads whose
// libc is new enough.
func (s *Spec) rpm(ctx context.Context, out io.Writer) error {
	members, err := s.members()
	if err != nil {
		return err
	}
	members = append(members, member{path: path.Join("/usr/share/licenses", s.Name()), mode: fs.ModeDir | 0o755},
		member{path: path.Join("/usr/share/licenses", s.Name(), "LICENSES.txt"), mode: 0o644, data: s.Licences})
	p, err := rpmpack.NewRPM(rpmpack.RPMMetaData{Name: s.Name(), Version: s.Version(), Release: s.release(), Arch: s.Arch, Summary: s.summary(), Description: strings.Join(s.description(), "\n"),
		Licence: s.License, Packager: s.Maintainer, Vendor: "tlsfloor", URL: home, Group: "Development/Languages", BuildHost: "localhost", BuildTime: s.when(), Compressor: "zstd:19", Epoch: rpmpack.NoEpoch})
	if err != nil {
		return err
	}
	for _, need := range []string{"libc.so.6(GLIBC_" + s.Generation.GLIBC + ")(64bit)", "ca-certificates", "coreutils", "/bin/sh", "/usr/bin/find", "/usr/bin/flock", "/usr/bin/grep", "/usr/bin/sed"} {
		if err := p.Requires.Set(need); err != nil {
			return err
		}
	}
	for _, m := range members {
		if err := ctx.Err(); err != nil {
			return err
		}
		if m.shared {
			continue
		}
		f := rpmpack.RPMFile{Name: m.path, Mode: uint(m.mode.Perm()), Owner: "root", Group: "root", MTime: uint32(s.when().Unix())}
		switch {
		case m.mode.IsDir():
			f.Mode |= 0o40000
		case m.mode&fs.ModeSymlink != 0:
			f.Mode, f.Body = 0o120777, []byte(m.target)
		default:
			if f.Body, err = m.contents(); err != nil {
				return err
			}
			f.Mode |= 0o100000
		}
		if m.doc {
			f.Type = rpmpack.DocFile
		}
		p.AddFile(f)
	}
	// The words that scripts get are counts: how many of the package there will be after this.
	p.AddPrein(s.script("check"))
	p.AddPostin(s.script("enter"))
	p.AddPreun(s.script(`[ "$1" -gt 0 ] || leave`))
	if s.Sign != nil {
		p.SetPGPSigner(s.Sign)
	}
	return p.Write(out)
}
