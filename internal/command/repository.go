package command

import (
	"context"
	"net/url"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/tlsfloor/tlsfloor/artifacts/bundle"
	"github.com/tlsfloor/tlsfloor/artifacts/publish"
	tuf "github.com/tlsfloor/tlsfloor/artifacts/repository"
	"github.com/tlsfloor/tlsfloor/artifacts/sign"
	"github.com/tlsfloor/tlsfloor/internal/engine/fetch"
	"github.com/tlsfloor/tlsfloor/internal/engine/store"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/recipes"
)

// overTUF is before the address of a repository in the web: tuf+https://host/folder. A folder is known by
// what is in it.
const overTUF = "tuf+"

func (c *command) isRepository() bool {
	return strings.HasPrefix(c.From, overTUF) || !strings.Contains(c.From, "://") && tuf.Is(c.From)
}

// takeFromRepository takes the newest bundle of the wanted profile from a repository.
func (c *command) takeFromRepository(ctx context.Context, st *store.Store, work string, trust bundle.Trust,
	all bool) (*bundle.Checked, error) {
	place, done, err := c.repository(st)
	if err != nil {
		return nil, err
	}
	defer done()
	policy, err := sign.ReadPolicy(etc)
	if err != nil {
		return nil, err
	}
	trusted, file, err := tuf.TrustedRoot(c.TrustRoot, etc)
	if err != nil {
		return nil, err
	}
	client, err := tuf.Open(ctx, place, trusted, filepath.Join(st.Dir(), "repositories"), time.Now())
	if err != nil {
		return nil, err
	}
	voucher, err := policy.Vouching(client.Voucher(), file)
	if err == nil {
		err = policy.Enough(client.Threshold())
	}
	if err != nil {
		return nil, err
	}
	want, err := c.wanted()
	if err != nil {
		return nil, err
	}
	name, about, err := client.Newest(want)
	if err != nil {
		return nil, err
	}
	trust.Voucher = &voucher
	k, err := bundle.Take(ctx, client.Source(name), filepath.Join(work, "bundle"), trust, bundle.Wish{All: all})
	if err == nil {
		err = client.Holds(k, about)
	}
	if err == nil && k.Release == nil {
		k.Release = &bundle.Release{Name: name, Sequence: about.Sequence} // its metadata says until when
	}
	return k, err
}

// wanted is the bundle that the flags name.
func (c *command) wanted() (tuf.Wanted, error) {
	set, err := recipes.Load(c.Recipes...)
	if err != nil {
		return tuf.Wanted{}, err
	}
	w := tuf.Wanted{Profile: c.Profile}
	if w.Triple, _, err = platform(); err != nil {
		return w, err
	}
	if c.Sysroot != "" {
		if w.Sysroot, err = set.Sysroot(c.Sysroot, runtime.GOARCH); err != nil {
			return w, err
		}
	}
	w.With, err = set.With(c.With)
	return w, err
}

// repository is where the repository that -from names is.
func (c *command) repository(st *store.Store) (tuf.Place, func(), error) {
	address, web := strings.CutPrefix(c.From, overTUF)
	if !web {
		dir, done, err := bundle.Folder(c.From)
		return tuf.Place{Name: c.From, Bring: dir.Bring}, done, err
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return tuf.Place{}, nil, fault.New(fault.Usage, "such as tuf+https://host/folder",
			"-from=%s: no address of a repository", c.From)
	}
	if c.Offline {
		return tuf.Place{}, nil, fault.New(fault.Usage, "copy the folder here and install from that",
			"-from=%s: -offline was said", c.From)
	}
	f, err := fetch.New(st, fetch.Options{Sink: c.fetchSink})
	if err != nil {
		return tuf.Place{}, nil, err
	}
	return tuf.Place{Name: c.From, Bring: publish.FromWeb(f, u).Bring, URL: address}, func() {}, nil
}
