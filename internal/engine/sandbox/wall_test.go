package sandbox

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestWorldTracing tries to take over the namespaces' first process, whose threads have capabilities.
// A process that the command started itself is the control.
func TestWorldTracing(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, view := range []bool{false, true} {
		env := []string{"PATH=" + systemPath, "SANDBOX_TEST_PART=tracer"}
		spec := Spec{HostView: view, Env: env, Mounts: []Mount{{From: filepath.Dir(self), To: "/opt/part"}}}
		lines := strings.Split(must(t, spec, "sleep 1000 & /opt/part/"+filepath.Base(self)+" 1 $!"), "\n")
		if len(lines) != 2 || lines[0] != "false true false" {
			t.Errorf("process 1 seized, refused, memory opened: %q", lines)
		} else if lines[1] != "true false true" {
			t.Skip("this host forbids tracing altogether")
		}
	}
}

// TestWorldDevices uses the devices, and tries to change the host's nodes.
func TestWorldDevices(t *testing.T) {
	shm, err := os.CreateTemp("/dev/shm", "tlsfloor-test-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.Remove(shm.Name())
	defer shm.Close()
	const script = `for f in null zero full random urandom; do chmod 0666 /dev/$f 2>&1 | grep -q 'Read-only file system' || echo "chmod of $f"; done
		chmod 0660 /dev/full 2>/dev/null
		echo x >/dev/null && head -c 8 /dev/urandom /dev/random /dev/zero >/dev/null || echo "no use"; (echo x >/dev/full) 2>/dev/null && echo "not full"
		ls /dev | tr '\n' ' '; ls -A /dev/shm; : >/dev/shm/own && rm /dev/shm/own`
	modes := func() (list string) {
		for _, name := range []string{"null", "zero", "full", "random", "urandom"} {
			info, err := os.Stat("/dev/" + name)
			if err != nil {
				t.Fatal(err)
			}
			list += info.Mode().String() + " "
		}
		return list
	}
	before := modes()
	t.Cleanup(func() {
		if modes() != before { // only when the test has found its fault
			os.Chmod("/dev/full", 0o666)
		}
	})
	for _, view := range []bool{false, true} {
		spec := Spec{HostView: view, Env: []string{"PATH=" + systemPath}}
		equal(t, "/dev", must(t, spec, script), "fd full null random shm stderr stdin stdout urandom zero")
		equal(t, "the modes of the host's nodes", modes(), before)
	}
}

// TestWorldHostRun looks for the sockets of the host's services, and has programs as a proof runs them use
// /dev.
func TestWorldHostRun(t *testing.T) {
	spec := Spec{HostView: true, Env: []string{"PATH=" + systemPath}, Mounts: []Mount{{From: t.TempDir(), To: "/run/user/1000/store"}}}
	if names, _ := os.ReadDir("/run"); len(names) == 0 {
		t.Log("no control: this host's /run is empty")
	}
	equal(t, "/run", must(t, spec, "ls -A /run; ls -A /run/user/1000"), "user\nstore")
	spec.Mounts = nil
	equal(t, "/run", must(t, spec, "ls -A /run 2>/dev/null || echo none"), "none")
	for name, script := range map[string]string{
		"python3": `python3 -c "import os, ssl, multiprocessing; multiprocessing.Lock(); open('/dev/null', 'w').write('x'); print(len(os.urandom(4) + open('/dev/urandom', 'rb').read(4) + ssl.RAND_bytes(8)))"`,
		"openssl": `openssl rand -rand /dev/urandom -hex 8 2>/dev/null </dev/null | tr -d '\n' | wc -c`,
	} {
		if (Host{}).Find(name) != "" {
			equal(t, name, must(t, spec, script), "16")
		}
	}
}

// TestWorldNoLibc looks for the host's headers and link libraries; that they are there otherwise is the
// control.
func TestWorldNoLibc(t *testing.T) {
	const script = `ls -A /usr/include | wc -l; find /usr/lib* /lib* -maxdepth 2 \( -name 'libc.so' -o -name 'libm.so' -o -name 'libc.a' -o -name 'libc_nonshared.a' \) 2>/dev/null | wc -l
		echo '#include <stdio.h>' | cc -E - >/dev/null 2>&1; echo $?; echo 'int main(void) { return 0; }' >/tmp/a.c; cc -o /tmp/a /tmp/a.c 2>/dev/null; echo $?; echo 'int f;' | cc -c -x c -o /tmp/a.o - && ls /tmp/a.o`
	for _, hidden := range []bool{true, false} {
		got := strings.Fields(must(t, Spec{NoLibc: hidden, Env: Namespaces.Environ("")}, script))
		if want := []string{"0", "0", "1", "1", "/tmp/a.o"}; slices.Equal(got, want) != hidden || got[len(got)-1] != "/tmp/a.o" {
			t.Errorf("hidden is %v: %q", hidden, got)
		}
	}
}
