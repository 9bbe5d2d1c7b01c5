package repository

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/theupdateframework/go-tuf/v2/metadata"

	"github.com/tlsfloor/tlsfloor/artifacts/bundle"
	"github.com/tlsfloor/tlsfloor/artifacts/bundle/bundletest"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// made is a folder for the bundles of all tests.
var made string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "tlsfloor-repository-")
	if err != nil {
		panic(err)
	}
	made = dir
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// world is a repository, and somebody who takes from it.
type world struct {
	*testing.T
	Publisher
	trusted []byte
	state   string
}

var simple = map[string]Role{metadata.ROOT: {2, 3}, metadata.TARGETS: {1, 1}, metadata.SNAPSHOT: {1, 1},
	metadata.TIMESTAMP: {1, 1}}

func newWorld(t *testing.T, roles map[string]Role) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{T: t, Publisher: Publisher{Dir: filepath.Join(dir, "repo"), Keys: filepath.Join(dir,
		"keys")}, state: filepath.Join(dir, "state")}
	w.ok(w.Init(t.Context(), roles))
	w.trusted = w.text("1.root.json")
	return w
}

func (w *world) ok(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) text(name string) []byte {
	w.Helper()
	text, err := os.ReadFile(w.file(name))
	w.ok(err)
	return text
}

// checked makes a bundle and checks it, as publish does.
func (w *world) checked(text string) *bundle.Checked {
	w.Helper()
	dir := filepath.Join(made, text) // a proof takes a while to make
	if entries, err := os.ReadDir(dir); err == nil {
		dir = filepath.Join(dir, entries[0].Name())
	} else {
		dir = bundletest.Make(w.T, dir, bundletest.Options{Text: text})
	}
	from, done, err := bundle.Folder(dir)
	w.ok(err)
	defer done()
	k, err := bundle.Take(w.Context(), from, filepath.Join(w.TempDir(), "copy"),
		bundle.Trust{Unsigned: true}, bundle.Wish{All: true})
	w.ok(err)
	return k
}

func (w *world) add(text string, sequence int64) {
	w.Helper()
	_, err := w.Add(w.Context(), w.checked(text), sequence)
	w.ok(err)
}

// at is the repository in a folder.
func at(t *testing.T, dir string) Place {
	t.Helper()
	from, done, err := bundle.Folder(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(done)
	return Place{Name: dir, Bring: from.Bring}
}

// open is what somebody sees who was here before.
func (w *world) open(now time.Time) (*Client, error) {
	w.Helper()
	return Open(w.Context(), at(w.T, w.Dir), w.trusted, w.state, now)
}

// take takes the newest bundle.
func (w *world) take(c *Client) (*bundle.Checked, About, error) {
	w.Helper()
	name, about, err := c.Newest(Wanted{Profile: "min-tls1_2", Triple: triple(w.T)})
	w.ok(err)
	voucher := c.Voucher()
	k, err := bundle.Take(w.Context(), c.Source(name), filepath.Join(w.TempDir(), "copy"),
		bundle.Trust{Voucher: &voucher}, bundle.Wish{})
	if err == nil {
		err = c.Holds(k, about)
	}
	return k, about, err
}

func triple(t *testing.T) string {
	t.Helper()
	return map[string]string{"amd64": "x86_64", "arm64": "aarch64"}[runtime.GOARCH] + "-linux-gnu"
}

// sees holds what somebody gets against the number of a release.
func (w *world) sees(sequence int64) {
	w.Helper()
	c, err := w.open(time.Now())
	w.ok(err)
	k, about, err := w.take(c)
	w.ok(err)
	if about.Sequence != sequence || k.Key == nil || k.Key.ID != c.root.String() {
		w.Errorf("%+v, key %v", about, k.Key)
	}
}

// refuses holds that nothing is taken now, and why.
func (w *world) refuses(now time.Time, why string) {
	w.Helper()
	_, err := w.open(now)
	if fault.CodeOf(err) != fault.BadSignature || fault.HintOf(err) == "" || !strings.Contains(err.Error(),
		why) {
		w.Errorf("want %q: %d, %v", why, fault.CodeOf(err), err)
	}
}

// copied is a copy of the repository as it is now.
func (w *world) copied() string {
	w.Helper()
	dir := filepath.Join(w.TempDir(), "copy")
	w.ok(os.CopyFS(dir, os.DirFS(w.Dir)))
	return dir
}

// current is the file that timestamp.json leads to.
func (w *world) current(role string) string {
	w.Helper()
	n := int64(1)
	for ; role == metadata.ROOT; n++ {
		if _, err := os.Stat(w.file(fmt.Sprintf("%d.root.json", n+1))); err != nil {
			return fmt.Sprintf("%d.root.json", n)
		}
	}
	timestamp, err := metadata.Timestamp().FromFile(w.file("timestamp.json"))
	w.ok(err)
	if n = timestamp.Signed.Meta["snapshot.json"].Version; role == metadata.TARGETS {
		snapshot, err := metadata.Snapshot().FromFile(w.file(fmt.Sprintf("%d.snapshot.json", n)))
		w.ok(err)
		n = snapshot.Signed.Meta["targets.json"].Version
	}
	if role == metadata.TIMESTAMP {
		return "timestamp.json"
	}
	return fmt.Sprintf("%d.%s.json", n, role)
}

// knows keeps what lies beside the keys, which the returned function puts back.
func (w *world) knows() func() {
	w.Helper()
	was := map[string][]byte{}
	for _, name := range []string{trustedFile, seenFile} {
		text, err := os.ReadFile(filepath.Join(w.Keys, name))
		w.ok(err)
		was[name] = text
	}
	return func() {
		for name, text := range was {
			w.ok(os.WriteFile(filepath.Join(w.Keys, name), text, 0o600))
		}
	}
}

func TestPublishAndTake(t *testing.T) {
	w := newWorld(t, simple)
	if _, err := w.open(time.Now()); err != nil {
		t.Fatal(err)
	}
	w.add("one", 1)
	w.sees(1)
	w.add("two", 2)
	w.sees(2)
	if there, err := w.Add(t.Context(), w.checked("two"), 3); err != nil || !there {
		t.Errorf("the same once more: %v, %v", there, err)
	}
	if _, err := w.Add(t.Context(), w.checked("three"), 2); err == nil || fault.HintOf(err) == "" {
		t.Error("other files as the same release")
	}
	w.ok(w.Refresh(t.Context()))
	w.sees(2)
	w.state = t.TempDir()
	w.sees(2) // somebody new
	c, err := w.open(time.Now())
	w.ok(err)
	for _, none := range []Wanted{
		{Profile: "min-tls1_3", Triple: triple(t)}, {Profile: "min-tls1_2", Triple: "s390x-linux-gnu"},
		{Profile: "min-tls1_2", Triple: triple(t), With: []string{"tests"}}, {Profile: "min-tls1_2",
			Triple: triple(t), Sysroot: "x"}} {
		if name, _, err := c.Newest(none); err == nil {
			t.Errorf("%+v: %s", none, name)
		}
	}
}

// TestOldRepositories: what lies there is signed by the right keys, and old or put together from different
// times.
func TestOldRepositories(t *testing.T) {
	w := newWorld(t, simple)
	w.add("one", 1)
	old := w.copied()
	w.sees(1)
	w.add("two", 2)
	w.sees(2)
	now := time.Now()
	w.refuses(now.Add(Lifetimes[metadata.TIMESTAMP]+time.Minute), "timestamp.json is expired")
	new := w.Dir
	w.Dir = old
	w.refuses(now, "rolled back or mixed up")
	oldest := map[string][]byte{}
	for _, role := range []string{metadata.SNAPSHOT, metadata.TARGETS} {
		oldest[role] = w.text(w.current(role))
	}
	w.Dir = new
	for _, fresh := range []bool{false, true} { // also for somebody who was never here
		for role, text := range oldest {
			w.Dir = new
			w.Dir = w.copied()
			w.ok(os.WriteFile(w.file(w.current(role)), text, 0o644))
			if fresh {
				w.state = t.TempDir()
			} else {
				w.state = filepath.Join(t.TempDir(), "state") // of somebody who knows the first release only
				w.Dir, old = old, w.Dir
				w.sees(1)
				w.Dir, old = old, w.Dir
			}
			w.refuses(now, "rolled back or mixed up")
		}
	}
}

// TestExpiredRoles lets each role expire alone.
func TestExpiredRoles(t *testing.T) {
	defer func(was map[string]time.Duration) { Lifetimes = was }(Lifetimes)
	for _, role := range Roles {
		Lifetimes = maps.Clone(Lifetimes)
		for _, other := range Roles {
			Lifetimes[other] = 100 * day
		}
		Lifetimes[role] = time.Hour
		w := newWorld(t, simple)
		w.add("one", 1)
		w.sees(1)
		w.refuses(time.Now().Add(2*time.Hour), role)
		w.refuses(time.Now().Add(2*time.Hour), "expired (a frozen repository looks like that)")
	}
}

// TestStoppedPublisher stops a publisher before each of its writes: readers see what was there before, or
// the new release.
func TestStoppedPublisher(t *testing.T) {
	defer func() { fault.Inject = nil }()
	w := newWorld(t, simple)
	w.add("one", 1)
	two := w.checked("two")
	whole, again := w.Dir, w.knows()
	for n := 1; ; n++ {
		again()
		w.Dir = whole
		w.Dir = w.copied()
		points := 0
		fault.Inject = func(string) error {
			if points++; points == n {
				return syscall.EIO
			}
			return nil
		}
		_, err := w.Add(context.Background(), two, 2)
		fault.Inject = nil
		if err == nil {
			if n < 8 {
				t.Errorf("only %d writes", n-1)
			}
			w.sees(2)
			return
		}
		w.state = t.TempDir()
		if strings.Contains(err.Error(), "is published, but could not be noted") {
			w.sees(2)
		} else {
			w.sees(1)
		}
		w.add("two", 2) // the next try
		w.sees(2)
	}
}

func TestKeysAreGuarded(t *testing.T) {
	w := newWorld(t, simple)
	all, err := w.List()
	w.ok(err)
	if len(all) != 4 || all[0].Role != metadata.ROOT || len(all[0].Keys) != 3 || all[0].Threshold != 2 ||
		len(all[1].AtHand) != 1 {
		t.Errorf("%+v", all)
	}
	if info, err := os.Stat(w.Keys); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info, err)
	}
	for _, role := range Roles {
		if info, err := os.Stat(w.of(role)[0].file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", info, err)
		}
	}
	w.ok(os.Chmod(w.of(metadata.TIMESTAMP)[0].file, 0o640))
	if err := w.Refresh(t.Context()); err == nil || !strings.Contains(err.Error(), "others may read it") {
		t.Errorf("%v", err)
	}
	if err := w.Init(t.Context(), simple); err == nil {
		t.Error("a repository was made over another")
	}
}
