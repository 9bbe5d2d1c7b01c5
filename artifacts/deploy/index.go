package deploy

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sync/errgroup"

	"github.com/tlsfloor/tlsfloor/internal/digest"
	"github.com/tlsfloor/tlsfloor/internal/owned"
	"github.com/tlsfloor/tlsfloor/internal/store"
)

// The index of a generation holds what stat(2) said of every installed file: a file whose line is unchanged has not been
// written to since, as no program can set a file's ctime.

func statLine(path string) (string, error) {
	var st syscall.Stat_t
	if err := syscall.Lstat(path, &st); err != nil {
		return "", err
	}
	return strconv.FormatUint(uint64(st.Mode), 8) + " " + strconv.FormatUint(uint64(st.Uid), 10) + ":" + strconv.FormatUint(uint64(st.Gid), 10) + " " + strconv.FormatInt(st.Size, 10) + " " +
		strconv.FormatInt(st.Mtim.Nano(), 10) + " " + strconv.FormatInt(st.Ctim.Nano(), 10) + " " + strconv.FormatUint(st.Ino, 10), nil
}

func writeIndex(dir string, g Generation) error {
	var b bytes.Buffer
	for name := range g.Components {
		tree, err := readTree(dir, name)
		if err != nil {
			return err
		}
		for _, e := range tree {
			if e.Mode.IsDir() {
				continue
			}
			line, err := statLine(filepath.Join(dir, name, e.Path))
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, "%s %s\n", line, filepath.Join(name, e.Path))
		}
	}
	return replaceFile(filepath.Join(dir, "index"), b.Bytes())
}

func readTree(dir, component string) (store.Tree, error) {
	b, err := os.ReadFile(filepath.Join(dir, component+".tree"))
	if err != nil {
		return nil, err
	}
	return store.ParseTree(b)
}

func readIndex(dir string) map[string]string {
	index := map[string]string{}
	b, err := os.ReadFile(filepath.Join(dir, "index"))
	if err != nil {
		return index // every file is read then
	}
	sc := bufio.NewScanner(bytes.NewReader(b))
	for sc.Scan() {
		f := strings.SplitN(sc.Text(), " ", 7)
		if len(f) == 7 {
			index[f[6]] = strings.Join(f[:6], " ")
		}
	}
	return index
}

// Altered lists the files and folders of generation n (component/path, sorted) that are missing or not what was installed, TrustLink
// among them when that does not lead to the cert.pem that was made. A file
// whose stat line is the indexed one is taken as unchanged; full reads every byte. touched lists the files whose line differs and
// whose bytes are right, as after a copy with an image: after them the index should be written anew (Reindex).
func (s Site) Altered(ctx context.Context, n int, full bool) (altered, touched []string, err error) {
	g, err := s.Generation(n)
	if err != nil || g.Adopted {
		return nil, nil, err
	}
	dir := s.Dir(n)
	owner, err := os.Lstat(dir)
	if err != nil {
		return nil, nil, err
	}
	index := map[string]string{}
	if !full {
		index = readIndex(dir)
	}
	var mu sync.Mutex
	eg, ctx := errgroup.WithContext(ctx)
	eg.SetLimit(runtime.NumCPU())
	for name := range g.Components {
		tree, err := readTree(dir, name)
		if err != nil {
			return nil, nil, fmt.Errorf("generation %d: %w", n, err)
		}
		for part := range slices.Chunk(tree, 512) {
			eg.Go(func() error {
				for _, e := range part {
					key := filepath.Join(name, e.Path)
					if line, err := statLine(filepath.Join(dir, key)); err == nil && !e.Mode.IsDir() && index[key] == line {
						continue
					}
					same := sameEntry(filepath.Join(dir, key), e, owner)
					mu.Lock()
					switch {
					case !same:
						altered = append(altered, key)
					case !e.Mode.IsDir() && !full:
						touched = append(touched, key)
					}
					mu.Unlock()
				}
				return ctx.Err()
			})
		}
	}
	err = eg.Wait()
	if s.TrustAltered(n) {
		altered = append(altered, TrustLink)
	}
	slices.Sort(altered)
	slices.Sort(touched)
	return altered, touched, err
}

// Reindex writes the index of generation n, whose files were just found to be right.
func (s Site) Reindex(n int) error {
	g, err := s.Generation(n)
	if err != nil {
		return err
	}
	home, err := s.home()
	if err != nil {
		return err
	}
	defer home.Close()
	in, err := owned.Inside(home, strconv.Itoa(n))
	if err != nil {
		return err
	}
	defer in.Close()
	return writeIndex(in.Name(), g)
}

// sameEntry compares what stands at path with its entry; everything belongs to the owner of the generation's folder.
func sameEntry(path string, e store.Entry, owner fs.FileInfo) bool {
	info, err := os.Lstat(path)
	if err != nil || info.Mode().Type() != e.Mode.Type() || info.Sys().(*syscall.Stat_t).Uid != owner.Sys().(*syscall.Stat_t).Uid {
		return false
	}
	switch {
	case e.Mode.IsDir():
		return info.Mode().Perm() == e.Mode.Perm()
	case e.Mode&fs.ModeSymlink != 0:
		target, err := os.Readlink(path)
		return err == nil && target == e.Target
	}
	return sameFile(path, e.Mode.Perm(), e.Digest, owner)
}

func sameFile(path string, mode fs.FileMode, want digest.Digest, owner fs.FileInfo) bool {
	info, err := os.Lstat(path)
	if err != nil || !info.Mode().IsRegular() || info.Mode().Perm() != mode || info.Sys().(*syscall.Stat_t).Uid != owner.Sys().(*syscall.Stat_t).Uid {
		return false
	}
	d, _, err := digest.OfFile(path)
	return err == nil && d == want
}

// Repair puts the named files (as Altered lists them) of generation n back from the store. Each is replaced by a rename, so
// that a running program keeps the file that it has open.
func (s Site) Repair(ctx context.Context, st *store.Store, n int, names []string) error {
	g, err := s.Generation(n)
	if err != nil {
		return err
	}
	home, err := s.home()
	if err != nil {
		return err
	}
	defer home.Close()
	in, err := owned.Inside(home, strconv.Itoa(n))
	if err != nil {
		return err
	}
	defer in.Close()
	dir := in.Name()
	for component := range g.Components {
		tree, err := readTree(dir, component)
		if err == nil {
			err = repairTree(st, in, component, tree, names)
		}
		if err != nil {
			return err
		}
	}
	if _, found := slices.BinarySearch(names, TrustLink); found {
		if err := s.RepairTrust(n); err != nil {
			return err
		}
	}
	return writeIndex(dir, g)
}

// repairTree puts the named files of a component back. Nothing that stands in the place of one of its
// folders is followed.
func repairTree(st *store.Store, in *os.Root, component string, tree store.Tree, names []string) error {
	if info, err := in.Lstat(component); err == nil && !info.IsDir() {
		if err := in.Remove(component); err != nil {
			return err
		}
	}
	if err := in.MkdirAll(component, 0o755); err != nil {
		return err
	}
	root, err := in.OpenRoot(component)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, e := range tree {
		if _, found := slices.BinarySearch(names, filepath.Join(component, e.Path)); !found {
			continue
		}
		if err := st.RestoreEntry(e, root); err != nil {
			return fmt.Errorf("repairing %s: %w", e.Path, err)
		}
	}
	return nil
}

// UserPackages lists the packages (name-version) in generation n that tlsfloor did not install.
func (s Site) UserPackages(n int) ([]string, error) {
	g, err := s.Generation(n)
	if err != nil {
		return nil, err
	}
	var found []string
	for component := range g.Components {
		ours := map[string]bool{}
		if tree, err := readTree(s.Dir(n), component); err == nil {
			for _, e := range tree {
				ours[e.Path] = true
			}
		}
		root := filepath.Join(s.Dir(n), component)
		infos, err := filepath.Glob(filepath.Join(root, "lib", "python3*", "site-packages", "*-info"))
		if err != nil {
			return nil, err
		}
		for _, path := range infos {
			rel, err := filepath.Rel(root, path)
			if err != nil {
				return nil, err
			}
			if !ours[rel] && !g.bundled(rel) {
				name, _, _ := strings.Cut(strings.TrimSuffix(strings.TrimSuffix(filepath.Base(rel), ".dist-info"), ".egg-info"), "-py")
				found = append(found, name)
			}
		}
	}
	slices.Sort(found)
	return found, nil
}

// bundled says of an adopted folder, whose tree nobody knows, that pip and setuptools came with its Python.
func (g Generation) bundled(rel string) bool {
	base := filepath.Base(rel)
	return g.Adopted && (strings.HasPrefix(base, "pip-") || strings.HasPrefix(base, "setuptools-"))
}
