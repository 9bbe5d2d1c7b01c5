package command

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/tlsfloor/tlsfloor/internal/command/ui"
	"github.com/tlsfloor/tlsfloor/internal/engine/store"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// storeGC removes old results from the store.
func (c *command) storeGC(ctx context.Context) error {
	if c.Keep < 0 {
		return fault.New(fault.Usage, "at least 1; without it, and without -maxsize, 2", "store:gc -keep=%d: less than nothing", c.Keep)
	}
	limits := store.Limits{Generations: c.Keep}
	var err error
	if limits.Bytes, err = parseSize(c.MaxSize); err != nil {
		return err
	}
	if limits == (store.Limits{}) {
		limits.Generations = 2
	}
	st, err := c.existingStore(ctx)
	if err != nil {
		return err
	}
	swept, err := st.GC(limits, !c.Yes)
	if err != nil {
		return err
	}
	if c.JSON {
		return c.json(swept)
	}
	would := "removed"
	if !c.Yes {
		would = "would remove"
	}
	c.line("%s %d records and %d files, %s; %s stay",
		would, swept.Records, swept.Blobs, ui.Bytes(swept.Freed), ui.Bytes(swept.Kept))
	if !c.Yes {
		fmt.Fprintln(c.out, "nothing was removed: -yes does it")
	}
	return nil
}

// storeCheck reads everything in the store and forgets what is damaged.
func (c *command) storeCheck(ctx context.Context) error {
	st, err := c.existingStore(ctx)
	if err != nil {
		return err
	}
	checked, err := st.Check(ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		return c.json(checked)
	}
	for _, line := range checked.Forgotten {
		fmt.Fprintln(c.out, "forgotten:", line)
	}
	c.line("read %d files of %s and %d records; %d were damaged and forgotten",
		checked.Blobs, ui.Bytes(checked.Bytes), checked.Records, len(checked.Forgotten))
	return nil
}

func (c *command) existingStore(ctx context.Context) (*store.Store, error) {
	if err := c.storeNamed(); err != nil {
		return nil, err
	}
	if !exists(c.Store) {
		return nil, fault.New(fault.Usage, "name the store's folder with -store=<folder>", "store %s: there is none", c.Store)
	}
	return c.openStore(ctx)
}

// openStore opens the store, once nobody cleans it any more.
func (c *command) openStore(ctx context.Context) (*store.Store, error) {
	if err := c.storeNamed(); err != nil {
		return nil, err
	}
	return store.OpenWait(ctx, c.Store, func() { c.sink.Note("another tlsfloor cleans the store " + c.Store + "; waiting for it") })
}

// storeNamed refuses to guess where the store of somebody without a home is.
func (c *command) storeNamed() error {
	if c.Store != "" {
		return nil
	}
	return fault.New(fault.Usage,
		"name a folder of your own with -store=<folder> or TLSFLOOR_STORE, or set HOME",
		"store: user %d has no home folder to keep it in", os.Geteuid())
}

// parseSize reads a number of bytes: 500MB, 20GB; "" is no limit. Who leaves the unit out would keep a few
// bytes.
func parseSize(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	number, unit := strings.TrimRight(text, "BKMGTbkmgt"), int64(0)
	switch strings.ToUpper(strings.TrimPrefix(text, number)) {
	case "B":
		unit = 1
	case "K", "KB":
		unit = 1e3
	case "M", "MB":
		unit = 1e6
	case "G", "GB":
		unit = 1e9
	case "T", "TB":
		unit = 1e12
	}
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || !(n > 0) || n*float64(unit) > 1<<62 || unit == 0 {
		return 0, fault.New(fault.Usage, "such as 500MB or 20GB", "-maxsize=%s: not a size with its unit", text)
	}
	return int64(n * float64(unit)), nil
}
