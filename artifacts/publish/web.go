package publish

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"

	"github.com/tlsfloor/tlsfloor/artifacts/bundle"
	"github.com/tlsfloor/tlsfloor/internal/engine/fetch"
)

// FromWeb is the bundle whose folder is at the http or https address u. Of a file that is not whole nothing
// stays.
func FromWeb(f *fetch.Fetcher, u *url.URL) bundle.Source {
	any := func(string) error { return nil } // whoever takes the bundle looks at the bytes
	bring := func(ctx context.Context, name, to string, limit int64) error {
		err := f.Get(ctx, u.JoinPath(name).String(), to, limit, any)
		if err == nil {
			return nil
		}
		os.Remove(to)
		if errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return fmt.Errorf("%w: %w", bundle.ErrUnreachable, err)
	}
	return bundle.Source{Name: u.Redacted(), Bring: bring}
}
