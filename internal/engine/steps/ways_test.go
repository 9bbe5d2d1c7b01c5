package steps

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tlsfloor/tlsfloor/internal/engine/sandbox"
	"github.com/tlsfloor/tlsfloor/recipes"
)

// canary is what stands on the host for a hostile step to reach: something to read, to write, to talk to,
// to trace.
type canary struct {
	dir, file, written, shm string // folders and files; all but written hold the token
	token                   string
	leaked                  *os.File // a descriptor that exec does not close, of file
	handle                  string   // of file, by which it can be opened without any path
	key, segment            int      // of the session keyring and of System V; none is 0 and -1
	victim                  *exec.Cmd
	port                    int

	mu   sync.Mutex
	told bool // somebody spoke to a listener
}

// newCanary puts everything in place, and takes it away again.
func newCanary(t *testing.T) *canary {
	t.Helper()
	c := &canary{dir: t.TempDir(), token: "canary-" + strconv.FormatInt(time.Now().UnixNano(), 36)}
	c.file, c.written = filepath.Join(c.dir, "secret"), filepath.Join(c.dir, "written")
	shm, err := os.CreateTemp("/dev/shm", "tlsfloor-test-")
	if err != nil {
		t.Fatal(err)
	}
	c.shm = shm.Name()
	shm.WriteString(c.token)
	shm.Close()
	t.Cleanup(func() { os.Remove(c.shm) })
	for path, text := range map[string]string{c.file: c.token, c.written: ""} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	fd, err := unix.Open(c.file, unix.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	c.leaked = os.NewFile(uintptr(fd), "leaked")
	t.Cleanup(func() { c.leaked.Close() })
	if h, _, err := unix.NameToHandleAt(unix.AT_FDCWD, c.file, 0); err == nil {
		head := binary.NativeEndian.AppendUint32(nil, uint32(h.Size()))
		head = binary.NativeEndian.AppendUint32(head, uint32(h.Type()))
		c.handle = hex.EncodeToString(append(head, h.Bytes()...))
	}
	c.listen(t)
	c.victim = exec.Command("sleep", "1000")
	c.victim.Env, c.victim.Dir = []string{"CANARY=" + c.token}, c.dir
	if c.victim.Stdin, err = os.Open(c.file); err != nil {
		t.Fatal(err)
	}
	if err := c.victim.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.victim.Process.Kill(); c.victim.Wait() })
	c.memory(t)
	return c
}

// memory makes what has no path: a key and a segment of shared memory.
func (c *canary) memory(t *testing.T) {
	if ring, err := unix.KeyctlInt(unix.KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0); err == nil {
		c.key, _ = unix.AddKey("user", c.token, []byte(c.token), ring)
	}
	c.segment = -1
	id, err := unix.SysvShmGet(unix.IPC_PRIVATE, 4096, unix.IPC_CREAT|0o600)
	if err != nil {
		return
	}
	t.Cleanup(func() { unix.SysvShmCtl(id, unix.IPC_RMID, nil) })
	if b, err := unix.SysvShmAttach(id, 0, 0); err == nil {
		copy(b, c.token)
		unix.SysvShmDetach(b)
		c.segment = id
	}
}

// listen has listeners with a path, without one, and on the loopback.
func (c *canary) listen(t *testing.T) {
	for _, at := range []string{filepath.Join(c.dir, "socket"), "@" + c.token, "127.0.0.1:0"} {
		network := "unix"
		if strings.HasSuffix(at, ":0") {
			network = "tcp"
		}
		l, err := net.Listen(network, at)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		if a, ok := l.Addr().(*net.TCPAddr); ok {
			c.port = a.Port
		}
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				c.mu.Lock()
				c.told = true
				c.mu.Unlock()
				fmt.Fprintln(conn, c.token)
				conn.Close()
			}
		}()
	}
}

// env tells a step where everything is.
func (c *canary) env() []string {
	return []string{
		"PATH=/tlsfloor/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "RE=reac", "GCOV_PREFIX=",
		"DIR=" + c.dir, "FILE=" + c.file, "WRITTEN=" + c.written, "SHM=" + c.shm,
		"FD=" + strconv.Itoa(int(c.leaked.Fd())), "HANDLE=" + c.handle, "PORT=" + strconv.Itoa(c.port),
		"NAME=" + c.token[:len("canary-")], "REST=" + c.token[len("canary-"):],
		"KEY=" + strconv.Itoa(c.key), "SEGMENT=" + strconv.Itoa(c.segment),
		"VICTIM=" + strconv.Itoa(c.victim.Process.Pid),
	}
}

// reached reports whether what a step said, or what it did to the canary, shows that it got there. It puts
// the canary back.
func (c *canary) reached(said string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	text, err := os.ReadFile(c.written)
	made, _ := filepath.Glob(filepath.Join(c.dir, "made*"))
	got := c.told || err != nil || len(text) > 0 || len(made) > 0
	got = got || strings.Contains(said, c.token) || strings.Contains(said, "reached\n")
	c.told = false
	os.RemoveAll(filepath.Join(c.dir, "made"))
	os.Remove(c.written)
	os.WriteFile(c.written, nil, 0o600)
	return got
}

// bare runs a way without any wall: as a shell's command on the host, followed by a host that follows what
// it left.
func (w way) bare(t *testing.T, c *canary) string {
	t.Helper()
	work := t.TempDir()
	for _, dir := range []string{"src", "dest", "needs/zlib", "train0", "train1"} {
		if err := os.MkdirAll(filepath.Join(work, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	var said bytes.Buffer
	log := filepath.Join(work, "log")
	os.WriteFile(log, nil, 0o644)
	cmd := exec.CommandContext(t.Context(), "sh", "-c", w.script)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = filepath.Join(work, "src"), w.env(c, work), &said, &said
	cmd.WaitDelay = time.Second
	cmd.Run()
	if w.naive != nil {
		said.WriteString(w.naive(work))
	}
	deadline := time.Now().Add(5 * time.Second)
	for ; w.later && time.Now().Before(deadline); runtime.Gosched() {
		if info, err := os.Stat(c.written); err == nil && info.Size() > 0 {
			break
		}
	}
	return said.String()
}

func (w way) env(c *canary, work string) []string {
	return append(c.env(), "TRAIN="+filepath.Join(work, "train0"))
}

// boxed runs a way as the whole of a step, with all that the builder does after it.
func (w way) boxed(t *testing.T, c *canary) string {
	t.Helper()
	j := hostileJob(t, sandbox.Namespaces)
	defer j.close()
	env := append(w.env(c, sandbox.WorkPath), "GCOV_PREFIX=")
	list := []recipes.Command{{Argv: []string{"sh", "-c", w.script + "\ntrue"}}}
	said := ""
	if err := j.commands(context.Background(), list, env); err != nil {
		said += err.Error()
	}
	// A second command of the step sees what the first one has made of its mounts.
	look := "cat ../*/secret ../needs/zlib/secret /opt/zlib/secret 2>/dev/null; true"
	if strings.Contains(w.script, "ln -s") {
		j.commands(context.Background(), []recipes.Command{{Argv: []string{"sh", "-c", look}}}, env)
	}
	if d, err := j.log.store(j.Store); err == nil {
		text, _ := j.Store.Read(d)
		// The script itself is in the log.
		said += strings.ReplaceAll(string(text), w.script, "")
	}
	if strings.Contains(w.script, "$TRAIN") {
		if err := j.train(context.Background(), list, env[:len(env)-1]); err != nil {
			said += strings.ReplaceAll(err.Error(), w.script, "")
		}
	}
	if _, err := os.Lstat(j.work); err != nil {
		return said // it failed, and was kept
	}
	if tree, err := j.installed(); err == nil {
		said += w.stored(t, j, tree)
	}
	if err := j.fail(list[0].Argv, env, fmt.Errorf("it failed")); err == nil {
		t.Error("no failure")
	}
	return said
}

// stored puts the tree into the store and takes it out again: what of it would be installed.
func (w way) stored(t *testing.T, j *job, tree string) (said string) {
	output, err := j.Store.AddTree(t.Context(), tree)
	if err != nil {
		return err.Error()
	}
	back := filepath.Join(t.TempDir(), "back")
	if err := j.Store.Restore(t.Context(), output, back); err != nil {
		t.Fatal(err)
	}
	entries, err := j.Store.Tree(output)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !e.Mode.IsRegular() {
			continue
		}
		text, _ := os.ReadFile(filepath.Join(back, e.Path))
		said += string(text)
		info, err := os.Lstat(filepath.Join(back, e.Path))
		if err != nil || info.Mode()&(os.ModeSetuid|os.ModeSetgid) != 0 {
			said += "reached\n"
		}
	}
	return said
}

// TestWaysOut has a hostile recipe try every way that is known here to get out of its step. None reaches
// the canary; without the walls each does, so that it is a way, or it is said why that cannot be seen on
// this host.
func TestWaysOut(t *testing.T) {
	if mode, reason := sandbox.Probe(t.Context()); mode != sandbox.Namespaces {
		t.Skip("no sandbox here: ", reason)
	}
	runtime.LockOSThread() // a session keyring is a thread's
	c := newCanary(t)
	tried, held, shown := 0, 0, 0
	for _, w := range ways {
		tried++
		if said := w.boxed(t, c); c.reached(said) {
			t.Errorf("%s: got out: %s", w.name, said)
		} else {
			held++
		}
		switch said := w.bare(t, c); {
		case c.reached(said):
			shown++
		case w.root && os.Geteuid() != 0, w.host != "":
			t.Logf("%s: no control: %s", w.name, strings.TrimSpace(w.host+" "+said))
		default:
			t.Errorf("%s: it is no way out, even without walls: %s", w.name, said)
		}
	}
	t.Logf("ways tried: %d, held: %d, shown to be ways without the walls: %d", tried, held, shown)
	if tried < 30 {
		t.Error("fewer than 30 ways were tried")
	}
}
