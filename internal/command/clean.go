package command

import (
	"context"

	"github.com/tlsfloor/tlsfloor/internal/command/ui"
)

// clean removes work folders, failed steps and unfinished downloads from the store; with -all the whole
// store.
func (c *command) clean(ctx context.Context) error {
	if err := c.storeNamed(); err != nil {
		return err
	}
	if !exists(c.Store) {
		c.line("nothing to clean: there is no store at %s", c.Store)
		return nil
	}
	st, err := c.openStore(ctx) // refuses a folder that holds other things
	if err != nil {
		return err
	}
	freed, err := st.Clean(c.All)
	if err != nil {
		return err
	}
	c.line("freed %s below %s", ui.Bytes(freed), c.Store)
	return nil
}
