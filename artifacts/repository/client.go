package repository

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"
	"github.com/theupdateframework/go-tuf/v2/metadata/config"
	"github.com/theupdateframework/go-tuf/v2/metadata/fetcher"
	"github.com/theupdateframework/go-tuf/v2/metadata/updater"

	"github.com/tlsfloor/tlsfloor/artifacts/bundle"
	"github.com/tlsfloor/tlsfloor/artifacts/sign"
	"github.com/tlsfloor/tlsfloor/internal/engine/transport"
	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/internal/ground/owned"
)

// RootsDir holds the root.json files that this machine trusts, one for each repository, in the
// administrator's folder.
const RootsDir = "roots.d"

const hintRoot = "take root.json from whoever publishes the repository, by another way than the repository, " +
	"and name it with -trustroot=<file>, or put it into " + sign.Etc + "/" + RootsDir

// TrustedRoot reads the root.json that is trusted: the file that is named, or else one in the folder etc,
// whose name is returned too. Whoever can write to that folder decides what is installed: it has to be
// root's, as all above it.
func TrustedRoot(named, etc string) (text []byte, file string, err error) {
	if strings.Contains(named, "/") || strings.HasSuffix(named, ".json") {
		if text, err = os.ReadFile(named); err != nil {
			return nil, "", fault.New(fault.Usage, hintRoot, "-trustroot: %w", err)
		}
		return text, "", nil
	}
	dir := filepath.Join(etc, RootsDir)
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if named != "" {
		files = []string{filepath.Join(dir, named+".json")}
	}
	switch {
	case err != nil:
		return nil, "", err
	case len(files) == 0:
		return nil, "", fault.New(fault.BadSignature, hintRoot,
			"no repository is trusted here: there is no root.json in %s", dir)
	case len(files) > 1:
		return nil, "", fault.New(fault.Usage, "-trustroot=<name> chooses one: its file without .json",
			"%d repositories are trusted in %s", len(files), dir)
	}
	if text, err = os.ReadFile(files[0]); err == nil {
		err = sign.RootOwned(files[0])
	}
	if err != nil {
		return nil, "", fault.New(fault.BadSignature, cmp.Or(fault.HintOf(err), hintRoot),
			"trusted root: %w", err)
	}
	return text, filepath.Base(files[0]), nil
}

// Place is where a repository is.
type Place struct {
	Name string
	URL  string // of a web server; "": metadata is brought as other files are

	Bring func(ctx context.Context, name, to string, limit int64) error // as that of bundle.Source
}

// Client is a repository whose metadata was checked.
type Client struct {
	place   Place
	root    digest.Digest // of the root.json that was trusted first
	targets map[string]*metadata.TargetFiles
	needs   int // signatures of a targets.json
}

// Open checks the metadata of a repository against the trusted root, and against what was seen of it
// before, which is kept in the folder state.
func Open(ctx context.Context, place Place, trusted []byte, state string, now time.Time) (*Client, error) {
	id := digest.Of(trusted)
	c := &Client{place: place, root: id}
	cache := filepath.Join(state, id.String())
	in, err := owned.Make("", cache) // what stands there decides which root is trusted
	if err != nil {
		return nil, fmt.Errorf("what was seen of the repository %s: %w", place.Name, err)
	}
	defer in.Close()
	if err := owned.Tree(cache); err != nil {
		return nil, fmt.Errorf("what was seen of the repository %s: %w", place.Name, err)
	}
	cfg := &config.UpdaterConfig{MaxRootRotations: 256, RootMaxLength: 512_000, TimestampMaxLength: 16_384,
		SnapshotMaxLength: 2_000_000,
		TargetsMaxLength:  5_000_000, RemoteMetadataURL: "repository:/" + metadataDir, LocalMetadataDir: cache,
		LocalTargetsDir:  cache,
		LocalTrustedRoot: newestRoot(trusted, cache), Fetcher: &bringer{ctx, place, cache}}
	up, err := updater.New(cfg)
	if err == nil {
		up.UnsafeSetRefTime(now.UTC())
		err = up.Refresh()
	}
	if err != nil {
		return nil, c.refused(ctx, err)
	}
	c.targets = up.GetTopLevelTargets()
	c.needs = up.GetTrustedMetadataSet().Root.Signed.Roles[metadata.TARGETS].Threshold
	return c, nil
}

// newestRoot is the root.json that was seen last: each one in the cache was signed by the one before it,
// and the first by the trusted one. A cache that cannot be read is none.
func newestRoot(trusted []byte, cache string) []byte {
	kept, err := owned.ReadFile(filepath.Join(cache, "root.json"), 512_000)
	if err == nil {
		err = owned.File(filepath.Join(cache, "root.json"))
	}
	if err != nil {
		return trusted
	}
	was, err := metadata.Root().FromBytes(kept)
	is, err2 := metadata.Root().FromBytes(trusted)
	if err != nil || err2 != nil || was.Signed.Version <= is.Signed.Version {
		return trusted
	}
	return kept
}

// mostVersions bounds the numbers of metadata: a number near the end of the range, signed with a stolen
// key, would keep every reader from what comes after it.
const mostVersions = 1 << 24

// bringer brings metadata.
type bringer struct {
	ctx   context.Context
	place Place
	dir   string
}

// errFastForward is in the error of metadata with a number that nobody reaches by counting.
var errFastForward = errors.New("its number is higher than anybody counts")

// DownloadFile is what package updater asks.
func (b *bringer) DownloadFile(address string, limit int64, _ time.Duration) ([]byte, error) {
	text, err := b.download(strings.TrimPrefix(address, "repository:/"), limit)
	if err != nil {
		return nil, err
	}
	var m struct{ Signed struct{ Version int64 } }
	if err := json.Unmarshal(text, &m); err == nil && m.Signed.Version > mostVersions {
		return nil, fmt.Errorf("%s: fast-forward: %w", path.Base(address), errFastForward)
	}
	return text, nil
}

func (b *bringer) download(name string, limit int64) ([]byte, error) {
	if b.place.URL != "" {
		u, err := url.Parse(b.place.URL)
		if err != nil {
			return nil, err
		}
		pool := transport.New(transport.Limits{})
		defer pool.CloseIdleConnections()
		web := fetcher.NewDefaultFetcher()
		web.SetHTTPClient(&http.Client{Timeout: time.Minute, CheckRedirect: sameScheme,
			Transport: pool.For(u.Host)})
		return web.DownloadFile(u.JoinPath(name).String(), limit, 0)
	}
	to := filepath.Join(b.dir, fmt.Sprintf(".brought-%d", os.Getpid()))
	defer os.Remove(to)
	os.Remove(to) // of somebody who was stopped
	err := b.place.Bring(b.ctx, name, to, limit)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &metadata.ErrDownloadHTTP{StatusCode: http.StatusNotFound, URL: name}
	}
	if err != nil {
		return nil, err
	}
	return os.ReadFile(to)
}

func sameScheme(next *http.Request, via []*http.Request) error {
	if next.URL.Scheme != via[0].URL.Scheme || len(via) > 5 {
		return fmt.Errorf("it leads to %s", next.URL.Redacted())
	}
	return nil
}

// refused says what is wrong with a repository, by the name that the specification gives the attack.
func (c *Client) refused(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	const again = "nothing was changed: what is in use stays; ask whoever publishes it"
	var what, hint = "", again
	switch {
	case errors.Is(err, &metadata.ErrExpiredMetadata{}):
		what, hint = "expired (a frozen repository looks like that)",
			"ask whoever publishes it to run keys:refresh; is this machine's clock right?"
	case errors.Is(err, &metadata.ErrBadVersionNumber{}):
		what = "rolled back or mixed up"
	case errors.Is(err, &metadata.ErrUnsignedMetadata{}):
		what = "not signed by enough of the keys that are trusted for it"
	case errors.Is(err, &metadata.ErrLengthOrHashMismatch{}):
		what = "mixed up or altered"
	case errors.Is(err, errFastForward):
		what = "fast-forwarded"
	case errors.Is(err, bundle.ErrTooLarge), errors.Is(err, &metadata.ErrDownloadLengthMismatch{}):
		what = "larger than it may be"
	default:
		var web *metadata.ErrDownloadHTTP
		if errors.As(err, &web) && web.StatusCode != http.StatusNotFound {
			return fault.New(fault.Failed, "try again later", "repository %s: %w", c.place.Name, err)
		}
		what = "incomplete or altered"
	}
	return fault.New(fault.BadSignature, hint, "repository %s: %s: %w", c.place.Name, what, err)
}

// Wanted says which bundle is looked for. Fields that are empty leave nothing open but Version.
type Wanted struct {
	Profile, Triple, Sysroot string
	With                     []string
}

// Newest is the bundle of the highest release that is wanted.
func (c *Client) Newest(w Wanted) (name string, about About, err error) {
	for file, t := range c.targets {
		dir, base := path.Split(file)
		dir = strings.TrimSuffix(dir, "/")
		if base != bundle.Sums || !bundle.IsPlain(dir) {
			continue
		}
		a, err := aboutIn(t)
		if err != nil {
			return "", a, fault.New(fault.BadSignature, "ask whoever publishes it", "repository %s: %s: %w",
				c.place.Name, file, err)
		}
		same := a.Profile == w.Profile && a.Triple == w.Triple && a.Sysroot == w.Sysroot &&
			slices.Equal(a.With, w.With)
		if same && (name == "" || a.Sequence > about.Sequence || a.Sequence == about.Sequence && dir > name) {
			name, about = dir, a
		}
	}
	if name == "" {
		return "", about, fault.New(fault.Failed, "-profile, -with and -sysroot say which one is wanted",
			"repository %s: it has no bundle of profile %s for %s%s%s",
			c.place.Name, w.Profile, w.Triple, named(" with ", strings.Join(w.With, ",")),
			named(" for ", w.Sysroot))
	}
	return name, about, nil
}

func named(before, what string) string {
	if what == "" {
		return ""
	}
	return before + what
}

// Source is the bundle of that name. Each file is held against length and digest in targets.json before
// anybody sees it.
func (c *Client) Source(name string) bundle.Source {
	bring := func(ctx context.Context, file, to string, limit int64) error {
		target := path.Join(name, file)
		t := c.targets[target]
		if t == nil {
			return &fs.PathError{Op: "repository", Path: target, Err: fs.ErrNotExist}
		}
		if t.Length > limit {
			return bundle.ErrTooLarge
		}
		if len(t.Hashes["sha256"]) != len(digest.Digest{}) {
			return fmt.Errorf("target %s: its SHA-256 digest is not listed", target)
		}
		err := c.place.Bring(ctx, path.Join(targetsDir, place(target, t)), to, t.Length)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("target %s is missing", target)
		case errors.Is(err, bundle.ErrTooLarge):
			return fmt.Errorf("target %s has more than the %d bytes that are listed", target, t.Length)
		case err != nil:
			return err
		}
		d, n, err := digest.OfFile(to)
		if err == nil && n != t.Length {
			err = fmt.Errorf("target %s has %d bytes, and %d are listed", target, n, t.Length)
		}
		if err == nil && digest.Digest(t.Hashes["sha256"]) != d {
			err = fmt.Errorf("target %s was altered: it has sha256 %s", target, d.Short())
		}
		return err
	}
	return bundle.Source{Name: c.place.Name + " " + name, Bring: bring}
}

// Voucher stands for the repository as the signer of its bundles: by the root.json that was trusted first,
// so that it stays the same when keys change.
func (c *Client) Voucher() sign.Key {
	return sign.Key{ID: c.root.String(), From: "the repository " + c.place.Name}
}

// Threshold is how many keys sign what the repository offers.
func (c *Client) Threshold() int { return c.needs }

// Holds holds a bundle against what the repository says of it.
func (c *Client) Holds(k *bundle.Checked, a About) error {
	is := aboutOf(k.Index, a.Sequence)
	if k.Release != nil {
		is.Sequence = k.Release.Sequence
	}
	want, err := json.Marshal(a)
	got, err2 := json.Marshal(is)
	if err := errors.Join(err, err2); err != nil {
		return err
	}
	if string(want) != string(got) {
		return fault.New(fault.BadSignature, "ask whoever publishes it",
			"repository %s: %s is another bundle than it says", c.place.Name, k.Index.Name)
	}
	return nil
}
