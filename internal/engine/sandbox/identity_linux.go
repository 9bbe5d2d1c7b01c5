package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Where root runs tlsfloor, commands have one of these uids and gids outside of their namespace, the first
// that there is, so that one that finds a way out is nobody. Neither may be anybody's:
//
//   - 2100000000 lies above what useradd, subordinate ids (login.defs: up to 600100000), containers
//     (systemd: up to 1879048191) and directories (sssd: up to 2000200000) give out, and below 2^31,
//     which some file systems and archives take for negative;
//   - 65533 is for root of a container with few ids (podman: 65536 of them), which systemd's list of
//     ids (UIDS-GIDS) leaves unused.
//
// 65534 will not do: file servers and daemons share it, and so would the files of all that they fold into it.
var nobodies = []int{2100000000, 65533}

// overflow is what the kernel shows for ids that a user namespace has no name for. The host's root is given
// the same number, so that its files show alike to commands of root and of ordinary users.
const overflow = 65534

// Identity is who a command is outside of its namespace.
type Identity struct {
	UID, GID int
	Reason   string // why commands of root are root outside; empty otherwise
}

// Outside returns the identity that commands of this process get.
var Outside = sync.OnceValue(func() Identity { return outside("/proc/self", os.Geteuid(), os.Getegid()) })

// outside reads the maps and capabilities of the process whose folder in /proc is given.
func outside(proc string, euid, egid int) Identity {
	own := Identity{UID: euid, GID: egid}
	if euid != 0 {
		return own
	}
	if lacks(proc, unix.CAP_CHOWN, unix.CAP_SETUID, unix.CAP_SETGID, unix.CAP_DAC_OVERRIDE, unix.CAP_FOWNER) {
		own.Reason = "root lacks a capability of chown, setuid, setgid, dac_override and fowner here"
		return own
	}
	for _, id := range nobodies {
		if mapped(proc+"/uid_map", id) && mapped(proc+"/gid_map", id) {
			return Identity{UID: id, GID: id}
		}
	}
	own.Reason = fmt.Sprintf("this user namespace has neither id %d nor %d", nobodies[0], nobodies[1])
	return own
}

// mapped reports whether a user namespace's map (user_namespaces(7)) has the id.
func mapped(file string, id int) bool {
	text, err := os.ReadFile(file)
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(text)) {
		var first, outer, count int
		if n, _ := fmt.Sscan(line, &first, &outer, &count); n == 3 && id >= first && id-first < count {
			return true
		}
	}
	return false
}

// lacks reports whether one of the capabilities is missing from the effective ones.
func lacks(proc string, caps ...int) bool {
	text, err := os.ReadFile(proc + "/status")
	if err != nil {
		return true
	}
	for line := range strings.Lines(string(text)) {
		if mask, ok := strings.CutPrefix(line, "CapEff:"); ok {
			have, err := strconv.ParseUint(strings.TrimSpace(mask), 16, 64)
			for _, c := range caps {
				if err != nil || have&(1<<c) == 0 {
					return true
				}
			}
			return false
		}
	}
	return true
}

// changes reports whether commands are somebody else outside than the caller.
func (id Identity) changes() bool { return id.UID != os.Geteuid() }

// Own gives an open file or folder to the identity of commands, where that is not the caller's.
func Own(fd int) error {
	id := Outside()
	if !id.changes() {
		return nil
	}
	if err := unix.Fchown(fd, id.UID, id.GID); err != nil {
		return fmt.Errorf("giving a file to uid %d, as which build steps run: %w", id.UID, err)
	}
	return nil
}

// ownTree gives a folder that commands may write to, or a file, to their identity, unless it is theirs
// already. No link is followed.
func ownTree(path string) error {
	id := Outside()
	if !id.changes() {
		return nil
	}
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && int(st.Uid) == id.UID {
		return nil
	}
	// The folder itself comes last: one that is theirs is known to be so as a whole.
	err = filepath.WalkDir(path, func(name string, _ fs.DirEntry, err error) error {
		if err != nil || name == path {
			return err
		}
		return os.Lchown(name, id.UID, id.GID)
	})
	return errors.Join(err, os.Lchown(path, id.UID, id.GID))
}

// ownPipe gives a pipe to the commands' identity: a script's >/dev/stderr opens it by its name, and a pipe
// has an owner as files have.
func ownPipe(f *os.File) error {
	if info, err := f.Stat(); err != nil || info.Mode()&fs.ModeNamedPipe == 0 {
		return err
	}
	return Own(int(f.Fd()))
}

// Hide closes this process to others of the same uid: they can neither trace it nor read its memory, its
// environment or its files through /proc (PR_SET_DUMPABLE(2const)). It is for whoever runs commands that
// have that uid and see it, which are those of the mode None, and for root. An ordinary user's process that
// makes user namespaces has to stay open, as it could not write their maps; its commands see nothing of it.
func Hide(mode Mode) error {
	if mode != None && os.Geteuid() != 0 {
		return nil
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("sandbox: closing this process to others: %w", err)
	}
	return nil
}
