package bundle

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/tlsfloor/tlsfloor/internal/engine/archive"
	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// What is copied before it is known whose it is, in bytes. An archive may be as large as
// index.json says, and no larger than largeLimit.
const (
	listLimit  = 1 << 20  // a list, a signature
	smallLimit = 64 << 20 // any other file
	smallTotal = 512 << 20
	countLimit = 1000 // files in a list, entries in a folder

	largeLimit = 4 << 30 // an archive, whatever index.json says: an unsigned one is anybody's word
)

// Source is where a bundle is taken from. Whoever owns that place may change it at any time: each file is
// copied once, and nothing but the copy is looked at.
type Source struct {
	Name string // what messages call it

	// Bring copies the file of this name below the bundle's folder to the new file at to, and no more than
	// limit bytes: ErrTooLarge. One that is not there is fs.ErrNotExist.
	Bring func(ctx context.Context, name, to string, limit int64) error

	// List names what stands in the bundle's folder, or in the folder sub of it; nil: the place does not
	// tell.
	List func(sub string) ([]fs.DirEntry, error)
}

// ErrTooLarge is the error of a file that is larger than it may be.
var ErrTooLarge = errors.New("larger than it may be")

// Folder is the bundle in the folder at path. close ends its use.
func Folder(path string) (from Source, close func(), err error) {
	dir, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return Source{}, nil, fault.New(fault.Usage, "name the folder of a bundle; index.json stands in it",
			"bundle: %w", err)
	}
	f := folder{dir}
	return Source{Name: path, Bring: f.bring, List: f.list}, func() { dir.Close() }, nil
}

// folder is held open: what its name leads to later is not looked at.
type folder struct{ *os.File }

// sub opens a folder below it, through no link.
func (f folder) sub(name string) (*os.File, error) {
	const how = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_CLOEXEC
	fd, err := unix.Openat(int(f.Fd()), ".", how, 0)
	for part := range strings.SplitSeq(path.Clean(name), "/") {
		if err != nil {
			break
		}
		parent := fd
		if part == ".." || part == "" {
			err = unix.EINVAL // nothing of ours is called so
		} else {
			fd, err = unix.Openat(parent, part, how, 0)
		}
		unix.Close(parent)
	}
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: filepath.Join(f.Name(), name), Err: err}
	}
	return os.NewFile(uintptr(fd), filepath.Join(f.Name(), name)), nil
}

func (f folder) list(sub string) ([]fs.DirEntry, error) {
	dir, err := f.sub(sub)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	entries, err := dir.ReadDir(countLimit + 1)
	if err == nil && len(entries) > countLimit {
		err = fmt.Errorf("%s holds more than %d files", dir.Name(), countLimit)
	}
	if err == io.EOF {
		err = nil
	}
	return entries, err
}

// bring opens the file once, through no link and without waiting for the other end of a pipe.
func (f folder) bring(ctx context.Context, name, to string, limit int64) error {
	dir, err := f.sub(path.Dir(name))
	if err != nil {
		return err
	}
	defer dir.Close()
	fd, err := unix.Openat(int(dir.Fd()), path.Base(name),
		unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
	if err != nil {
		return &fs.PathError{Op: "open", Path: filepath.Join(f.Name(), name), Err: err}
	}
	in := os.NewFile(uintptr(fd), filepath.Join(f.Name(), name))
	defer in.Close()
	if info, err := in.Stat(); err != nil || !info.Mode().IsRegular() {
		return errors.Join(err, fmt.Errorf("%s is no regular file", name))
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	// Between two files io.Copy asks the kernel, which shares the blocks where the file system can.
	n, err := io.Copy(out, io.LimitReader(in, limit))
	if err == nil && n == limit {
		if more, _ := io.ReadFull(in, make([]byte, 1)); more > 0 {
			err = ErrTooLarge
		}
	}
	return errors.Join(err, ctx.Err(), out.Close())
}

// Wish says which archives are taken: all of them; or the weak peers and the one that is named, or else
// the one that is unpacked fastest.
type Wish struct {
	All   bool
	Named string
}

// Take copies the bundle into the new folder dir, which only the caller's user can look into, and holds
// that copy against the keys, its digests and its proof; all further use is of the copy. What nobody
// trusted has signed is not copied, but for the lists and their signatures. It needs no network but for
// the source's own. Whatever is wrong with the bundle is fault.BadSignature.
func Take(ctx context.Context, from Source, dir string, trust Trust, wish Wish) (*Checked, error) {
	if len(trust.Keys) == 0 && !trust.Unsigned && trust.Voucher == nil {
		return nil, fault.New(fault.BadSignature,
			hintKey+"; or say -unsigned, and trust the place that it came from",
			"bundle %s: no key is trusted here", from.Name)
	}
	t := &taking{check: check{Trust: trust, Checked: Checked{Dir: dir, From: from.Name}}, from: from,
		wish: wish}
	for _, private := range []string{dir, filepath.Join(dir, ProofDir)} {
		if err := os.Mkdir(private, 0o700); err != nil {
			return nil, fmt.Errorf("bundle: %w", err)
		}
	}
	only := ""
	err := t.lists(ctx)
	if err == nil {
		only, err = t.files(ctx)
	}
	if err != nil {
		return nil, refused(ctx, from.Name, err)
	}
	return look(ctx, t.Checked, trust, only)
}

type taking struct {
	check
	from  Source
	wish  Wish
	all   [2]map[string]digest.Digest // of the lists, in the order of subs
	total int64                       // bytes of what is no archive
}

// subs are the folders of a bundle, each with a list of its own.
var subs = [2]string{"", ProofDir}

// lists brings both lists, and looks who signed them.
func (t *taking) lists(ctx context.Context) error {
	for i, sub := range subs {
		names := []string{Sums}
		if len(t.Keys) > 0 {
			names = append(names, Sums+Signature)
		}
		for _, name := range names {
			err := t.from.Bring(ctx, path.Join(sub, name), filepath.Join(t.Dir, sub, name), listLimit)
			if errors.Is(err, fs.ErrNotExist) && name != Sums {
				err = nil // said by signed
			}
			if err != nil {
				return fault.New(codeOf(err), "name the folder of a bundle; index.json stands in it", "%s: %w",
					path.Join(sub, name), err)
			}
		}
		text, err := os.ReadFile(filepath.Join(t.Dir, sub, Sums))
		if err == nil {
			err = t.signed(filepath.Join(t.Dir, sub), text)
		}
		if err == nil {
			t.all[i], err = parseSums(text)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", filepath.Join(sub, Sums), err)
		}
	}
	t.sums = t.all[0]
	return nil
}

// files brings what the lists name, and returns which archive is to be unpacked.
func (t *taking) files(ctx context.Context) (string, error) {
	if t.from.List != nil {
		for i, sub := range subs {
			entries, err := t.from.List(sub)
			if err != nil {
				return "", err
			}
			if err := extra(entries, sub, t.all[i]); err != nil {
				return "", err
			}
		}
	}
	if _, listed := t.sums[IndexFile]; !listed {
		return "", fmt.Errorf("%s is not listed", IndexFile)
	}
	if err := t.small(ctx, "", IndexFile); err != nil {
		return "", err
	}
	if err := t.listed(IndexFile); err != nil {
		return "", err
	}
	if err := t.index(ctx); err != nil { // it says how large the archives are
		return "", err
	}
	for i, sub := range subs {
		for _, name := range slices.Sorted(maps.Keys(t.all[i])) {
			if sub == "" && (IsArchive(name) || name == IndexFile) {
				continue
			}
			if err := t.small(ctx, sub, name); err != nil {
				return "", err
			}
			if envelope := EnvelopeOf(name); envelope != "" && len(t.Keys) > 0 {
				if err := t.small(ctx, sub, envelope); err != nil {
					return "", err
				}
			}
		}
	}
	return t.archives(ctx)
}

// small brings a file that is no archive. One that is not there is missed when the copy is checked.
func (t *taking) small(ctx context.Context, sub, name string) error {
	to := filepath.Join(t.Dir, sub, name)
	err := t.from.Bring(ctx, path.Join(sub, name), to, min(smallLimit, smallTotal-t.total))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path.Join(sub, name), err)
	}
	info, err := os.Stat(to)
	if err == nil {
		t.total += info.Size()
	}
	return err
}

// archives brings those that are wished for.
func (t *taking) archives(ctx context.Context) (string, error) {
	if t.wish.All {
		for _, a := range t.Index.published() {
			if _, err := t.archive(ctx, a); err != nil {
				return "", err
			}
		}
		return "", nil
	}
	for _, a := range t.Index.Archives {
		if a.Controls {
			if _, err := t.archive(ctx, a); err != nil {
				return "", err
			}
		}
	}
	for _, format := range []archive.Format{archive.Zstd, archive.XZ} {
		i := slices.IndexFunc(t.Index.Archives, func(a Archive) bool {
			return !a.Controls &&
				a.File == t.Index.Name+string(format)
		})
		if i < 0 || t.wish.Named != "" && t.wish.Named != t.Index.Archives[i].File {
			continue
		}
		if there, err := t.archive(ctx, t.Index.Archives[i]); there || err != nil {
			return t.Index.Archives[i].File, err
		}
	}
	name := t.Index.Name
	if t.wish.Named == "" {
		return "", fmt.Errorf("%s.tar.zst is missing", name)
	}
	return "", fault.New(fault.Usage, "name "+name+".tar.zst, or its folder",
		"no archive %s of the installed trees in it", t.wish.Named)
}

// archive brings one, and reports whether it is there. It has as many bytes as the index says, or is not
// copied whole.
func (t *taking) archive(ctx context.Context, a Archive) (bool, error) {
	if a.Bytes > largeLimit {
		return true, fmt.Errorf("%s has %d bytes by %s; %d are the most", a.File, a.Bytes, IndexFile,
			int64(largeLimit))
	}
	if err := Room(t.Dir, a.Bytes); err != nil {
		return true, fmt.Errorf("%s: %w", a.File, err)
	}
	err := t.from.Bring(ctx, a.File, filepath.Join(t.Dir, a.File), a.Bytes)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case errors.Is(err, ErrTooLarge):
		return true, fmt.Errorf("%s was altered: it has more than the %d bytes that are listed", a.File, a.Bytes)
	case err != nil:
		return true, fmt.Errorf("%s: %w", a.File, err)
	}
	return true, nil
}

// Room reports a file system that so many bytes would fill.
func Room(dir string, bytes int64) error {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return nil // then writing tells
	}
	if left := int64(s.Bavail) * s.Bsize; bytes > left {
		return fault.New(fault.Failed, "free some space there",
			"folder %s has %d bytes left, and %d are needed: %w", dir, left, bytes, syscall.ENOSPC)
	}
	return nil
}

// listed holds a copied file against its list.
func (k *check) listed(name string) error {
	got, _, err := digest.OfFile(filepath.Join(k.Dir, name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s is missing", name)
	case err != nil:
		return err
	case got != k.sums[name]:
		return fmt.Errorf("%s was altered: it has sha256 %s, and %s is listed", name, got.Short(),
			k.sums[name].Short())
	}
	return nil
}

// refused says whose bundle it is, and that it is not to be used, unless that is not why it failed.
func refused(ctx context.Context, name string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	hint := fault.HintOf(err)
	if hint == "" {
		hint = hintTake
	}
	return fault.New(codeOf(err), hint, "bundle %s: %w", name, err)
}

// codeOf is fault.BadSignature, but where there is no room for a copy, where the place could not be
// reached, and where something is named that is not in it.
func codeOf(err error) fault.Code {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, ErrUnreachable):
		return fault.Failed
	case fault.CodeOf(err) == fault.Usage:
		return fault.Usage
	}
	return fault.BadSignature
}

// ErrUnreachable is in the error of a source that could not be asked.
var ErrUnreachable = errors.New("not to be had")
