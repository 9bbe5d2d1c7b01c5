// Package store keeps bytes by their digest and remembers which Key led to which Output.
//
// Promises: what is in the store is never changed (entries are written to a temporary file, synced,
// renamed into place and made read-only); every read is verified; an entry that does not match its
// name is a miss with a reason, never wrong bytes; several processes may use one store at once.
//
// Layout, below the store's folder:
//
//	layout            the number of the layout, so that an older program can refuse a newer store
//	blobs/ab/abcd...  bytes, named by their SHA-256
//	records/<key>     one Record per Key that was built
//	locks/            one lock file per Key, held while it is being built
//	partial/          downloads that have not finished
//	work/             work folders of running builds
//	repositories/     what was seen of each repository that bundles are taken from (package repository)
//	failed/           work folders of steps that failed, kept for a look
//
// Records decide what a Key means, so that whoever can write one decides what is installed: the store's
// folder, all on the way to it, and what is in it have to be root's or the caller's (see package owned). A
// record or blob of somebody else's is a miss.
package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/internal/ground/owned"
)

// layout is the number of the folder layout described in the package comment.
const layout = 1

// ErrMiss is what a look-up returns for an entry that is absent or unusable; the text says which.
var ErrMiss = errors.New("not in the store")

// Store is one store folder. Its methods may be called from several goroutines.
type Store struct {
	dir string
	use *os.File // locked, shared, as long as this process uses the store
}

// Open opens the store at dir. A folder that is not there yet, or empty, becomes one; any other folder is
// refused, as a store removes what it does not know.
func Open(dir string) (*Store, error) { return OpenWait(context.Background(), dir, nil) }

// OpenWait is Open where somebody may just be cleaning the store: then it calls wait, if there is one, and
// waits for the end, or for ctx's.
func OpenWait(ctx context.Context, dir string, wait func()) (*Store, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	s := &Store{dir: abs}
	if err := s.folders(); err != nil {
		return nil, err
	}
	path := filepath.Join(abs, "locks", "store")
	if s.use, err = os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644); err != nil {
		s.use, err = os.Open(path) // somebody else's store, to look at
	}
	if err != nil {
		return nil, s.unusable("locking", err)
	}
	if err := take(ctx, s.use, syscall.LOCK_SH, wait); err != nil { // a gc or clean has it alone
		s.use.Close()
		if ctx.Err() != nil {
			return nil, err
		}
		return nil, s.unusable("locking", err)
	}
	s.sweep()
	return s, nil
}

func (s *Store) unusable(doing string, err error) error {
	if fault.HintOf(err) != "" {
		return fmt.Errorf("store %s: %w", s.dir, err)
	}
	return fault.New(fault.Failed, "use a folder that you can write to with -store=<folder> or TLSFLOOR_STORE", "store %s: %s: %w", s.dir, doing, err)
}

func (s *Store) checkLayout() error {
	path := filepath.Join(s.dir, "layout")
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		entries, err := os.ReadDir(s.dir)
		if err != nil {
			return s.unusable("reading", err)
		}
		// A process killed while it wrote the layout has left a temporary file.
		if slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return !strings.HasPrefix(e.Name(), temporary) }) {
			return fault.New(fault.Usage, "name a new or empty folder with -store=<folder>", "store %s: the folder holds other things and is no store", s.dir)
		}
		if err := s.write(path, []byte(strconv.Itoa(layout)+"\n"), 0o444); err != nil {
			return s.unusable("writing layout", err)
		}
		return nil
	}
	if err != nil {
		return s.unusable("reading layout", err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || n < 1 {
		return fault.New(fault.Failed, "move the folder away or choose another with -store=<folder>", "store %s: layout file holds %q, not a number", s.dir, strings.TrimSpace(string(b)))
	}
	if n > layout {
		return fault.New(fault.Failed, "use a newer tlsfloor for this store, or choose another with -store=<folder>", "store %s: layout %d is newer than layout %d, which this tlsfloor knows", s.dir, n, layout)
	}
	return nil
}

// Dir returns the store's folder.
func (s *Store) Dir() string { return s.dir }

// Partial returns the folder for downloads that have not finished.
func (s *Store) Partial() string { return filepath.Join(s.dir, "partial") }

// Failed returns the folder in which the step's failed work folder is kept.
func (s *Store) Failed(step string) string { return filepath.Join(s.dir, "failed", slug(step)) }

// Work creates a new work folder for the step and returns it with its release, which removes it. With a fixed
// name there is one folder for the step and whoever comes second waits: for builds whose path shows in what
// they make.
func (s *Store) Work(ctx context.Context, step string, fixed bool) (dir string, release func(), err error) {
	alone := func() {}
	if fixed {
		if alone, err = s.Lock(ctx, "fixed-"+step, nil); err != nil {
			return "", nil, err
		}
	}
	defer func() {
		if err != nil {
			alone()
		}
	}()
	unlock, err := Flock(ctx, filepath.Join(s.dir, "locks", "work"), nil) // a folder is not there without its lock
	if err != nil {
		return "", nil, s.unusable("locking", err)
	}
	defer unlock()
	if fixed {
		dir = filepath.Join(s.dir, "work", slug(step))
		err = os.Mkdir(dir, 0o755)
	} else {
		dir, err = os.MkdirTemp(filepath.Join(s.dir, "work"), slug(step)+"-")
	}
	if err != nil {
		return "", nil, s.unusable("creating a work folder", err)
	}
	beside := dir + beside
	free, err := Flock(ctx, beside, nil)
	if err != nil {
		os.RemoveAll(dir)
		return "", nil, s.unusable("locking a work folder", err)
	}
	return dir, func() {
		RemoveAll(dir)
		os.Remove(beside)
		free()
		alone()
	}, nil
}

// beside ends the name of the file that is locked as long as the work folder of that name is in use. The
// folder itself would not do: NFS hands the locks of files to the server (flock(2), "NFS details"), but
// keeps those of folders on the host, and the sweep of another host would take the folder for a dead
// process's.
const beside = ".lock"

// sweep removes the work folders and the unfinished files of processes that died.
func (s *Store) sweep() {
	unlock, err := Flock(context.Background(), filepath.Join(s.dir, "locks", "work"), nil)
	if err != nil {
		return
	}
	defer unlock()
	entries, err := os.ReadDir(filepath.Join(s.dir, "work"))
	if err != nil {
		return
	}
	for _, e := range entries {
		path := filepath.Join(s.dir, "work", e.Name())
		if name, lock := strings.CutSuffix(path, beside); lock {
			if !exists(name) && !busy(path) {
				os.Remove(path)
			}
			continue
		}
		// The folder's own lock is that of a tlsfloor from before there was a file beside it.
		if !busy(path+beside) && !busy(path) {
			RemoveAll(path)
			os.Remove(path + beside)
		}
	}
	s.sweepUnfinished()
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// sweepUnfinished removes temporary files. A living process may be writing one, so only who is alone does.
func (s *Store) sweepUnfinished() {
	release, err := s.alone()
	if err != nil {
		return
	}
	defer release()
	for _, pattern := range []string{"", "records", "blobs/*"} {
		files, err := filepath.Glob(filepath.Join(s.dir, pattern, temporary+"*"))
		if err != nil {
			return
		}
		for _, file := range files {
			os.Remove(file)
		}
	}
}

// slug makes a step's name fit for a file name.
func slug(step string) string { return strings.ReplaceAll(step, "/", "-") }

func (s *Store) blob(d digest.Digest) string {
	name := d.String()
	return filepath.Join(s.dir, "blobs", name[:2], name)
}

// Has reports whether the blob is there with the right bytes. A corrupt blob is forgotten.
func (s *Store) Has(d digest.Digest) bool {
	f, err := s.Open(d)
	if err != nil {
		return false
	}
	f.Close()
	return true
}

// Exists reports whether the blob is there, without reading it: Open and Restore verify what they read.
func (s *Store) Exists(d digest.Digest) bool {
	info, err := os.Lstat(s.blob(d))
	return err == nil && info.Mode().IsRegular() && owned.Mine(s.blob(d), info) == nil
}

// Open returns the blob d, verified from first to last byte. A blob with other bytes is forgotten and
// reported as a miss.
func (s *Store) Open(d digest.Digest) (*os.File, error) {
	f, err := s.open(s.blob(d))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("blob %s: %w", d.Short(), ErrMiss)
	}
	if err != nil {
		if errors.Is(err, ErrMiss) {
			s.forget(d)
		}
		return nil, fmt.Errorf("blob %s: %w", d.Short(), err)
	}
	got, _, err := digest.OfReader(f)
	if err == nil && got != d {
		s.forget(d)
		err = fmt.Errorf("%w: its bytes were altered (digest %s)", ErrMiss, got.Short())
	}
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("blob %s: %w", d.Short(), err)
	}
	return f, nil
}

// forget removes a corrupt blob, so that the next writer can put the right one in its place.
func (s *Store) forget(d digest.Digest) { os.Remove(s.blob(d)) }

// Read returns the bytes of the blob d, verified.
func (s *Store) Read(d digest.Digest) ([]byte, error) {
	f, err := s.Open(d)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// Put stores b and returns its digest.
func (s *Store) Put(b []byte) (digest.Digest, error) {
	d := digest.Of(b)
	if s.Exists(d) {
		return d, nil
	}
	return d, s.write(s.blob(d), b, 0o444)
}

// PutFrom stores all that r holds, from its first byte on, and returns the digest and the size in bytes.
func (s *Store) PutFrom(r io.ReadSeeker) (digest.Digest, int64, error) {
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return digest.Digest{}, 0, err
	}
	d, n, err := digest.OfReader(r)
	if err != nil || s.Exists(d) {
		return d, n, err
	}
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return d, n, err
	}
	return d, n, s.writeFrom(s.blob(d), r, 0o444, d)
}

// Import moves the file at path, which is on the store's file system, into the store. The file's bytes must
// have the digest want; else it stays where it is and the error says what they have.
func (s *Store) Import(path string, want digest.Digest) error {
	got, _, err := digest.OfFile(path)
	if err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("%s: digest %s, want %s", filepath.Base(path), got, want)
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	err = errors.Join(os.MkdirAll(filepath.Dir(s.blob(want)), 0o755), f.Chmod(0o444), fault.At("store: sync "+filepath.Base(path)), f.Sync(), fault.At("store: rename "+filepath.Base(path)))
	if err == nil {
		err = os.Rename(path, s.blob(want))
	}
	if err != nil {
		return s.unusable("writing", err)
	}
	return nil
}

// Signature returns the blob of the signature that was kept for key.
func (s *Store) Signature(key digest.Digest) (digest.Digest, bool) {
	b, err := s.read(s.signaturePath(key))
	if err != nil {
		return digest.Digest{}, false
	}
	d, err := digest.Parse(string(b))
	return d, err == nil
}

// SetSignature keeps the blob of the signature for key. Whoever asks for it verifies it again.
func (s *Store) SetSignature(key, blob digest.Digest) error {
	return s.write(s.signaturePath(key), []byte(blob.String()), 0o444)
}

func (s *Store) signaturePath(key digest.Digest) string {
	return filepath.Join(s.dir, "records", "signature-"+key.String())
}
