package command

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/tlsfloor/tlsfloor/artifacts/deploy"
	"github.com/tlsfloor/tlsfloor/internal/engine/cacerts"
	"github.com/tlsfloor/tlsfloor/internal/ground/digest"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// trusted is one certificate for programs (-json).
type trusted struct {
	Subject string           `json:"subject"`
	Expires time.Time        `json:"expires"`
	Sources []cacerts.Source `json:"sources"`
	SHA256  digest.Digest    `json:"sha256"`
	Note    string           `json:"note,omitempty"`
}

func forPrograms(l cacerts.List) []trusted {
	all := []trusted{}
	for _, a := range l {
		all = append(all, trusted{a.Subject(), a.Cert.NotAfter.UTC(), a.Sources, a.Digest(), a.Note})
	}
	return all
}

// trustSite is the place of the profile that the flags name.
func (c *command) trustSite() (deploy.Site, error) {
	site := deploy.Site{Root: c.Root, Base: c.Prefix, Profile: c.Profile}
	if site.Current() == 0 {
		return site, fault.New(fault.Failed, "`build` installs it; `status` lists what is installed", "trust: profile %s is not installed below %s", c.Profile, filepath.Join(c.Root, c.Prefix))
	}
	if g, err := site.Generation(site.Current()); err == nil && g.Adopted {
		c.sink.Warn(fmt.Sprintf("generation %d was there before tlsfloor and reads another cert.pem; the others read this", g.Number))
	}
	return site, nil
}

func siteTrust(site deploy.Site) (deploy.Trust, error) {
	t, err := site.Trust()
	if errors.Is(err, fs.ErrNotExist) {
		err = fault.New(fault.Failed, "`build` makes it", "trust: profile %s has none yet", site.Profile)
	}
	return t, err
}

// trustList prints what an installed OpenSSL trusts by default.
func (c *command) trustList(context.Context) error {
	site, err := c.trustSite()
	if err != nil {
		return err
	}
	t, err := siteTrust(site)
	if err != nil {
		return err
	}
	if c.JSON {
		return c.json(forPrograms(t.Anchors))
	}
	c.printAnchors(t.Anchors)
	c.line("%s: %s", c.Profile, trustSummary(t))
	return nil
}

func (c *command) printAnchors(l cacerts.List) {
	if len(l) > 0 {
		c.line("%-12s  %-10s  %-13s  %s", "SHA256", "EXPIRES", "SOURCE", "SUBJECT")
	}
	for _, a := range l {
		c.line("%s  %s  %-13s  %s", a.Digest().Short(), day(a), a.Origin(), a.Subject())
	}
}

// trustAdd adds CAs of the site beside what is trusted already.
func (c *command) trustAdd(ctx context.Context) error {
	if len(c.CAFiles) == 0 {
		return fault.New(fault.Usage, "-cafiles=<file>,<file>", "trust:add: no file is named")
	}
	added, err := c.caFiles()
	if err != nil {
		return err
	}
	return c.changeTrust(ctx, "added", func(t *deploy.Trust) (cacerts.List, error) {
		var news cacerts.List
		for _, a := range added {
			had, _ := t.Anchors.Get(a.Digest())
			if had.Has(cacerts.Site) {
				c.sink.Note(a.Subject() + ": it was added before")
				continue
			}
			news = append(news, a)
		}
		t.Anchors = cacerts.Merge(t.Anchors, news)
		return news, nil
	})
}

// trustRemove takes back a CA that was added.
func (c *command) trustRemove(ctx context.Context) error {
	return c.changeTrust(ctx, "removed", func(t *deploy.Trust) (cacerts.List, error) {
		gone, err := t.Anchors.From(cacerts.Site).Find(c.Subject, c.SHA256)
		if err != nil {
			return nil, fmt.Errorf("trust:remove: %w", err)
		}
		t.Anchors = t.Anchors.Without(cacerts.Site, gone.Digest())
		if still, ok := t.Anchors.Get(gone.Digest()); ok {
			c.sink.Warn(fmt.Sprintf("%s: still trusted, as the %s has it too", gone.Subject(), still.Origin()))
		}
		return cacerts.List{gone}, nil
	})
}

// changeTrust does one change under the lock and prints what it was.
func (c *command) changeTrust(ctx context.Context, done string,
	change func(*deploy.Trust) (cacerts.List, error)) error {
	site, err := c.trustSite()
	if err != nil {
		return err
	}
	unlock, err := c.lock(ctx, site)
	if err != nil {
		return err
	}
	defer unlock()
	t, err := siteTrust(site)
	if err != nil {
		return err
	}
	if n := site.Current(); site.TrustAltered(n) {
		c.sink.Warn(deploy.TrustLink + " was changed by hand: that is lost now")
		if err := site.RepairTrust(n); err != nil {
			return err
		}
	}
	changed, err := change(&t)
	if err != nil {
		return err
	}
	if err := c.setTrust(site, t); err != nil {
		return err
	}
	if c.JSON {
		return c.json(forPrograms(changed))
	}
	for _, a := range changed {
		c.line("%s: %s, expires %s, sha256 %s", done, a.Subject(), day(a), a.Digest())
	}
	return nil
}

// lifetimes is the result of trust:check.
type lifetimes struct {
	Days     int       `json:"days"`
	Expired  []trusted `json:"expired"`
	Expiring []trusted `json:"expiring"`
	Altered  bool      `json:"altered"`
}

// trustCheck looks at the days that the certificates have left, and at cert.pem.
func (c *command) trustCheck(context.Context) error {
	site, err := c.trustSite()
	if err != nil {
		return err
	}
	t, err := siteTrust(site)
	if err != nil {
		return err
	}
	now := time.Now()
	var expired, expiring cacerts.List
	for _, a := range t.Anchors {
		switch {
		case a.Expired(now):
			expired = append(expired, a)
		case a.Expired(now.AddDate(0, 0, c.Days)):
			expiring = append(expiring, a)
		}
	}
	altered := site.TrustAltered(site.Current())
	if c.JSON {
		err = c.json(lifetimes{c.Days, forPrograms(expired), forPrograms(expiring), altered})
	} else {
		c.printAnchors(cacerts.Merge(expired, expiring))
		c.line("%s: %d certificates; expired: %d; within %d days: %d",
			c.Profile, len(t.Anchors), len(expired), c.Days, len(expiring))
	}
	if n := len(expired.From(cacerts.Site)); n > 0 {
		err = errors.Join(err, fault.New(fault.Failed, "`trust:add` the new one first, then `trust:remove` the old one", "trust: %d of the certificates that you added are expired", n))
	}
	if altered {
		err = errors.Join(err, fault.New(fault.Failed, "`build` repairs it", "trust: %s is not what was made", deploy.TrustLink))
	}
	return err
}
