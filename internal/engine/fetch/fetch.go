// Package fetch brings one Source into the store: from wherever it can be had, and only its exact bytes.
//
// Fetch promises:
//
//   - bytes reach the store only after their size, kind and SHA-256 matched the pin. A place that gives other bytes
//     is named with both digests, keeps nothing, and the next place is tried; when in the end none delivered and
//     one gave wrong bytes, the error's code is fault.BadDigest
//   - places in order: the store, the mirrors, the canonical URLs, the host's apt mirror; each one that has not
//     delivered is one Note, and one clause of the final error. What the store already has of a source or its
//     alternatives is taken before any place is asked
//   - a source with a Signature is handed out only when a signature over these bytes by the pinned primary key, or a
//     signing subkey of it, was found and passed the policy in signature.go; else fault.BadSignature, and no alternative
//     is tried. A signature that the store has an Index for is found again without a network
//   - a download is bounded in size, is given up when no byte came for Options.Timeout, when it goes slower
//     than 1 KiB/s over twice that time, or when it is not whole after ten minutes and a second for each 64
//     KiB; it is retried with back-off where that can help, and goes on where it stopped, in this process
//     or a later one. Two processes never write one partial file: the second waits and says so
//   - https never becomes http; no redirect leaves http and https, or the public network (see
//     internal/engine/transport)
//   - credentials in URLs reach no event, no error and no Got
//
// Exceptions: a proxy is taken from the environment as net/http does, and apt's own proxy and auth settings
// are not read.
package fetch

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/tlsfloor/tlsfloor/internal/engine/transport"
	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/internal/ground/event"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// Source is one file with a pinned digest and the places where it may be.
type Source struct {
	Name         string        // "openssl-3.5.7", for messages
	File         string        // "openssl-3.5.7.tar.gz"; its extension says which kind of file it must be
	SHA256       digest.Digest // the pin
	Size         int64         // bytes
	URLs         []string      // canonical
	AptPackage   string        // the source package in the apt pool, with AptFile; "" when not there
	AptFile      string        // "openssl_3.5.7.orig.tar.gz"
	Signature    *Signature    // nil when none is to be had
	Alternatives []Source      // other files that serve as well, tried after this one
}

// Signature is a detached OpenPGP signature (RFC 9580, section 10.4) over a Source's bytes.
type Signature struct {
	File        string        // "openssl-3.5.7.tar.gz.asc"
	SHA256      digest.Digest // zero: any good signature by the key will do
	URLs        []string      // canonical
	AptFile     string        // beside the Source's in the apt pool
	Fingerprint string        // of the primary key, 40 (or, version 6, 64) hexadecimal digits
}

// Store is where sources go. Has and Open verify what they give; Import verifies while it moves the file in.
type Store interface {
	Has(digest.Digest) bool
	Open(digest.Digest) (*os.File, error)
	Import(path string, want digest.Digest) error
	Partial() string // the folder for unfinished downloads, on the store's file system
}

// Index is what a Store may offer besides: it remembers which blob holds the signature for a key that Fetch
// makes of the source's digest and the pinned fingerprint. The blob is verified again each time.
type Index interface {
	Signature(key digest.Digest) (blob digest.Digest, ok bool)
	SetSignature(key, blob digest.Digest) error
}

// Options says where and how to look.
type Options struct {
	Mirrors []string      // folders, and file, http or https URLs
	Offline bool          // ask the store, folders and file URLs only
	Timeout time.Duration // without a byte, per attempt, and for an answer's header; 30 s by default
	Window  time.Duration // over which the rate is looked at; twice Timeout by default
	Retries int           // further attempts at one place; 3 by default, none when negative
	Apt     AptSource     // nil: no apt mirror
	Keys    func(fingerprint string) ([]byte, error)
	Sink    event.Sink
}

// Got says what was fetched.
type Got struct {
	Source    Source // the one used: the source asked for or an alternative
	From      string // the place, without credentials; "store" when it was there
	Signature Verdict
}

// Fetcher fetches into one store. Its methods may be called from several goroutines.
type Fetcher struct {
	o       Options
	store   Store
	mirrors []place
	net     *transport.Pool
	now     func() time.Time
	sleep   func(context.Context, time.Duration) error
	apt     func(context.Context) []string // the bases, looked up once
	mu      sync.Mutex
	dead    map[string]error // hosts that could not be reached; asked no more
}

// New checks the mirrors: one that is none is a usage error.
func New(store Store, o Options) (*Fetcher, error) {
	if o.Timeout == 0 {
		o.Timeout = 30 * time.Second
	}
	if o.Retries == 0 {
		o.Retries = 3
	}
	f := &Fetcher{o: o, store: store, net: transport.New(transport.Limits{Wait: o.Timeout,
		Window: o.Window}), now: time.Now, sleep: pause, dead: map[string]error{}}
	f.apt = f.aptBases()
	for _, name := range o.Mirrors {
		m, err := newMirror(name)
		if err != nil {
			return nil, err
		}
		f.mirrors = append(f.mirrors, m)
	}
	return f, nil
}

// Fetch brings src, or one of its alternatives, into the store and checks its signature. Errors:
// fault.BadDigest, fault.BadSignature, fault.Failed when no place has it, and the context's.
func (f *Fetcher) Fetch(ctx context.Context, src Source) (Got, error) {
	got, err := f.bring(ctx, src)
	if err == nil && got.Source.Signature != nil {
		got.Signature, err = f.checkSignature(ctx, got.Source)
	}
	if ctx.Err() != nil {
		return Got{}, fmt.Errorf("fetching %s: %w", src.Name, ctx.Err())
	}
	if err != nil {
		return Got{}, fmt.Errorf("fetching %s: %w", src.Name, err)
	}
	return got, nil
}

// bring gets the bytes of src or an alternative into the store.
func (f *Fetcher) bring(ctx context.Context, src Source) (Got, error) {
	all := append([]Source{src}, src.Alternatives...)
	for _, s := range all {
		if f.store.Has(s.SHA256) {
			return Got{Source: s, From: "store"}, nil
		}
	}
	var m misses
	for _, s := range all {
		from, err := f.download(ctx, s, &m)
		if err != nil {
			return Got{}, err
		}
		if from != "" {
			return Got{Source: s, From: from}, nil
		}
	}
	return Got{}, m.fault(src, f.o.Offline)
}

// download brings s itself and returns the place that delivered it, or "" when none did.
func (f *Fetcher) download(ctx context.Context, s Source, m *misses) (from string, err error) {
	if s.Size <= 0 || s.SHA256.IsZero() {
		return "", fault.New(fault.Usage, "give size and sha256 in its recipe", "source %s: no size or no digest", s.File)
	}
	p, err := f.lockPartial(ctx, s)
	if err != nil {
		return "", err
	}
	defer p.release()
	if f.store.Has(s.SHA256) {
		return "store", nil // another process brought it while this one waited
	}
	w := &wanted{
		name: s.Name, names: plain(s.SHA256.String(), s.File, s.AptFile), urls: s.URLs, pkg: s.AptPackage, aptFile: s.AptFile,
		path: p.path, limit: s.Size, kind: kindOf(s.File), accept: func(path string) error { return matches(path, s) },
	}
	if w.size() == s.Size && w.judge(nil) == nil {
		from = "a download that an earlier run finished"
	} else if from, err = f.seek(ctx, w, m); err != nil || from == "" {
		return "", err
	}
	return from, f.store.Import(p.path, s.SHA256)
}

// matches compares the file at path with the pin.
func matches(path string, s Source) error {
	got, n, err := digest.OfFile(path)
	if err != nil {
		return err
	}
	if n != s.Size {
		return bad("%d bytes with sha256 %s, want %d bytes with sha256 %s", n, got, s.Size, s.SHA256)
	}
	if got != s.SHA256 {
		return bad("sha256 %s, want %s", got, s.SHA256)
	}
	return nil
}
