package bundle

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/tlsfloor/tlsfloor/artifacts/deploy"
	"github.com/tlsfloor/tlsfloor/artifacts/sign"
)

// TestSeenInImages has the author of an image put something else in the place of what was seen: reading it
// ends at once, with an error, and nothing is noted.
func TestSeenInImages(t *testing.T) {
	for name, do := range map[string]func(file string) error{
		"a pipe":          func(file string) error { return syscall.Mkfifo(file, 0o666) },
		"an endless file": func(file string) error { return os.Symlink("/dev/zero", file) },
		"a folder":        func(file string) error { return os.Mkdir(file, 0o755) },
		"a huge file": func(file string) error {
			return errors.Join(os.WriteFile(file, nil, 0o644), os.Truncate(file, 1<<38))
		},
		"no lines": func(file string) error {
			return os.WriteFile(file, []byte(`{"format":1,"lines":null}`), 0o644)
		},
		"no lines at all": func(file string) error { return os.WriteFile(file, []byte(`{"format":1}`), 0o644) },
		"null":            func(file string) error { return os.WriteFile(file, []byte("null"), 0o644) },
	} {
		s := deploy.Site{Root: t.TempDir(), Base: "/opt", Profile: "p"}
		file := filepath.Join(s.Root, "opt", seenFile)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), do(file)); err != nil {
			t.Fatal(err)
		}
		k := &Checked{Index: &Index{Name: "x"}, Key: &sign.Key{ID: "key"},
			Release: &Release{Sequence: 1, Made: time.Unix(1, 0)}}
		ended := make(chan error)
		go func() { ended <- k.Remember(s) }()
		select {
		case err := <-ended:
			fine := name == "no lines at all" || name == "null" // then nothing was seen
			if (err == nil) != fine {
				t.Errorf("%s: %v", name, err)
			}
		case <-time.After(time.Minute):
			t.Fatalf("%s: it does not end", name)
		}
	}
}
