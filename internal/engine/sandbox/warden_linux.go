package sandbox

import (
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// terminate is what the caller writes to the lifeline to end the command politely; closing the
// lifeline, as the kernel does when the caller dies, ends it at once. A byte in a pipe cannot come
// too early, as a signal can while the child still starts.
const terminate = 'T'

// warden ends the command on request, and when the caller is no more. A parent-death signal would
// not do: it is sent when the thread that forked ends, not the process (golang/go#27505).
type warden struct {
	world *world
	mu    sync.Mutex
	pid   int
	asked bool
}

func newWarden(w *world) *warden {
	d := &warden{world: w}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	go func() {
		<-signals
		d.terminate()
	}()
	go d.hold(os.NewFile(lifeFD, "lifeline"))
	return d
}

// hold reads the lifeline until it ends.
func (d *warden) hold(life *os.File) {
	b := make([]byte, 1)
	for {
		n, err := life.Read(b)
		if n == 1 && b[0] == terminate {
			d.terminate()
		}
		if err != nil {
			d.kill()
		}
	}
}

// watch says which process to end.
func (d *warden) watch(pid int) {
	d.mu.Lock()
	d.pid = pid
	asked := d.asked
	d.mu.Unlock()
	if asked {
		d.terminate()
	}
}

// terminate sends SIGTERM to the command's group and kills all after the grace.
func (d *warden) terminate() {
	d.mu.Lock()
	pid, first := d.pid, !d.asked
	d.asked = true
	d.mu.Unlock()
	if pid != 0 {
		syscall.Kill(-pid, syscall.SIGTERM)
	}
	if first {
		time.AfterFunc(d.world.Grace, d.kill)
	}
}

// kill ends everything at once. In a pid namespace the end of its first process, this one, does that.
func (d *warden) kill() {
	d.mu.Lock()
	pid := d.pid
	d.mu.Unlock()
	if d.world.Mode == None && pid != 0 {
		syscall.Kill(-pid, syscall.SIGKILL)
		killDescendants()
	}
	syscall.Exit(d.world.say(report{Code: 128 + int(syscall.SIGKILL), Signal: syscall.SIGKILL}))
}
