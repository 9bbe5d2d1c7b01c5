package bundle_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/tlsfloor/tlsfloor/artifacts/bundle"
	"github.com/tlsfloor/tlsfloor/artifacts/bundle/bundletest"
	"github.com/tlsfloor/tlsfloor/artifacts/deploy"
	"github.com/tlsfloor/tlsfloor/artifacts/sign"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// folder opens the folder of a bundle for the time of the test.
func folder(t *testing.T, dir string) bundle.Source {
	t.Helper()
	from, done, err := bundle.Folder(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(done)
	return from
}

// taken takes a bundle as an installation does or, with all, as a check does.
func taken(t *testing.T, from bundle.Source, all bool, keys ...sign.Key) (*bundle.Checked, error) {
	t.Helper()
	trust := bundle.Trust{Keys: keys, Unsigned: len(keys) == 0}
	return bundle.Take(t.Context(), from, filepath.Join(t.TempDir(), "copy"), trust, bundle.Wish{All: all})
}

// unpacked fills a generation from the checked bundle, and returns the text in its Python.
func unpacked(t *testing.T, k *bundle.Checked) (string, error) {
	t.Helper()
	dir := t.TempDir()
	if err := k.Filler()(t.Context(), dir, k.Generation(deploy.Site{Base: "/opt",
		Prefixes: map[string]string{}})); err != nil {
		return "", err
	}
	text, err := os.ReadFile(filepath.Join(dir, "python", "lib", "text.py"))
	return strings.TrimSpace(string(text)), err
}

func TestASmallBundleIsTaken(t *testing.T) {
	signer, key := bundletest.Key(t, filepath.Join(t.TempDir(), "key"))
	dir := bundletest.Make(t, t.TempDir(), bundletest.Options{Signer: signer, Controls: true})
	for _, all := range []bool{false, true} {
		for _, keys := range [][]sign.Key{{key}, nil} {
			k, err := taken(t, folder(t, dir), all, keys...)
			if err != nil {
				t.Fatal(err)
			}
			for _, private := range []string{k.Dir, filepath.Join(k.Dir, bundle.ProofDir)} {
				if info, err := os.Stat(private); err != nil || info.Mode().Perm() != 0o700 ||
					int(info.Sys().(*syscall.Stat_t).Uid) != os.Geteuid() {
					t.Errorf("%v, %v", info, err)
				}
			}
			if (k.Key != nil) != (len(keys) > 0) || (k.Archive == "") != all {
				t.Errorf("%+v", k)
			}
		}
	}
}

// TestWhatIsExchangedIsNotSeen: whoever owns the folder exchanges each file for an attacker's as soon as
// it has been read, and once more the whole folder. What is used is what was checked, and each file was
// read once.
func TestWhatIsExchangedIsNotSeen(t *testing.T) {
	signer, key := bundletest.Key(t, filepath.Join(t.TempDir(), "key"))
	for _, all := range []bool{false, true} {
		good := bundletest.Make(t, t.TempDir(), bundletest.Options{Signer: signer, Text: "good"})
		evil := bundletest.Make(t, t.TempDir(), bundletest.Options{Text: "evil"})
		from, read := folder(t, good), map[string]int{}
		bring := from.Bring
		from.Bring = func(ctx context.Context, name, to string, limit int64) error {
			read[name]++
			err := bring(ctx, name, to, limit)
			if !errors.Is(err, fs.ErrNotExist) {
				os.Rename(filepath.Join(evil, name), filepath.Join(good, name)) // the attacker has no signatures
			}
			return err
		}
		k, err := taken(t, from, all, key)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{bundle.Sums, bundle.IndexFile, bundle.SBOMFile, k.Index.Archives[0].File, "proof/proof.json", "proof/" + bundle.Sums} {
			if read[name] != 1 {
				t.Errorf("%s was read %d times", name, read[name])
			}
		}
		k.Archive = k.Index.Archives[0].File
		if text, err := unpacked(t, k); err != nil || text != "# good" {
			t.Errorf("unpacked: %q, %v", text, err)
		}
		// The attack as such works: what lies there now is the attacker's, whole.
		os.Remove(filepath.Join(good, bundle.Sums+bundle.Signature))
		os.Remove(filepath.Join(good, bundle.ProofDir, bundle.Sums+bundle.Signature))
		for _, name := range []string{"provenance", "test-result", "proof/scai", "proof/svr"} {
			os.Remove(filepath.Join(good, name+".dsse.json"))
		}
		k, err = taken(t, folder(t, good), false)
		if err != nil {
			t.Fatal(err)
		}
		if text, err := unpacked(t, k); err != nil || text != "# evil" {
			t.Errorf("the folder holds %q, %v", text, err)
		}
	}
}

// TestWhatIsExchangedBefore: a file that is exchanged between the list and its own turn is altered.
func TestWhatIsExchangedBefore(t *testing.T) {
	signer, key := bundletest.Key(t, filepath.Join(t.TempDir(), "key"))
	first := bundletest.Make(t, t.TempDir(), bundletest.Options{Signer: signer, Text: "good"})
	other := bundletest.Make(t, t.TempDir(), bundletest.Options{Signer: signer, Text: "bad!"})
	for _, name := range []string{bundle.IndexFile, bundle.SBOMFile, "archive", "proof/proof.json"} {
		good, evil := bundletest.Copy(t, first), bundletest.Copy(t, other)
		if name == "archive" {
			name = filepath.Base(good) + ".tar.zst"
		}
		from := folder(t, good)
		bring := from.Bring
		from.Bring = func(ctx context.Context, asked, to string, limit int64) error {
			if asked == name {
				if err := os.Rename(filepath.Join(evil, name), filepath.Join(good, name)); err != nil {
					t.Error(err)
				}
			}
			return bring(ctx, asked, to, limit)
		}
		if name == "proof/proof.json" { // the same in both
			if err := os.WriteFile(filepath.Join(evil, name), []byte("{}"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := taken(t, from, false, key); fault.CodeOf(err) != fault.BadSignature ||
			!strings.Contains(err.Error(), "was altered") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// odd makes something else of a file of the bundle in dir.
var odd = map[string]func(dir, file string) error{
	"a pipe": func(dir, file string) error {
		return errors.Join(os.Remove(file), syscall.Mkfifo(file,
			0o644))
	},
	"a link to the same": func(dir, file string) error {
		return errors.Join(os.Rename(file, dir+".aside"), os.Symlink(dir+".aside", file))
	},
	"a link to a device": func(dir, file string) error {
		return errors.Join(os.Remove(file),
			os.Symlink("/dev/zero", file))
	},
	"a folder": func(dir, file string) error {
		return errors.Join(os.Remove(file), os.Mkdir(file,
			0o755))
	},
	"huge": func(dir, file string) error { return os.Truncate(file, 1<<40) },
}

// TestOddFiles: what is no regular file, or far too large, is not copied, whether it is a list, a
// description, an archive or in the folder of the proof.
func TestOddFiles(t *testing.T) {
	signer, key := bundletest.Key(t, filepath.Join(t.TempDir(), "key"))
	whole := bundletest.Make(t, t.TempDir(), bundletest.Options{Signer: signer})
	for what, spoil := range odd {
		for _, name := range []string{bundle.Sums, bundle.Sums + bundle.Signature, bundle.IndexFile, bundle.SBOMFile, "archive", "proof/proof.json", "provenance.dsse.json"} {
			dir := bundletest.Copy(t, whole)
			file := filepath.Join(dir, name)
			if name == "archive" {
				file = filepath.Join(dir, filepath.Base(dir)+".tar.zst")
			}
			if err := spoil(dir, file); err != nil {
				t.Fatal(err)
			}
			for _, listed := range []bool{true, false} { // the place may also hide what it has
				from := folder(t, dir)
				if !listed {
					from.List = nil
				}
				if _, err := taken(t, from, false, key); fault.CodeOf(err) != fault.BadSignature ||
					fault.HintOf(err) == "" {
					t.Errorf("%s, %s: exit %d, %v", name, what, fault.CodeOf(err), err)
				}
			}
		}
	}
	dir := bundletest.Copy(t, whole)
	proof := filepath.Join(dir, bundle.ProofDir)
	if err := errors.Join(os.Rename(proof, dir+".proof"), os.Symlink(dir+".proof", proof)); err != nil {
		t.Fatal(err)
	}
	if _, err := taken(t, folder(t, dir), false, key); fault.CodeOf(err) != fault.BadSignature {
		t.Errorf("the proof's folder is a link: %v", err)
	}
}

// TestNothingIsCopiedUnsigned: of a bundle that no trusted key has signed only the first list and its
// signature are read.
func TestNothingIsCopiedUnsigned(t *testing.T) {
	signer, _ := bundletest.Key(t, filepath.Join(t.TempDir(), "key"))
	_, other := bundletest.Key(t, filepath.Join(t.TempDir(), "other"))
	from := folder(t, bundletest.Make(t, t.TempDir(), bundletest.Options{Signer: signer}))
	var read []string
	bring := from.Bring
	from.Bring = func(ctx context.Context, name, to string, limit int64) error {
		read = append(read, name)
		return bring(ctx, name, to, limit)
	}
	if _, err := taken(t, from, true, other); fault.CodeOf(err) != fault.BadSignature || !errors.Is(err,
		sign.ErrUntrusted) {
		t.Errorf("%v", err)
	}
	if fmt.Sprint(read) != "[SHA256SUMS SHA256SUMS.sig]" {
		t.Errorf("read: %v", read)
	}
}

// TestSignedNonsense: what a trusted key has signed is held against itself all the same.
func TestSignedNonsense(t *testing.T) {
	signer, key := bundletest.Key(t, filepath.Join(t.TempDir(), "key"))
	for says, spoil := range map[string]func(*bundle.Index){
		"no plain name of an archive": func(x *bundle.Index) {
			x.Archives = append(x.Archives, bundle.Archive{File: "../../../etc/hostname", Controls: true})
		},
		"has no digest": func(x *bundle.Index) {
			x.Archives = append(x.Archives, bundle.Archive{File: "x.tar.zst", Controls: true})
		},
		"more than the": func(x *bundle.Index) { x.Archives[0].Bytes-- },
		"are the most":  func(x *bundle.Index) { x.Archives[0].Bytes = 5 << 30 },
		"stands twice":  func(x *bundle.Index) { x.Archives = append(x.Archives, x.Archives[0]) },
		"is no version": func(x *bundle.Index) {
			x.Parts["zlib"] = bundle.Part{Prefix: "/deps/zlib",
				Version: "../.."}
		},
	} {
		dir := bundletest.Make(t, t.TempDir(), bundletest.Options{Signer: signer, Spoil: spoil})
		if _, err := taken(t, folder(t, dir), false, key); fault.CodeOf(err) != fault.BadSignature ||
			!strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", says, err)
		}
	}
}

// TestRoom: what does not fit is refused before it is copied.
func TestRoom(t *testing.T) {
	dir := t.TempDir()
	if err := bundle.Room(dir, 1); err != nil { // the control
		t.Error(err)
	}
	if err := bundle.Room(dir, 1<<62); !errors.Is(err, syscall.ENOSPC) || fault.HintOf(err) == "" {
		t.Errorf("%v", err)
	}
}
