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
//	failed/           work folders of steps that failed, kept for a look
//
// Exceptions: the store trusts whoever may write to its folder; Open refuses a folder that others than
// its owner may write to.
package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/tlsfloor/tlsfloor/internal/digest"
	"github.com/tlsfloor/tlsfloor/internal/fault"
)

// layout is the number of the folder layout described in the package comment.
const layout = 1

// ErrMiss is what a look-up returns for an entry that is absent or unusable; the text says which.
var ErrMiss = errors.New("not in the store")

// Store is one store folder. Its methods may be called from several goroutines.
type Store struct{ dir string }

// Open opens the store at dir and creates it when it is not there.
func Open(dir string) (*Store, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	s := &Store{abs}
	if err := os.MkdirAll(abs, 0o755); err != nil {
		return nil, s.unusable("creating", err)
	}
	if err := owned(abs); err != nil {
		return nil, err
	}
	if err := s.checkLayout(); err != nil {
		return nil, err
	}
	for _, sub := range []string{"blobs", "records", "locks", "partial", "work", "failed"} {
		if err := os.MkdirAll(filepath.Join(abs, sub), 0o755); err != nil {
			return nil, s.unusable("creating", err)
		}
	}
	return s, nil
}

func (s *Store) unusable(doing string, err error) error {
	return fault.New(fault.Failed, "choose a folder that you can write to with -store=<folder> or TLSFLOOR_STORE", "store %s: %s: %w", s.dir, doing, err)
}

// owned refuses a folder that somebody else could plant entries in.
func owned(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if ok && int(st.Uid) != os.Geteuid() && os.Geteuid() == 0 {
		return fault.New(fault.Failed, "as root use a folder that root owns: chown root "+dir, "store %s: owned by user %d, not by root", dir, st.Uid)
	}
	if info.Mode().Perm()&0o022 != 0 {
		return fault.New(fault.Failed, "run: chmod go-w "+dir, "store %s: others may write to it (mode %04o)", dir, info.Mode().Perm())
	}
	return nil
}

func (s *Store) checkLayout() error {
	path := filepath.Join(s.dir, "layout")
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
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

// Work creates a new work folder for the step and returns it with its release, which removes it. Folders whose process died
// are removed on the way.
func (s *Store) Work(step string) (dir string, release func(), err error) {
	s.sweep()
	dir, err = os.MkdirTemp(filepath.Join(s.dir, "work"), slug(step)+"-")
	if err != nil {
		return "", nil, s.unusable("creating a work folder", err)
	}
	lock, err := os.Open(dir)
	if err == nil {
		err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX)
	}
	if err != nil {
		os.RemoveAll(dir)
		return "", nil, s.unusable("locking a work folder", err)
	}
	return dir, func() {
		os.RemoveAll(dir)
		lock.Close()
	}, nil
}

// sweep removes the work folders of processes that died.
func (s *Store) sweep() {
	entries, err := os.ReadDir(filepath.Join(s.dir, "work"))
	if err != nil {
		return
	}
	for _, e := range entries {
		path := filepath.Join(s.dir, "work", e.Name())
		if !s.busy(path) {
			os.RemoveAll(path)
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
	return err == nil && info.Mode().IsRegular()
}

// Open returns the blob d, verified from first to last byte. A blob with other bytes is forgotten and reported as
// a miss.
func (s *Store) Open(d digest.Digest) (*os.File, error) {
	f, err := os.Open(s.blob(d))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("blob %s: %w", d.Short(), ErrMiss)
	}
	if err != nil {
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

// PutFile stores a copy of the file at path and returns its digest and size in bytes.
func (s *Store) PutFile(path string) (digest.Digest, int64, error) {
	d, n, err := digest.OfFile(path)
	if err != nil || s.Exists(d) {
		return d, n, err
	}
	src, err := os.Open(path)
	if err != nil {
		return d, n, err
	}
	defer src.Close()
	return d, n, s.writeFrom(s.blob(d), src, 0o444, d)
}

// Import moves the file at path, which is on the store's file system, into the store. The file's bytes must have the digest
// want; else it stays where it is and the error says what they have.
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
	err = errors.Join(os.MkdirAll(filepath.Dir(s.blob(want)), 0o755), f.Chmod(0o444), point("sync", path), f.Sync(), point("rename", path))
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
	b, err := os.ReadFile(s.signaturePath(key))
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
