package steps

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// way is one way out of a step. Its script runs in src and knows the canary by its environment
// (canary.env). It says the token, or "$RE""hed" with a line feed, where it got there.
type way struct {
	name   string
	script string
	naive  func(work string) string // what a host does that follows what the step has left in its work folder
	root   bool                     // without walls it takes root's rights
	later  bool                     // it goes on when the step has ended
	host   string                   // what not every host has, so that there may be no control
}

// call is a system call's number in a program of perl's.
func call(number int) string { return strconv.Itoa(number) }

// perl runs a program with sockets and system calls.
func perl(text string) string { return "perl -MSocket -e '" + text + "'" }

const said = `print "$ENV{RE}hed\n"`

func read(path ...string) func(string) string {
	return func(work string) string {
		text := ""
		for _, p := range path {
			all, _ := filepath.Glob(filepath.Join(work, p))
			for _, file := range all {
				b, _ := os.ReadFile(file)
				text += string(b)
			}
		}
		return text
	}
}

func put(path string) func(string) string {
	return func(work string) string {
		os.WriteFile(filepath.Join(work, path), []byte("#!/bin/sh\n"), 0o755)
		return ""
	}
}

func rename(work string) string {
	dest := filepath.Join(work, "dest/opt/evil")
	os.MkdirAll(filepath.Dir(dest), 0o755)
	os.Rename(filepath.Join(work, "train0/counts"), dest)
	return ""
}

func setuid(work string) string {
	info, err := os.Stat(filepath.Join(work, "dest/opt/evil/sh"))
	if err == nil && info.Mode()&os.ModeSetuid != 0 {
		return "reached\n"
	}
	return ""
}

// ways are all of them.
var ways = []way{
	// The host's files.
	{name: "a file, read", script: "cat $FILE"},
	{name: "a file, written", script: "echo x >$WRITTEN"},
	{name: "a file, linked", script: "ln $FILE x && cat x"},
	{name: "a folder's entries", script: "ls $DIR | grep -q secret && echo ${RE}hed"},
	{name: "a descriptor that leaked", script: "cat /proc/self/fd/$FD"},
	{name: "shared memory's files", script: "cat $SHM"},
	{name: "a file by its handle", root: true,
		host: "file systems have no handles, or the container no capability",
		script: perl(`my $h = pack("H*", $ENV{HANDLE}); open(D, "<", ".");
			my $f = syscall(` + call(unix.SYS_OPEN_BY_HANDLE_AT) +
			`, fileno(D), $h, 0); exit if $f < 0; open(G, "<&=", $f); print <G>`)},
	{name: "a relative path upwards", script: "cat ../../../../../../../../../../../..$FILE"},

	// Links that the host, or the next mount, follows.
	{name: "a need becomes a link",
		script: "rm -rf ../needs/zlib; ln -s $DIR ../needs/zlib", naive: read("needs/zlib/secret")},
	{name: "src becomes a link",
		script: "mv ../src ../s; ln -s $DIR ../src", naive: read("src/secret")},
	{name: "dest becomes a link",
		script: "mv ../dest ../d; ln -s $DIR ../dest", naive: read("dest/secret")},
	{name: "the prefix becomes a link",
		script: "mkdir -p ../dest/opt; ln -s $DIR ../dest/opt/evil", naive: read("dest/opt/evil/*")},
	{name: "the prefix's folder becomes a link",
		script: "ln -s $DIR ../dest/opt", naive: read("dest/opt/*")},
	{name: "an installed file is a link",
		script: "mkdir -p ../dest/opt/evil; ln -s $FILE ../dest/opt/evil/x",
		naive:  read("dest/opt/evil/*")},
	{name: "the log becomes a link", script: "rm -f ../log; ln -s $FILE ../log", naive: read("log")},
	{name: "enter.sh is a link", script: "ln -s $WRITTEN ../enter.sh", naive: put("enter.sh")},
	{name: "enter.json is a link", script: "ln -s $DIR/made ../enter.json", naive: put("enter.json")},
	{name: "counts go through a link", naive: rename,
		script: "mkdir -p $TRAIN/counts $TRAIN/tlsfloor/work/src 2>/dev/null; " +
			"ln -s $DIR/made ../dest/opt; mkdir -p $DIR/made"},
	{name: "home becomes a link",
		script: "ln -s $DIR ../.home; ln -s $DIR /tlsfloor/home/x", naive: read(".home/secret")},

	// Other processes.
	{name: "the root of process 1", root: true, host: "it may be closed",
		script: "cat /proc/1/root$FILE"},
	{name: "the caller's root", script: "cat /proc/$PPID/root$FILE"},
	{name: "the caller's environment", script: "cat /proc/$PPID/environ >/dev/null && echo ${RE}hed"},
	{name: "the caller's memory",
		script: "exec 9</proc/$PPID/mem && echo ${RE}hed", host: "the kernel may forbid tracing"},
	{name: "the caller's program", script: "head -c 4 /proc/$PPID/exe >/dev/null && echo ${RE}hed"},
	{name: "another's environment", script: `tr '\0' '\n' </proc/$VICTIM/environ`},
	{name: "another's open file", script: "cat /proc/$VICTIM/fd/0"},
	{name: "another's folder", script: "cat /proc/$VICTIM/cwd/secret"},
	{name: "a signal", script: "kill -0 $VICTIM && echo ${RE}hed"},
	{name: "tracing", host: "the kernel may forbid tracing",
		script: perl(`if (syscall(` + call(unix.SYS_PTRACE) + `,
			0x4206, $ENV{VICTIM}+0, 0, 0) == 0) { ` + said + ` }`)},
	{name: "a process that stays behind", later: true,
		script: `(trap "" HUP TERM; while [ -d "$PWD" ] && ! echo x >$WRITTEN; do :;
			done) >/dev/null 2>&1 &`},

	// Talking.
	{name: "a socket with a path",
		script: perl(`socket(S,PF_UNIX,SOCK_STREAM,0);
			connect(S,sockaddr_un("$ENV{DIR}/socket")) and print <S>`)},
	{name: "a socket without a path", script: perl(`socket(S,PF_UNIX,SOCK_STREAM,0);
		connect(S,sockaddr_un("\0$ENV{NAME}$ENV{REST}")) and print <S>`)},
	{name: "the loopback",
		script: perl(`socket(S,PF_INET,SOCK_STREAM,0);
			connect(S,sockaddr_in($ENV{PORT},INADDR_LOOPBACK)) and print <S>`)},
	{name: "the hypervisor", host: "no VSOCK in this kernel",
		script: perl(`socket(S, 40, SOCK_STREAM, 0) and ` + said)},
	{name: "a packet socket", root: true,
		script: perl(`socket(S, 17, SOCK_RAW, 0) and ` + said), host: "no CAP_NET_RAW"},
	{name: "System V's memory", host: "no shared memory",
		script: perl(`my $x = ""; shmread($ENV{SEGMENT}, $x, 0, 64) and print $x`)},
	{name: "a key of the session", host: "no keys in this kernel or container",
		script: perl(`my $b = "\0" x 99; my $k = $ENV{KEY}+0;
			syscall(` + call(unix.SYS_KEYCTL) + `, 11, $k, $b, 99, 0) > 0 and print $b`)},

	// More rights.
	{name: "a set-uid program is left",
		script: "mkdir -p ../dest/opt/evil; cp /bin/sh ../dest/opt/evil/sh; " +
			"chmod 6755 ../dest/opt/evil/sh",
		naive: setuid},
	{name: "a device", root: true, host: "no CAP_MKNOD",
		script: "mknod d c 1 3 && : >d && echo ${RE}hed"},
	{name: "a mount", root: true, host: "no CAP_SYS_ADMIN",
		script: `mkdir -p m; unshare -m sh -c 'mount --bind / m && cat m$FILE'`},
	{name: "a user namespace",
		script: `unshare -Ur true && echo ${RE}hed`, host: "user namespaces are for root"},
	{name: "a mount in a user namespace", host: "no nested namespaces",
		script: `mkdir -p m; unshare -Urm sh -c 'mount --rbind / m && cat m$FILE'`},
	{name: "another's namespaces", root: true,
		script: "nsenter -t $VICTIM -m cat $FILE", host: "no CAP_SYS_ADMIN"},
	{name: "another root", root: true,
		script: perl(`chroot("/proc/$ENV{VICTIM}/root") and open(F, "<", $ENV{FILE}) and print <F>`)},
	{name: "the kernel's settings", root: true, host: "read-only in a container",
		script: "exec 9>>/proc/sys/kernel/core_pattern && echo ${RE}hed"},
	{name: "the system request key", root: true, host: "read-only in a container",
		script: "exec 9>>/proc/sysrq-trigger && echo ${RE}hed"},
	{name: "the kernel's memory", root: true, host: "no kcore",
		script: "head -c 1 /proc/kcore >/dev/null && echo ${RE}hed"},
	{name: "faults handled by a program", root: true, host: "no userfaultfd",
		script: perl(`syscall(` + call(unix.SYS_USERFAULTFD) + `, 0) > 0 and ` + said)},
	{name: "rings of calls", host: "no io_uring",
		script: perl(`my $p = "\0" x 120;
			syscall(` + call(unix.SYS_IO_URING_SETUP) + `, 1, $p) > 0 and ` + said)},
	{name: "a program in the kernel", root: true, host: "no bpf",
		script: perl(`my $a = pack("L4 x112", 2, 4, 4, 1);
			syscall(` + call(unix.SYS_BPF) + `, 0, $a, 128) > 0 and ` + said)},
}

// marked keeps the scripts from saying what they look for: their text is in the log.
func init() {
	for _, w := range ways {
		if strings.Contains(w.script, "reached") {
			panic(w.name)
		}
	}
}
