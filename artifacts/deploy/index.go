package deploy

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/tlsfloor/tlsfloor/internal/engine/store"
	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/internal/ground/owned"
)

// The index of a generation holds what stat(2) said of every installed file: a file whose line is unchanged
// has not been written to since, as no program can set a file's ctime. It vouches for bytes, and not for
// those of loadedAtStart: no digest vouches for the index.

func statLine(path string) (line string, st syscall.Stat_t, err error) {
	if err := syscall.Lstat(path, &st); err != nil {
		return "", st, err
	}
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	return strconv.FormatUint(uint64(st.Mode), 8) + " " + number(int64(st.Uid)) + ":" + number(int64(st.Gid)) +
		" " + number(st.Size) + " " + number(st.Mtim.Nano()) + " " + number(st.Ctim.Nano()) + " " +
		strconv.FormatUint(st.Ino, 10), st, nil
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
			line, _, err := statLine(filepath.Join(dir, name, e.Path))
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, "%s %s\n", line, filepath.Join(name, e.Path))
		}
	}
	return owned.Replace(filepath.Join(dir, "index"), b.Bytes(), 0o644)
}

const listSuffix = ".tree" // of the file that is the list of a component's tree

// recordLimit is how many bytes a record or a list has at most.
const recordLimit = 64 << 20

// readRecord reads a file of the generation in the folder dir. No link leads out of the profile's folder, and
// whatever the author of an image put there, it ends at once.
func readRecord(dir, name string) ([]byte, error) {
	home, err := owned.Root(filepath.Dir(filepath.Clean(dir)))
	if err != nil {
		return nil, err
	}
	defer home.Close()
	return owned.Read(home, filepath.Join(filepath.Base(dir), name), recordLimit)
}

func readTree(dir, component string) (store.Tree, error) {
	b, err := readRecord(dir, component+listSuffix)
	if err != nil {
		return nil, err
	}
	return store.ParseTree(b)
}

// provenTree reads a list whose digest is the component's Output.
func provenTree(dir, component string, output digest.Digest) (store.Tree, error) {
	b, err := readRecord(dir, component+listSuffix)
	if err != nil {
		return nil, err
	}
	if digest.Of(b) != output {
		return nil, fmt.Errorf("%s is not the list of the Output %s", component+listSuffix, output.Short())
	}
	return store.ParseTree(b)
}

func readIndex(dir string) map[string]string {
	index := map[string]string{}
	b, err := readRecord(dir, "index")
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

// Altered lists what is not as it was installed: see Inspection.Altered. touched is Inspection.Touched.
func (s Site) Altered(ctx context.Context, n int, full bool) (altered, touched []string, err error) {
	i, err := s.Inspect(ctx, n, full)
	return i.Altered(), i.Touched, err
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

// UserPackages lists the packages (name-version) in generation n that tlsfloor did not install.
func (s Site) UserPackages(n int) ([]string, error) {
	g, err := s.Generation(n)
	components := slices.Collect(maps.Keys(g.Components))
	if err != nil {
		components = s.trees(n) // its record cannot be read: it may hold packages all the same
	}
	var found []string
	for _, component := range components {
		ours := map[string]bool{}
		if tree, err := readTree(s.Dir(n), component); err == nil {
			for _, e := range tree {
				ours[e.Path] = true
			}
		}
		for _, rel := range s.infos(n, component) {
			if !ours[rel] && !g.bundled(rel) {
				name, _, _ := strings.Cut(strings.TrimSuffix(strings.TrimSuffix(filepath.Base(rel), ".dist-info"), ".egg-info"), "-py")
				found = append(found, name)
			}
		}
	}
	slices.Sort(found)
	return found, nil
}

// infos lists the folders in which packages say what they are, below the component's folder. What cannot be
// looked at has none, and no link leads out of the profile's folder.
func (s Site) infos(n int, component string) (found []string) {
	home, err := owned.Root(s.Home())
	if err != nil {
		return nil
	}
	defer home.Close()
	root := filepath.Join(strconv.Itoa(n), component)
	pythons, _ := owned.List(home, filepath.Join(root, "lib"))
	for _, python := range pythons {
		if !strings.HasPrefix(python.Name(), "python3") {
			continue
		}
		site := filepath.Join("lib", python.Name(), "site-packages")
		entries, _ := owned.List(home, filepath.Join(root, site))
		for _, e := range entries {
			if strings.HasSuffix(e.Name(), "-info") {
				found = append(found, filepath.Join(site, e.Name()))
			}
		}
	}
	return found
}

// bundled says of an adopted folder, whose tree nobody knows, that pip and setuptools came with its Python.
func (g Generation) bundled(rel string) bool {
	base := filepath.Base(rel)
	return g.Adopted && (strings.HasPrefix(base, "pip-") || strings.HasPrefix(base, "setuptools-"))
}
