// Package owned knows the folders in which somebody may work with all rights that they have.
//
// Promise: a folder that Open, Make or Check accepts, and every folder and link on the way to it, can be
// changed by nobody but root and the caller. So nobody else can lead what is done there elsewhere: not by a
// link, not by a rename, not at any moment afterwards. As root that means folders that root owns; as an
// ordinary user, root's and one's own. A folder on the way may be open to all where it is sticky, as /tmp
// is: there one can neither remove nor rename what others own.
//
// A path may be one of an image: then it is resolved as if the image's folder were the root, as chroot(2)
// would, and leads nowhere else.
//
// Exceptions: whoever is root can change everything. POSIX ACLs are not looked at beyond the mask, which
// stands in the place of the group's permissions. In a user namespace the host's root is nobody: there,
// folders above the last one may be of an owner that the namespace does not know.
package owned

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// maxLinks is how many links Linux follows in one path (path_resolution(7)).
const maxLinks = 40

// Open returns the folder at path, below image if that is not "".
func Open(image, path string) (*os.Root, error) {
	real, missing, err := walk(image, path, true)
	if err == nil {
		err = absent(real, missing)
	}
	if err != nil {
		return nil, err
	}
	return folder(real)
}

// Make is Open for a folder that may have to be made, with all that is missing above it.
func Make(image, path string) (*os.Root, error) {
	if image != "" {
		if err := makeImage(image); err != nil {
			return nil, err
		}
	}
	for range 1000 {
		real, missing, err := walk(image, path, true)
		if err != nil {
			return nil, err
		}
		if len(missing) == 0 {
			return folder(real)
		}
		// In a sticky folder somebody else may be first: the next turn looks at what stands there.
		if err := os.Mkdir(filepath.Join(real, missing[0]), 0o755); err != nil && !errors.Is(err,
			fs.ErrExist) {
			return nil, err
		}
	}
	return nil, fmt.Errorf("folder %s: somebody else removes it as soon as it is made", path)
}

func makeImage(image string) error {
	r, err := Make("", image)
	if err == nil {
		err = r.Close()
	}
	return err
}

// Check is Open without opening. A folder that is not there is an fs.ErrNotExist, after those above it were
// looked at.
func Check(image, path string) error {
	real, missing, err := walk(image, path, true)
	if err != nil {
		return err
	}
	return absent(real, missing)
}

// File looks at a file, or a link to one, and at all folders on the way.
func File(path string) error {
	_, missing, err := walk("", path, true)
	if err == nil && len(missing) > 0 {
		err = &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	return err
}

// mostFiles is how many files Tree looks at: more are no folder of recipes.
const mostFiles = 100_000

// Tree looks at everything below path too, and at what links in it lead to.
func Tree(path string) error {
	seen := map[string]bool{}
	var look func(path string) error
	look = func(path string) error {
		real, missing, err := walk("", path, true)
		if err != nil || len(missing) > 0 || seen[real] {
			return err // nobody reads what a link does not lead to
		}
		if seen[real] = true; len(seen) > mostFiles {
			return fmt.Errorf("folder %s: more than %d files", path, mostFiles)
		}
		if info, err := os.Lstat(real); err != nil || !info.IsDir() {
			return err
		}
		entries, err := os.ReadDir(real)
		for _, e := range entries {
			if err == nil {
				err = look(filepath.Join(real, e.Name()))
			}
		}
		return err
	}
	return look(path)
}

// Inside opens the folder name of dir, which must be no link and belong to nobody else.
func Inside(dir *os.Root, name string) (*os.Root, error) {
	info, err := dir.Lstat(name)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir.Name(), name)
	if !info.IsDir() {
		return nil, fault.New(fault.Failed, "move it away: tlsfloor makes a folder there",
			"%s: it is no folder", path)
	}
	if err := judge(path, info, last); err != nil {
		return nil, err
	}
	return dir.OpenRoot(name)
}

// Resolve returns the host's path of a path of the image, without looking at owners: the links in it lead
// to the image's files. What does not exist is appended. A path that cannot be resolved is one at which
// nothing can be.
func Resolve(image, path string) string {
	if image == "" || image == "/" {
		return filepath.Clean(path)
	}
	real, missing, err := walk(image, path, false)
	if err != nil {
		return filepath.Join(os.DevNull, path)
	}
	return filepath.Join(append([]string{real}, missing...)...)
}

func absent(real string, missing []string) error {
	if len(missing) == 0 {
		return nil
	}
	return &fs.PathError{Op: "open", Path: filepath.Join(append([]string{real}, missing...)...),
		Err: fs.ErrNotExist}
}

// begin is where a walk begins, and what it has to go; there is false where the image is missing.
func begin(image, path string, look bool) (top string, rest []string, there bool, err error) {
	if image == "" || image == "/" {
		path, err = filepath.Abs(path)
		return "/", split(path), err == nil, err
	}
	top, missing, err := walk("", image, look)
	if err != nil {
		return "", nil, false, err
	}
	return filepath.Join(append([]string{top}, missing...)...), split(path), len(missing) == 0, nil
}

// walk goes from the root, or the image, to path, and returns the path without links of the last thing that
// is there, and what is missing below. Each folder is looked at before anything in it is, so that what was
// looked at stays as it was.
func walk(image, path string, look bool) (real string, missing []string, err error) {
	top, rest, there, err := begin(image, path, look)
	if !there {
		return top, rest, err
	}
	done := top
	if look {
		if err := inspect(top, len(rest) == 0); err != nil {
			return "", nil, err
		}
	}
	for links := 0; len(rest) > 0; {
		name := rest[0]
		rest = rest[1:]
		if name == ".." {
			if done != top {
				done = filepath.Dir(done)
			}
			continue
		}
		here := filepath.Join(done, name)
		info, err := os.Lstat(here)
		if errors.Is(err, fs.ErrNotExist) {
			return done, append([]string{name}, rest...), nil
		}
		if err != nil {
			return "", nil, err
		}
		link := info.Mode()&fs.ModeSymlink != 0
		if look {
			at := above
			if !link {
				at = place(len(rest) == 0)
			}
			if err := judge(here, info, at); err != nil {
				return "", nil, err
			}
		}
		if !link {
			done = here
			continue
		}
		if links++; links > maxLinks {
			return "", nil, &fs.PathError{Op: "open", Path: path, Err: syscall.ELOOP}
		}
		target, err := os.Readlink(here)
		if err != nil {
			return "", nil, err
		}
		if filepath.IsAbs(target) {
			done = top
		}
		rest = append(split(target), rest...)
	}
	return done, nil, nil
}

// split keeps "..", which means the folder above what a link led to.
func split(path string) []string {
	var parts []string
	for part := range strings.SplitSeq(path, "/") {
		if part != "" && part != "." {
			parts = append(parts, part)
		}
	}
	return parts
}

// place says whether something is the last on the way: that may not be open to others even where it is
// sticky.
type place bool

const (
	above place = false
	last  place = true
)

func inspect(path string, isLast bool) error {
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	return judge(path, info, place(isLast))
}

// judge looks at one folder, file or link.
func judge(path string, info fs.FileInfo, where place) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Errorf("%s: its owner is not known", path)
	}
	what := "folder"
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		what = "link"
	case !info.IsDir():
		what = "file"
	}
	if !ours(st.Uid) && (where == last || what != "folder" || !unknown(st.Uid)) {
		who := "you or root"
		if os.Geteuid() == 0 {
			who = "root"
		}
		return fault.New(fault.Failed,
			fmt.Sprintf("choose a folder that only %s may change on the whole way to it, "+
				"run it as user %d, or give it to root: chown -h root %s", who, st.Uid, path),
			"%s %s: owned by user %d, not by %s (mode %04o)", what, path, st.Uid, who, info.Mode().Perm())
	}
	if what == "link" || where == above && what == "folder" && info.Mode()&fs.ModeSticky != 0 {
		return nil // a link has no mode; in a sticky folder what is ours stays
	}
	others := fs.FileMode(0o022)
	if private(st.Gid) {
		others = 0o002
	}
	if info.Mode().Perm()&others == 0 {
		return nil
	}
	hint := "run: chmod go-w " + path
	switch {
	case info.Mode()&fs.ModeSticky != 0:
		hint = "choose a folder of your own in it"
	case where == above && what == "folder":
		hint += " (or chmod +t, so that others cannot rename what is not theirs)"
	}
	return fault.New(fault.Failed, hint, "%s %s: others may write to it (owner %d, mode %04o)", what,
		path, st.Uid, info.Mode().Perm())
}

// Mine looks at one file or folder that was found: nobody but root and the caller may change it.
func Mine(path string, info fs.FileInfo) error { return judge(path, info, last) }

func ours(uid uint32) bool { return uid == 0 || int(uid) == os.Geteuid() }

// private reports whether nobody but an ordinary caller is in the group: many systems give each user such a
// group and let it write.
func private(gid uint32) bool {
	if os.Geteuid() == 0 || int(gid) != os.Getegid() {
		return false
	}
	return int(gid) == os.Geteuid() || namesake()
}

// namesake reports whether the caller's group is called as the caller is.
var namesake = sync.OnceValue(func() bool {
	u, err := user.LookupId(strconv.Itoa(os.Geteuid()))
	g, groupErr := user.LookupGroupId(strconv.Itoa(os.Getegid()))
	return err == nil && groupErr == nil && u.Username == g.Name
})

// unknown reports whether the user namespace that this process is in does not know the owner: it shows the
// overflow uid then (user_namespaces(7)).
func unknown(uid uint32) bool {
	overflow, err := os.ReadFile("/proc/sys/kernel/overflowuid")
	if err != nil || strings.TrimSpace(string(overflow)) != strconv.Itoa(int(uid)) {
		return false
	}
	maps, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(maps)) {
		var inside, outside, count uint64
		if n, err := fmt.Sscan(line, &inside, &outside, &count); n != 3 || err != nil {
			return false
		}
		if uint64(uid) >= inside && uint64(uid)-inside < count {
			return false // it is a user of this namespace
		}
	}
	return true
}
