package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/tlsfloor/tlsfloor/artifacts/deploy"
	"github.com/tlsfloor/tlsfloor/internal/engine/archive"
	"github.com/tlsfloor/tlsfloor/internal/engine/cacerts"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
	"github.com/tlsfloor/tlsfloor/recipes"
)

const mozillaCA = "mozilla-ca" // the component whose source holds Mozilla's list

// anchors finds out what the build will make its OpenSSL trust. That comes before anything is compiled: a
// file of CAs that cannot be read must not cost minutes first.
func (c *command) anchors(ctx context.Context, w *workshop) error {
	if _, ok := w.profile.Prefixes["openssl"]; !ok {
		if c.Trust != "" || len(c.CAFiles) > 0 {
			c.sink.Warn("profile " + w.profile.Name + " installs no openssl: -trust and -cafiles change nothing")
		}
		return nil
	}
	kept, err := keptTrust(w.site)
	if err != nil {
		return err
	}
	if _, err := w.site.Trust(); errors.Is(err, deploy.ErrTrustLost) {
		c.sink.Warn(err.Error() + "; it is made anew, without the CAs that `trust:add` had added: " +
			"name them with -cafiles=<files>")
	}
	t := deploy.Trust{Mode: cmp.Or(c.Trust, kept.Mode, "host")}
	added, err := c.caFiles()
	if err != nil {
		return err
	}
	var host, mozilla cacerts.List
	if t.Mode != "mozilla" {
		if t.Host, host, err = c.hostAnchors(); err != nil {
			return err
		}
	}
	if t.Mode != "host" || len(host) == 0 {
		if mozilla, err = c.mozillaAnchors(ctx, w, kept, &t); err != nil {
			return err
		}
	}
	t.Anchors = cacerts.Merge(host, mozilla, added)
	w.trust = &t
	return nil
}

// keptTrust reads what the site trusts now: nothing, when that was never made or is not known any more.
func keptTrust(site deploy.Site) (deploy.Trust, error) {
	t, err := site.Trust()
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, deploy.ErrTrustLost) {
		err = nil
	}
	return t, err
}

// caFiles reads the files of -cafiles, and says what is odd about a certificate in them.
func (c *command) caFiles() (cacerts.List, error) {
	var lists []cacerts.List
	for _, path := range c.CAFiles {
		l, err := cacerts.FromFile(path)
		if err != nil {
			return nil, fault.New(fault.Usage, "give files that hold CA certificates and nothing else, PEM (several in one) or DER", "-cafiles: %w", err)
		}
		lists = append(lists, l)
	}
	all := cacerts.Merge(lists...)
	for _, a := range all {
		if a.Expired(time.Now()) {
			c.sink.Warn(fmt.Sprintf("%s: it expired on %s", a.Subject(), day(a)))
		}
		if !a.Cert.IsCA {
			c.sink.Warn(a.Subject() + ": it is no CA certificate: it can only be trusted as a server's own")
		}
	}
	return all, nil
}

// hostAnchors reads the bundle of this machine or of the image. An unreadable one is an error, none is not.
func (c *command) hostAnchors() (string, cacerts.List, error) {
	path, list, skipped, err := cacerts.FromHost(c.Root)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil, nil
	case err != nil:
		return "", nil, fault.New(fault.Failed, "mend it with the distribution's own tool, or say -trust=mozilla", "bundle of the host: %w", err)
	}
	for _, s := range skipped {
		c.sink.Warn(fmt.Sprintf("%s: %s: not taken", path, s))
	}
	return path, list, nil
}

// mozillaAnchors returns Mozilla's list, from what was kept where that is the pinned version. Where nobody
// has asked for it and it cannot be had, the build goes on: whoever needs no public CA must not need a
// network for them.
func (c *command) mozillaAnchors(ctx context.Context, w *workshop, kept deploy.Trust,
	t *deploy.Trust) (cacerts.List, error) {
	r, err := w.set.Data(mozillaCA)
	if err != nil {
		return nil, err
	}
	src := r.Sources[0]
	if kept.MozillaSource == src.SHA256 {
		t.Mozilla, t.MozillaSource = kept.Mozilla, kept.MozillaSource
		return kept.Anchors.From(cacerts.Mozilla), nil
	}
	if t.Mode == "host" {
		c.sink.Note("this host has no bundle of CA certificates: taking Mozilla's list " + r.Version)
	}
	list, err := c.fetchMozilla(ctx, w, &src)
	if err != nil && c.Trust == "" && t.Mode == "host" && fault.CodeOf(err) == fault.Failed && ctx.Err() == nil { // a wrong digest stays an error
		c.sink.Warn("no public CA is trusted: the host has no bundle, and Mozilla's list cannot be had: " + err.Error())
		return nil, nil
	}
	t.Mozilla, t.MozillaSource = r.Version, src.SHA256
	return list, err
}

func (c *command) fetchMozilla(ctx context.Context, w *workshop, src *recipes.Source) (cacerts.List, error) {
	fetch, err := c.fetcher(w.chosen, w.store)
	if err != nil {
		return nil, err
	}
	d, err := fetch.Step(ctx, c.sink, src)
	if err != nil {
		return nil, err
	}
	f, err := w.store.Open(d)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	work, release, err := w.store.Work(ctx, mozillaCA, false)
	if err != nil {
		return nil, err
	}
	defer release()
	dir := filepath.Join(work, "src")
	if err := archive.Unpack(ctx, f, dir, archive.Options{Name: src.File, Strip: 1}); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(dir, "mozilla", "certdata.txt"))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", src.File, err)
	}
	return cacerts.FromMozilla(text)
}

// applyTrust makes what anchors found, and what was added before, the site's trust. It is called under the
// site's lock.
func (c *command) applyTrust(w *workshop) error {
	if w.trust == nil {
		return nil
	}
	kept, err := keptTrust(w.site)
	if err != nil {
		return err
	}
	t := *w.trust
	t.Anchors = cacerts.Merge(t.Anchors, kept.Anchors.From(cacerts.Site))
	return c.setTrust(w.site, t)
}

// setTrust writes t, and says so when that changes what is trusted.
func (c *command) setTrust(site deploy.Site, t deploy.Trust) error {
	t.Made = time.Now().UTC()
	changed, err := site.SetTrust(t)
	if err == nil && changed {
		c.sink.Note("trust: " + trustSummary(t))
	}
	return err
}

// trustSummary counts the certificates by where they come from.
func trustSummary(t deploy.Trust) string {
	var parts []string
	for _, s := range []struct {
		source cacerts.Source
		format string
		detail string
	}{
		{cacerts.Host, "%d certificates of the host (%s)", t.Host},
		{cacerts.Mozilla, "%d of Mozilla's list (%s)", t.Mozilla},
		{cacerts.Site, "%d of yours%s", ""},
	} {
		if n := len(t.Anchors.From(s.source)); n > 0 {
			parts = append(parts, fmt.Sprintf(s.format, n, s.detail))
		}
	}
	if len(parts) == 0 {
		return "no certificate"
	}
	return strings.Join(parts, ", ")
}

func day(a cacerts.Anchor) string { return a.Cert.NotAfter.UTC().Format(time.DateOnly) }
