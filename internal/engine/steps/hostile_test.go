package steps

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tlsfloor/tlsfloor/internal/engine/plan"
	"github.com/tlsfloor/tlsfloor/internal/engine/sandbox"
	"github.com/tlsfloor/tlsfloor/internal/engine/store"
	"github.com/tlsfloor/tlsfloor/internal/ground/event"
	"github.com/tlsfloor/tlsfloor/recipes"
)

// hostileJob is a prepared job whose commands are told by the test; it needs zlib.
func hostileJob(t *testing.T, mode sandbox.Mode) *job {
	t.Helper()
	if probed, reason := sandbox.Probe(t.Context()); mode == sandbox.Namespaces && probed != mode {
		t.Skip("no sandbox here: ", reason)
	}
	st, err := store.Open(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	js, err := newJobServer(2)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(js.close)
	b := &Builder{Store: st, Mode: mode, Jobs: 2, Sink: func(event.Event) {}}
	r := &run{Builder: b, jobs: js, plan: &plan.Plan{}, memory: &gate{available: AvailableMemory}}
	evil := &plan.Step{Name: "build/evil", Recipe: &recipes.Recipe{Name: "evil"}, Prefix: "/opt/evil"}
	j := &job{run: r, step: evil}
	if err := j.prepareFolders(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(j.close)
	if err := os.Mkdir(j.src(), 0o755); err != nil {
		t.Fatal(err)
	}
	j.step.Recipe.Needs, j.step.Needs = []string{"zlib"}, map[string]string{"zlib": "/opt/zlib"}
	if err := os.MkdirAll(filepath.Join(j.work, "needs", "zlib", "lib"), 0o755); err != nil {
		t.Fatal(err)
	}
	return j
}

// tell runs scripts as the step's commands.
func (j *job) tell(scripts ...string) error {
	var list []recipes.Command
	for _, s := range scripts {
		list = append(list, recipes.Command{Argv: []string{"sh", "-c", s}})
	}
	return j.commands(context.Background(), list, []string{"PATH=/tlsfloor/bin:/usr/bin:/bin"})
}

func (j *job) said(t *testing.T) string {
	t.Helper()
	return j.log.tail(100)
}

// secret is a file of the host that a step must not see, with its folder.
func secret(t *testing.T) (path, dir string) {
	t.Helper()
	dir = t.TempDir()
	path = filepath.Join(dir, "secret")
	if err := os.WriteFile(path, []byte("PRIVATE KEY\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path, dir
}

func unharmed(t *testing.T, path string) {
	t.Helper()
	if b, err := os.ReadFile(path); err != nil || string(b) != "PRIVATE KEY\n" {
		t.Errorf("the host's file is now %q, %v", b, err)
	}
	if names, err := os.ReadDir(filepath.Dir(path)); err != nil || len(names) != 1 {
		t.Errorf("the host's folder now has %v, %v", names, err)
	}
}

// TestHostileNeeds: a step tries to put links in the places from which its next command's mounts are taken.
func TestHostileNeeds(t *testing.T) {
	file, dir := secret(t)
	for _, place := range []string{"../needs/zlib", "../dest", "../src", "../bin", "../train0"} {
		j := hostileJob(t, sandbox.Namespaces)
		names := strings.NewReplacer("PLACE", place, "DIR", dir)
		err := j.tell(names.Replace(`{ mv PLACE ../moved || rm -r PLACE; ln -s DIR PLACE; mkdir ../needs
			ln -s DIR ../needs/zlib; } 2>&1; true`), names.Replace(`
			cat /opt/zlib/secret PLACE/secret ../needs/zlib/secret 2>&1
			touch PLACE/made; find / -name secret 2>/dev/null; true`))
		if err != nil {
			t.Errorf("%s: %v", place, err)
		}
		if !strings.Contains(j.said(t), "/opt/zlib/secret: No such file") {
			t.Errorf("%s: the second command did not look: %s", place, j.said(t))
		}
		if strings.Contains(j.said(t), "PRIVATE") {
			t.Errorf("%s: the step read it: %s", place, j.said(t))
		}
		unharmed(t, file)
	}
	// Control: the same command reads the file where a mount does lead there.
	j := hostileJob(t, sandbox.Namespaces)
	need := filepath.Join(j.work, "needs", "zlib")
	if err := os.WriteFile(filepath.Join(need, "secret"), []byte("PRIVATE KEY\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := j.tell("cat /opt/zlib/secret"); err != nil || !strings.Contains(j.said(t), "PRIVATE") {
		t.Errorf("control: %v: %s", err, j.said(t))
	}
}

// TestHostileFailure: the host writes enter.json and enter.sh beside what a step that failed has left,
// through no link of the step's.
func TestHostileFailure(t *testing.T) {
	for _, mode := range []sandbox.Mode{sandbox.Namespaces, sandbox.None} {
		for _, name := range []string{"enter.sh", "enter.json", "log"} {
			file, dir := secret(t)
			j := hostileJob(t, mode)
			names := strings.NewReplacer("NAME", name, "FILE", file, "DIR", dir)
			err := j.tell(names.Replace("rm -f ../NAME; ln -s FILE ../NAME; ln -s DIR/made ../NAME; exit 1"))
			if err == nil {
				t.Fatal("the step did not fail")
			}
			unharmed(t, file)
			kept := j.Store.Failed("build/evil")
			for _, made := range []string{"enter.sh", "enter.json"} {
				info, err := os.Lstat(filepath.Join(kept, made))
				if err != nil || !info.Mode().IsRegular() || info.Size() < 40 {
					t.Errorf("%s, %s: kept %s is %v, %v", mode, name, made, info, err)
				}
			}
		}
	}
}

// TestHostileLog: the log is what was written to it, whatever has its name in the end.
func TestHostileLog(t *testing.T) {
	for _, mode := range []sandbox.Mode{sandbox.Namespaces, sandbox.None} {
		for _, instead := range []string{"ln -s %s ../log", "mkfifo ../log", "mkdir ../log", "ln %s ../log"} {
			file, _ := secret(t)
			j := hostileJob(t, mode)
			instead = strings.ReplaceAll(instead, "%s", file)
			if err := j.tell("echo said; rm -f ../log; " + instead + "; true"); err != nil {
				t.Fatal(err)
			}
			d, err := j.log.store(j.Store)
			if err != nil {
				t.Fatal(err)
			}
			b, err := j.Store.Read(d)
			said := strings.Contains(string(b), "\nsaid\n")
			if err != nil || !said || strings.Contains(string(b), "PRIVATE") {
				t.Errorf("%s, %s: the log is %q, %v", mode, instead, b, err)
			}
		}
	}
}

// TestHostileTraining: what trainings leave is compared and moved without following a link or opening a pipe.
func TestHostileTraining(t *testing.T) {
	const good = "mkdir -p $SRC; echo counts >$SRC/f; "
	const bind = `perl -MSocket -e 'socket(S,PF_UNIX,SOCK_STREAM,0); bind(S,sockaddr_un("s")) or die $!'`
	for name, c := range map[string]struct{ script, want string }{
		"as it should be":       {good, ""},
		"nothing":               {"true", "counted nothing"},
		"counts behind a link":  {"mkdir -p $GCOV_PREFIX/tlsfloor; ln -s DIR ${SRC%/src}", "left a link"},
		"counts are a link":     {"mkdir -p ${SRC%/src}; ln -s DIR $SRC", "left a link"},
		"a file behind a link":  {good + "ln -s FILE $SRC/g", "left a link"},
		"a pipe":                {good + "mkfifo $SRC/g", "neither file, folder nor link"},
		"a socket":              {good + "cd $SRC; " + bind, "neither file, folder nor link"},
		"a link for dest's":     {good + "ln -sfn DIR ../dest/opt", "but a folder"},
		"the training's folder": {good + "mv $GCOV_PREFIX ../x; ln -sfn DIR $GCOV_PREFIX; true", "left a link"},
		"the other's":           {good + "ln -s DIR ../train0/x; ln -s DIR ../train1/x; true", "left a link"},
		"a name with a line feed": {good + `: >"$SRC/a
b"`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			file, dir := secret(t)
			j := hostileJob(t, sandbox.Namespaces)
			script := "SRC=$GCOV_PREFIX/tlsfloor/work/src; " +
				strings.NewReplacer("DIR", dir, "FILE", file).Replace(c.script)
			training := []recipes.Command{{Argv: []string{"sh", "-c", script}}}
			err := j.train(context.Background(), training, []string{"PATH=/tlsfloor/bin"})
			unharmed(t, file)
			matches(t, err, c.want)
			if c.want == "" {
				tree, err := j.installed()
				if err != nil {
					t.Fatal(err)
				}
				if b, err := os.ReadFile(filepath.Join(tree, "f")); string(b) != "counts\n" {
					t.Errorf("the counts are %q, %v", b, err)
				}
			}
		})
	}
}

// TestHostileTree: what is installed is looked at, checked and stored without following what the step has
// put there.
func TestHostileTree(t *testing.T) {
	good := "mkdir -p ../dest/opt/evil/lib; echo x >../dest/opt/evil/lib/x; "
	for name, c := range map[string]struct{ script, want string }{
		"as it should be":    {good, ""},
		"the prefix a link":  {"mkdir -p ../dest/opt; ln -s DIR ../dest/opt/evil", "is no folder"},
		"its folder a link":  {"ln -s DIR ../dest/opt", "outside of the prefix"},
		"dest a link":        {good + "rm -rf ../dest; ln -s DIR ../dest; true", "outside of the prefix"},
		"a file outside":     {good + "echo >../dest/opt/x", "/opt/x lies outside of the prefix"},
		"a pipe":             {good + "mkfifo ../dest/opt/evil/lib/p", "neither file, folder nor link"},
		"a pipe outside":     {good + "mkfifo ../dest/p", "neither file, folder nor link"},
		"a link that leads":  {good + "ln -s FILE ../dest/opt/evil/lib/l; ln -s DIR ../dest/opt/evil/d", ""},
		"libssl.a leads":     {good + "ln -s FILE ../dest/opt/evil/lib/libssl.a", "no file lib/libssl.a"},
		"libssl.a is a pipe": {good + "mkfifo ../dest/opt/evil/lib/libssl.a", "neither file"},
		"header's neighbours": {good + `mkdir -p ../dest/opt/evil/include/openssl
			cd ../dest/opt/evil/include/openssl
			echo >ssl.h; ln -s FILE configuration.h`, "escapes"},
	} {
		t.Run(name, func(t *testing.T) {
			file, dir := secret(t)
			j := hostileJob(t, sandbox.Namespaces)
			if err := j.tell(strings.NewReplacer("DIR", dir, "FILE", file).Replace(c.script)); err != nil {
				t.Fatal(err)
			}
			tree, err := j.installed()
			if err == nil && strings.Contains(name, "libssl.a") {
				err = check(recipes.CheckFloor, subject{tree: tree, floor: recipes.TLS12, log: t.Output()})
			}
			if err == nil && strings.Contains(name, "header") {
				err = check(recipes.CheckELF, subject{tree: tree, floor: recipes.TLS12, log: t.Output()})
			}
			matches(t, err, c.want)
			if err == nil {
				output, err := j.Store.AddTree(t.Context(), tree)
				if err != nil {
					t.Fatal(err)
				}
				entries, err := j.Store.Tree(output)
				for _, e := range entries {
					if err != nil || e.Mode.IsRegular() != (e.Path == "lib/x") {
						t.Errorf("%v, %v: only lib/x is a file", e, err)
					}
				}
			}
			unharmed(t, file)
		})
	}
}

// TestHostileLeftovers: the work folder goes whatever the step made of it.
func TestHostileLeftovers(t *testing.T) {
	for _, mode := range []sandbox.Mode{sandbox.Namespaces, sandbox.None} {
		file, dir := secret(t)
		j := hostileJob(t, mode)
		err := j.tell("mkdir -p shut/deep/er; : >shut/deep/er/file; ln -s " + dir + ` shut/deep/link
			chmod 0 shut/deep/er shut/deep shut; chmod 0 .`)
		if err != nil {
			t.Fatal(err)
		}
		j.close()
		j.log = nil
		if _, err := os.Lstat(j.work); err == nil {
			t.Errorf("%s: the work folder is still there", mode)
		}
		unharmed(t, file)
	}
}
