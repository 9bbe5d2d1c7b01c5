package fault

// Inject is nil in the program. A test sets it to stop the program, or to fail what it is about to do, at a
// point of its choice.
var Inject func(point string) error

// At names a point at which something lasting is about to happen: a write, a sync, a rename. It returns the
// fault that a test planted there.
func At(point string) error {
	if Inject == nil {
		return nil
	}
	return Inject(point)
}
