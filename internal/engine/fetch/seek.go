package fetch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"strings"
	"syscall"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/ground/event"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// wanted is one file to look for: a source, or its signature.
type wanted struct {
	name         string                  // the source's, for events
	names        []string                // under which a mirror may hold it, best first
	urls         []string                // canonical
	pkg, aptFile string                  // in the apt pool
	path         string                  // where the bytes go; what is there already is their beginning
	limit        int64                   // bytes at most
	kind         *kind                   // what its first bytes must say; nil when nothing is known
	accept       func(path string) error // judges all of them
}

// plain drops what is no file name.
func plain(list ...string) (names []string) {
	for _, n := range list {
		if n != "" && n == path.Base(n) {
			names = append(names, n)
		}
	}
	return names
}

// size is the number of bytes that are there already.
func (w *wanted) size() int64 {
	info, err := os.Stat(w.path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// restart throws away the bytes that are there.
func (w *wanted) restart() error {
	if w.size() == 0 {
		return nil
	}
	return os.Truncate(w.path, 0)
}

// badBytes says that a place delivered, but not what was wanted.
type badBytes struct {
	error
	page bool // it answered an HTML page: no other version of the file, but none
}

func (b *badBytes) Unwrap() error { return b.error }

func bad(format string, args ...any) error { return &badBytes{error: fmt.Errorf(format, args...)} }

func isBad(err error) bool { return errors.As(err, new(*badBytes)) }

// judge looks at the bytes at w.path once a place has delivered them (nil) or too many (badBytes). Bytes that
// are not good are thrown away.
func (w *wanted) judge(err error) error {
	if err != nil && !isBad(err) {
		return err
	}
	if wrong := w.kind.check(w.path); wrong != nil {
		err = wrong
	} else if err == nil {
		err = w.accept(w.path)
	}
	if err != nil {
		err = errors.Join(err, w.restart())
	}
	return err
}

// kind is a kind of file that is known by its first bytes.
type kind struct{ suffix, magic string }

var kinds = []kind{
	{".tar.gz", "\x1f\x8b"}, {".tgz", "\x1f\x8b"},
	{".tar.xz", "\xfd7zXZ\x00"}, {".txz", "\xfd7zXZ\x00"},
	{".tar.bz2", "BZh"}, {".tbz2", "BZh"},
	{".tar.zst", "\x28\xb5\x2f\xfd"},
}

func kindOf(file string) *kind {
	for _, k := range kinds {
		if strings.HasSuffix(file, k.suffix) {
			return &k
		}
	}
	return nil
}

func (k *kind) check(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	head := make([]byte, 512)
	n, _ := f.Read(head)
	head = head[:n]
	if k != nil && bytes.HasPrefix(head, []byte(k.magic)) {
		return nil
	}
	if text := bytes.ToLower(bytes.TrimSpace(head)); bytes.HasPrefix(text, []byte("<!doctype html")) || bytes.Contains(text, []byte("<html")) {
		return &badBytes{fmt.Errorf("answered an HTML page"), true}
	}
	if k != nil {
		return bad("not a %s file: it begins with % x", k.suffix, head[:min(n, 6)])
	}
	return nil
}

// seek asks the places for w one by one and returns the one that delivered, or "" when none did. An error
// ends the fetch.
func (f *Fetcher) seek(ctx context.Context, w *wanted, m *misses) (from string, err error) {
	if w.size() >= w.limit {
		if err := w.restart(); err != nil {
			return "", err
		}
	}
	for place := range f.places(ctx, w) {
		err := f.try(ctx, place, w)
		if err == nil {
			return place.String(), nil
		}
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
			w.restart()
			return "", fault.New(fault.Failed, "free some space there or choose another store with -store", "folder %s: %w", path.Dir(w.path), err)
		}
		m.add(f.o.Sink, w.name, place, err)
	}
	return "", nil
}

// try asks one place, and asks again from the first byte when the bytes were bad and the first of them came
// from elsewhere: no place shall answer for another's.
func (f *Fetcher) try(ctx context.Context, place place, w *wanted) error {
	resumed := w.size() > 0
	err := f.attempts(ctx, place, w)
	if resumed && isBad(err) {
		err = f.attempts(ctx, place, w)
	}
	return err
}

// attempts asks one place until it delivers, says no for good, or has been asked often enough.
func (f *Fetcher) attempts(ctx context.Context, place place, w *wanted) error {
	for n := 0; ; n++ {
		err := w.judge(place.get(ctx, f, w))
		if err == nil || n >= f.o.Retries || !worthRetrying(err) || ctx.Err() != nil {
			return err
		}
		f.o.Sink.Note(fmt.Sprintf("%s: %s: %s; trying again", w.name, place, reason(err)))
		if err := f.sleep(ctx, backoff(n)); err != nil {
			return err
		}
	}
}

// backoff is the pause after attempt n: half a second, doubled each time, at most 15 s, and up to half of it
// more or less, so that many builders do not come back at once.
func backoff(n int) time.Duration {
	d := min(500*time.Millisecond<<min(n, 5), 10*time.Second)
	return d/2 + rand.N(d)
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// misses collects what each place answered.
type misses struct {
	lines []string
	wrong bool // one had other bytes
	gone  bool // all said that they do not have it
}

func (m *misses) add(sink event.Sink, name string, place place, err error) {
	if b, ok := errors.AsType[*badBytes](err); ok && !b.page {
		m.wrong = true
	}
	m.gone = (m.gone || len(m.lines) == 0) && isGone(err)
	line := fmt.Sprintf("%s: %s", place, reason(err))
	m.lines = append(m.lines, line)
	sink.Note(name + ": " + line)
}

func (m *misses) String() string {
	if len(m.lines) == 0 {
		return "no place to ask"
	}
	return strings.Join(m.lines, "; ")
}

// err is fs.ErrNotExist where all places have answered so.
func (m *misses) err() error {
	if m.gone {
		return fmt.Errorf("%s: %w", m, fs.ErrNotExist)
	}
	return errors.New(m.String())
}

func (m *misses) fault(src Source, offline bool) error {
	hint := fmt.Sprintf("name a folder or URL that holds %s or %s with -mirror", src.File, src.SHA256)
	if m.wrong {
		return fault.New(fault.BadDigest, "leave the pin as it is and distrust the place; "+hint, "no place has the pinned bytes: %s", m)
	}
	if offline {
		hint = "run it once without -offline, or " + hint
	}
	hint += "; where there is a network, `vendor -o=sources.tar` writes all sources into a file for -mirror=sources.tar"
	return fault.New(fault.Failed, hint, "no place has it: %w", m.err())
}
