package sandbox

// LoopbackUp brings the loopback of this process's own network namespace up, which gives it 127.0.0.1 and
// ::1. It needs CAP_NET_ADMIN there.
func LoopbackUp() error { return loopbackUp() }
