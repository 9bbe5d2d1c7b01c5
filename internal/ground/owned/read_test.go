package owned

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestRead reads regular files below a folder, of so many bytes, and nothing else; it waits for nobody.
func TestRead(t *testing.T) {
	dir := t.TempDir()
	if err := errors.Join(os.Mkdir(dir+"/in", 0o755), os.Mkdir(dir+"/in/d", 0o755),
		os.WriteFile(dir+"/secret", []byte("host"), 0o644),
		os.WriteFile(dir+"/in/f", []byte("text"), 0o644),
		os.WriteFile(dir+"/in/five", []byte("text5"), 0o644), os.Symlink("f", dir+"/in/link"),
		os.Symlink("../secret", dir+"/in/up"), os.Symlink(dir+"/secret", dir+"/in/abs"),
		os.Symlink("/dev/zero", dir+"/in/zero"), os.Symlink("pipe", dir+"/in/piped"),
		syscall.Mkfifo(dir+"/in/pipe", 0o666), os.WriteFile(dir+"/in/huge", nil, 0o644),
		os.Truncate(dir+"/in/huge", 1<<38), os.Symlink("/", dir+"/in/root")); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir + "/in")
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for name, says := range map[string]string{
		"f": "", "link": "", "five": "5 bytes", "up": "escapes", "abs": "escapes",
		"zero": "escapes", "piped": "no regular file", "pipe": "no regular file", "huge": "274877906944 bytes",
		"d": "no regular file", "absent": "no such file"} {
		text, err := Read(root, name, 4)
		if says == "" && (err != nil || string(text) != "text") {
			t.Errorf("%s: %q, %v", name, text, err)
		}
		if says != "" && (err == nil || !strings.Contains(err.Error(), says)) {
			t.Errorf("%s: %q, %v; want %q", name, text, err, says)
		}
	}
	if _, err := Read(root, "absent", 4); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("absent: %v", err)
	}
	if text, err := ReadFile(filepath.Join(dir, "in/f"), 4); err != nil || string(text) != "text" {
		t.Errorf("by its path: %q, %v", text, err)
	}
	if text, err := ReadFile(filepath.Join(dir, "in/link"), 4); err == nil {
		t.Errorf("a link by its path: %q", text)
	}
	for _, name := range []string{"pipe", "f", "root", "zero", "absent"} {
		if entries, err := List(root, name); err == nil {
			t.Errorf("%s is listed: %v", name, entries)
		}
	}
	if entries, err := List(root, "."); err != nil || len(entries) != 11 ||
		!strings.HasPrefix(fmt.Sprint(entries), "[L abs") {
		t.Errorf("%v, %v", entries, err)
	}
}

// TestRootWaitsForNobody opens a pipe in the place of a folder.
func TestRootWaitsForNobody(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, open := range map[string]func() (*os.Root, error){
		"Root": func() (*os.Root, error) { return Root(pipe) },
		"Open": func() (*os.Root, error) { return Open("", pipe) },
		"Make": func() (*os.Root, error) { return Make("", pipe) },
	} {
		if r, err := open(); err == nil {
			t.Errorf("%s opens %s", name, r.Name())
		}
	}
}
