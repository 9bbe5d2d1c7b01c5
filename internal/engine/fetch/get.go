package fetch

import (
	"context"
	"fmt"
	"os"
	"path"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// Get downloads one file that no recipe pins to dest: accept decides whether it is what was wanted. limit is
// in bytes. Interrupted transfers are continued, passing errors tried again. fault.BadDigest says that accept
// refused, fault.Failed that it was not to be had, with fs.ErrNotExist where the server has no such file.
func (f *Fetcher) Get(ctx context.Context, url, dest string, limit int64, accept func(path string) error) error {
	name := path.Base(url)
	out, err := os.OpenFile(dest, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	out.Close()
	var m misses
	from, err := f.seek(ctx, &wanted{name: name, urls: []string{url}, path: dest, limit: limit, kind: &kind{}, accept: func(path string) error {
		if err := accept(path); err != nil {
			return bad("%w", err)
		}
		return nil
	}}, &m)
	switch {
	case err != nil:
		return fmt.Errorf("fetching %s: %w", name, err)
	case from != "":
		return nil
	case m.wrong:
		return fault.New(fault.BadDigest, "distrust that place, or take it anew from whoever publishes it", "fetching %s: %s", name, &m)
	}
	return fault.New(fault.Failed, "copy the folder by other means, and install from that",
		"fetching %s: %w", name, m.err())
}
