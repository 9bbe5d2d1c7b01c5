package command

import (
	"os"
	"reflect"

	"github.com/tlsfloor/tlsfloor/internal/command/usage"
)

// Flags are a target's flags and arguments as mage hands them over, by their names: pointers that are nil
// where a flag was not given.
type Flags map[string]any

// readOptions are the options of a target. When something is wrong, those that could be read come with the
// error.
func readOptions(t usage.Target, f Flags) (o options, notes []string, err error) {
	v, err := t.Read(f, os.Getenv)
	o.given = v.Given
	to := reflect.ValueOf(&o).Elem()
	for field, value := range v.Of {
		to.FieldByName(field).Set(reflect.ValueOf(value))
	}
	return o, v.Notes, err
}
