package owned

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

const (
	me       = 1000
	stranger = 1001
)

// on makes the folder a/b/c and gives it to the owner.
func on(t *testing.T, owner int) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for _, part := range []string{"", "a", "a/b", "a/b/c"} {
		path := filepath.Join(dir, part)
		if err := errors.Join(os.MkdirAll(path, 0o755), os.Chmod(path, 0o755), os.Chown(path, owner,
			owner)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil { // of all of the test's
		t.Fatal(err)
	}
	return dir
}

// ways is what may be found on the way to a folder of the caller's, and what an error about it says; "" is
// none.
var ways = map[string]struct {
	do   func(dir string) error
	says string
}{
	"as it should be": {func(string) error { return nil }, ""},
	"the last is a stranger's": {func(dir string) error { return os.Chown(dir+"/a/b/c", stranger, 0) },
		"/a/b/c: owned by user 1001"},
	"one above is a stranger's": {func(dir string) error { return os.Chown(dir+"/a", stranger, 0) },
		"/a: owned by user 1001"},
	"the last is open": {func(dir string) error { return os.Chmod(dir+"/a/b/c", 0o757) },
		"/a/b/c: others may write"},
	"one above is open": {func(dir string) error { return os.Chmod(dir+"/a", 0o757) },
		"/a: others may write"},
	"a group may write the last": {func(dir string) error {
		return errors.Join(os.Chown(dir+"/a/b/c", -1, stranger), os.Chmod(dir+"/a/b/c", 0o775))
	}, "/a/b/c: others may write"},
	"a group may write above": {func(dir string) error {
		return errors.Join(os.Chown(dir+"/a", -1, stranger), os.Chmod(dir+"/a", 0o775))
	}, "/a: others may write"},
	"one above is sticky": {func(dir string) error { return os.Chmod(dir+"/a", os.ModeSticky|0o777) }, ""},
	"the last is sticky": {func(dir string) error { return os.Chmod(dir+"/a/b/c", os.ModeSticky|0o777) },
		"/a/b/c: others may write"},
	"a stranger's is sticky": {func(dir string) error {
		return errors.Join(os.Chown(dir+"/a", stranger, 0), os.Chmod(dir+"/a", os.ModeSticky|0o777))
	}, "/a: owned by user 1001"},
	"a link of one's own":    {func(dir string) error { return linked(dir, -1) }, ""},
	"a link of a stranger's": {func(dir string) error { return linked(dir, stranger) }, "link "},
	"a link into a stranger's": {func(dir string) error {
		return errors.Join(linked(dir, -1),
			os.Chown(dir+"/a/real", stranger, 0))
	}, "/a/real: owned by user 1001"},
	"a link past a stranger's": {func(dir string) error {
		return errors.Join(os.Mkdir(dir+"/x", 0o755), os.Chown(dir+"/x", stranger, 0),
			os.Remove(dir+"/a/b/c"), os.Symlink("../../x/../a", dir+"/a/b/c"))
	}, "/x: owned by user 1001"},
	"a file on the way": {func(dir string) error {
		return errors.Join(os.Remove(dir+"/a/b/c"), os.WriteFile(dir+"/a/b/c", nil, 0o644))
	}, ""},
	"it is not there": {func(dir string) error { return os.Remove(dir + "/a/b/c") },
		"file does not exist"},
	"not there, below a stranger's": {func(dir string) error {
		return errors.Join(os.Remove(dir+"/a/b/c"),
			os.Chown(dir+"/a/b", stranger, 0))
	}, "/a/b: owned by user 1001"},
	"links in a circle": {func(dir string) error {
		return errors.Join(os.Remove(dir+"/a/b/c"),
			os.Symlink("c", dir+"/a/b/c"))
	}, "too many levels"},
}

// linked puts a link in the place of b, to a folder with a c.
func linked(dir string, owner int) error {
	err := errors.Join(os.Rename(dir+"/a/b", dir+"/a/real"), os.Symlink("real", dir+"/a/b"))
	if owner >= 0 {
		err = errors.Join(err, os.Lchown(dir+"/a/b", owner, owner))
	}
	return err
}

// child is the test's own program as an ordinary user: it prints what Check says of each argument.
func TestMain(m *testing.M) {
	if dirs, ok := os.LookupEnv("OWNED_CHECK"); ok {
		os.Stdout.WriteString(told(Check("", dirs)))
		return
	}
	os.Exit(m.Run())
}

func told(err error) string {
	if err == nil {
		return "fine"
	}
	if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ELOOP) && fault.HintOf(err) == "" {
		return "no hint: " + err.Error()
	}
	return err.Error()
}

func TestWays(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("giving folders to others needs root")
	}
	program := filepath.Join(t.TempDir(), "test")
	if out, err := exec.Command("cp", os.Args[0], program).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, dir := range []string{filepath.Dir(program), filepath.Dir(filepath.Dir(program))} {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	asMe := func(dir string) string {
		cmd := exec.Command(program)
		cmd.Env = []string{"OWNED_CHECK=" + dir}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: me, Gid: me}}
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	asRoot := func(dir string) string { return told(Check("", dir)) }
	for name, way := range ways {
		for who, check := range map[string]struct {
			owner int
			say   func(string) string
		}{"root": {0, asRoot}, "an ordinary user": {me, asMe}, "an ordinary user in root's": {0, asMe}} {
			dir := on(t, check.owner)
			if err := way.do(dir); err != nil {
				t.Fatal(err)
			}
			got := check.say(dir + "/a/b/c")
			if way.says == "" && got != "fine" || !strings.Contains(got, way.says) ||
				strings.HasPrefix(got, "no hint") {
				t.Errorf("%s, %s: %q, want %q", who, name, got, way.says)
			}
		}
	}
	// What is an ordinary user's is a stranger's for root, and for another user.
	dir := on(t, me)
	if got := asRoot(dir + "/a/b/c"); !strings.Contains(got, "owned by user 1000, not by root") {
		t.Errorf("root in a user's folder: %q", got)
	}
	// Many systems give each user a group of their own, and let it write.
	if err := os.Chmod(dir+"/a", 0o775); err != nil {
		t.Fatal(err)
	}
	if got := asMe(dir + "/a/b/c"); got != "fine" {
		t.Errorf("a private group: %q", got)
	}
}

func TestMakeAndInside(t *testing.T) {
	dir := t.TempDir()
	r, err := Make("", filepath.Join(dir, "x/y"))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := r.Mkdir("in", 0o755); err != nil {
		t.Fatal(err)
	}
	in, err := Inside(r, "in")
	if err != nil {
		t.Fatal(err)
	}
	in.Close()
	if err := errors.Join(r.Symlink("in", "link"), os.WriteFile(filepath.Join(dir, "x/y/file"), nil,
		0o644), r.Mkdir("open", 0o755), r.Chmod("open", 0o777)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"link", "file", "open", "absent"} {
		if in, err := Inside(r, name); err == nil {
			in.Close()
			t.Errorf("%s is taken for a folder of one's own", name)
		}
	}
	if err := errors.Join(File(filepath.Join(dir, "x/y/file")), File(filepath.Join(dir,
		"x/y/link"))); err != nil {
		t.Error(err)
	}
	if err := os.Chmod(filepath.Join(dir, "x/y/file"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := File(filepath.Join(dir, "x/y/file")); err == nil || !strings.Contains(err.Error(), "file "+dir) {
		t.Errorf("a file that others may write: %v", err)
	}
	if err := File(filepath.Join(dir, "x/y/absent")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

// TestImages resolves as chroot(2) would.
func TestImages(t *testing.T) {
	image := t.TempDir()
	if err := errors.Join(os.MkdirAll(filepath.Join(image, "data/in"), 0o755), os.Symlink("/data",
		filepath.Join(image, "abs")), os.Symlink("../../../../data", filepath.Join(image, "up")),
		os.Symlink("self", filepath.Join(image, "self"))); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"/data/in": "data/in", "/abs/in": "data/in",
		"/up/in": "data/in", "/abs/../abs/new/er": "data/new/er", "/../../../etc": "etc", "/": ""} {
		if got := Resolve(image, path); got != filepath.Join(image, want) {
			t.Errorf("%s is %s", path, got)
		}
		r, err := Make(image, path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if r.Name() != filepath.Join(image, want) {
			t.Errorf("%s is made at %s", path, r.Name())
		}
		r.Close()
	}
	if got := Resolve(image, "/self/x"); !strings.HasPrefix(got, os.DevNull+"/") {
		t.Errorf("a circle is %s", got)
	}
	if got := Resolve("", "/a/../b"); got != "/b" {
		t.Errorf("without an image: %s", got)
	}
	if err := Check(image, "/nothing"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing: %v", err)
	}
}

func TestNames(t *testing.T) {
	for _, good := range []string{"3.13.15", "adopted", "min-tls1_2", "3.5.7~1", "1+x", "_a"} {
		if err := Name("version", good); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{"", ".", "..", ".x", "-x", "a/b", "a b", "a\n", "\x1b[2J", "a$", "[x]",
		"ä", strings.Repeat("a", 101)} {
		if err := Name("version", bad); err == nil || fault.HintOf(err) == "" ||
			strings.ContainsAny(err.Error(), "\n\x1b") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	for _, good := range []string{"/opt/x", "/a.b/c-d/e_f+g", "/opt/.x"} {
		if err := Prefix(good); err != nil {
			t.Error(err)
		}
	}
	for _, bad := range []string{"", "/", "opt", "/opt/../etc", "/opt//x", "/opt/", "/a b", "/x\n",
		"/x[y]", "/" + strings.Repeat("a", 1001)} {
		if err := Prefix(bad); err == nil || fault.HintOf(err) == "" {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// TestTree looks at every file, and behind links.
func TestTree(t *testing.T) {
	open := func(path string) error { return os.Chmod(path, 0o666) }
	for name, test := range map[string]struct {
		do   func(dir, other string) error
		fine bool
	}{
		"nothing of others'": {func(string, string) error { return nil }, true},
		"a link that leads nowhere": {func(dir, _ string) error {
			return os.Symlink("absent",
				dir+"/link")
		}, true},
		"a circle": {func(dir, _ string) error {
			return os.Symlink(".",
				dir+"/in/link")
		}, true},
		"a file at the top is open": {func(dir, _ string) error { return open(dir + "/one.yaml") }, false},
		"a file below is open":      {func(dir, _ string) error { return open(dir + "/in/two.yaml") }, false},
		"a folder below is open":    {func(dir, _ string) error { return os.Chmod(dir+"/in", 0o777) }, false},
		"a link leads to an open one": {func(dir, other string) error {
			return errors.Join(os.WriteFile(other+"/x", nil, 0o644), open(other+"/x"),
				os.Symlink(other+"/x", dir+"/in/link"))
		}, false},
		"a link leads to a folder with an open one": {func(dir, other string) error {
			return errors.Join(os.WriteFile(other+"/x", nil, 0o644), open(other+"/x"), os.Symlink(other,
				dir+"/link"))
		}, false},
		"one that is not the caller's": {func(dir, _ string) error {
			if os.Geteuid() != 0 {
				return open(dir + "/one.yaml")
			}
			return os.Chown(dir+"/in/two.yaml", stranger, stranger)
		}, false},
	} {
		dir, other := t.TempDir(), t.TempDir()
		if err := errors.Join(os.Mkdir(dir+"/in", 0o755), os.WriteFile(dir+"/one.yaml", nil, 0o644),
			os.WriteFile(dir+"/in/two.yaml", nil, 0o644), test.do(dir, other)); err != nil {
			t.Fatal(err)
		}
		if err := Tree(dir); (err == nil) != test.fine || err != nil && fault.HintOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}
