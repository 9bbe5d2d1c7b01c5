package command

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/tlsfloor/tlsfloor/artifacts/bundle"
	"github.com/tlsfloor/tlsfloor/artifacts/bundle/bundletest"
)

// exchange is whoever owns the folder of a bundle: each of the files is replaced by the one in evil as soon
// as somebody has read it. The end says how many were.
func exchange(t *testing.T, dir, evil string, files ...string) (end func() int) {
	t.Helper()
	fd, err := unix.InotifyInit1(unix.IN_NONBLOCK | unix.IN_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	watched := map[int32]string{}
	for _, name := range files {
		w, err := unix.InotifyAddWatch(fd, filepath.Join(dir, name), unix.IN_CLOSE_NOWRITE)
		if err != nil {
			t.Fatal(err)
		}
		watched[int32(w)] = name
	}
	events, done := os.NewFile(uintptr(fd), "inotify"), make(chan int)
	go func() {
		exchanged := 0
		for b := make([]byte, 4096); ; {
			n, err := events.Read(b)
			if err != nil {
				done <- exchanged
				return
			}
			for e := b[:n]; len(e) >= unix.SizeofInotifyEvent; e = e[unix.SizeofInotifyEvent+binary.NativeEndian.Uint32(e[12:]):] {
				w := int32(binary.NativeEndian.Uint32(e))
				if name, ok := watched[w]; ok && os.Rename(filepath.Join(evil, name), filepath.Join(dir, name)) == nil {
					delete(watched, w)
					exchanged++
				}
			}
		}
	}()
	return func() int {
		events.Close()
		return <-done
	}
}

// TestExchangedWhileItIsChecked: the owner of the share has no key, and exchanges files while root looks at
// them. What is installed or published is what was signed, and bundle:verify speaks of that too.
func TestExchangedWhileItIsChecked(t *testing.T) {
	m := newReceiving(t)
	published := ""
	for _, target := range []string{"bundle:verify", "publish", "install"} {
		good := m.release(bundletest.Options{Text: "good", Release: numbered(1)})
		evil := bundletest.Make(t, t.TempDir(), bundletest.Options{Text: "evil"})
		files := []string{filepath.Base(good) + ".tar.zst", bundle.IndexFile, bundle.SBOMFile, bundle.Sums}
		end := exchange(t, good, evil, files...)
		switch target {
		case "bundle:verify":
			m.says(0, target, good, "-key="+m.key.From)
		case "publish":
			m.says(0, target, good, "-key="+m.key.From, "-to="+filepath.Join(m.dir, "share"))
			published = filepath.Join(m.dir, "share", filepath.Base(good))
		case "install":
			m.install(0, good)
		}
		if n := end(); n != len(files) {
			t.Errorf("%s: %d of %d files were exchanged: nothing was tried", target, n, len(files))
		}
		m.says(6, "bundle:verify", good, "-key="+m.key.From) // what lies there now
	}
	m.says(0, "bundle:verify", published, "-key="+m.key.From)
	text, err := os.ReadFile(filepath.Join(m.site().Dir(1), "python", "lib", "text.py"))
	if err != nil || strings.TrimSpace(string(text)) != "# good" {
		t.Errorf("installed: %q, %v", text, err)
	}
}
