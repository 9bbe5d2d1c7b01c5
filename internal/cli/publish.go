package cli

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/tlsfloor/tlsfloor/artifacts/bundle"
	"github.com/tlsfloor/tlsfloor/artifacts/publish"
	tuf "github.com/tlsfloor/tlsfloor/artifacts/repository"
	"github.com/tlsfloor/tlsfloor/internal/event"
	"github.com/tlsfloor/tlsfloor/internal/fault"
)

// Publish puts a bundle into a folder or a registry, having checked it, and checks what it reads back.
func Publish(ctx context.Context, from string, f Flags) error {
	f.From = &from
	return run(ctx, f, (*command).publish)
}

func (c *command) publish(ctx context.Context) error {
	if c.Target == "" {
		return fault.New(fault.Usage, "a folder, or a registry such as oci://registry.example/tools/python:1.0", "publish: -to is missing")
	}
	trust, err := c.bundleTrust()
	if err != nil {
		return err
	}
	st, work, release, err := c.workFolder(ctx, "publish")
	if err != nil {
		return err
	}
	defer release()
	k, err := c.take(ctx, st, work, trust, true)
	if err != nil {
		return err
	}
	begun := time.Now()
	c.sink.Emit(event.Event{Kind: event.Begin, Step: "publish", Text: "to " + c.Target})
	where, there, err := c.upload(ctx, k)
	if err == nil && !tuf.Is(c.Target) {
		if err = c.readBack(ctx, where, filepath.Join(work, "again"), trust); err != nil {
			err = fmt.Errorf("reading back what was published: %w", err)
		}
	}
	if err != nil {
		c.sink.Emit(event.Event{Kind: event.Fail, Step: "publish", Text: "stopped", Seconds: time.Since(begun).Seconds()})
		return err
	}
	c.sink.Emit(event.Event{Kind: event.Done, Step: "publish", Text: k.Index.Name, Seconds: time.Since(begun).Seconds()})
	if c.JSON {
		return c.json(map[string]any{"at": where, "was_there": there, "signer": signerID(k)})
	}
	how := "published, and read back"
	if there {
		how = "was published before, and was read back"
	}
	if tuf.Is(c.Target) { // a repository, whose digests were signed
		how = strings.TrimSuffix(strings.TrimSuffix(how, ", and read back"), ", and was read back")
	}
	fmt.Fprintf(c.out, "%s: %s\ninstall -from=%s\n", where, how, where)
	return nil
}

// readBack checks a copy of what was published.
func (c *command) readBack(ctx context.Context, where, again string, trust bundle.Trust) error {
	from, done, err := c.published(ctx, where)
	if err != nil {
		return err
	}
	defer done()
	_, err = bundle.Take(ctx, from, again, trust, bundle.Wish{All: true})
	return err
}

func (c *command) published(ctx context.Context, where string) (bundle.Source, func(), error) {
	if publish.IsOCI(where) {
		from, err := publish.FromOCI(ctx, where, c.publishing)
		return from, func() {}, err
	}
	return bundle.Folder(where)
}

func (c *command) publishing(doing string) {
	c.sink.Emit(event.Event{Kind: event.Begin, Step: "publish", Text: doing})
}

// upload publishes, and returns where.
func (c *command) upload(ctx context.Context, k *bundle.Checked) (where string, there bool, err error) {
	if tuf.Is(c.Target) {
		there, err := tuf.Publisher{Dir: c.Target, Keys: c.Keys}.Add(ctx, k, int64(c.Sequence))
		return c.Target, there, err
	}
	if !publish.IsOCI(c.Target) {
		return publish.ToFolder(ctx, k.Dir, k.Index.Name, c.Target)
	}
	where, there, err = publish.ToOCI(ctx, k.Dir, k.Index.Name, c.Target, c.publishing)
	return schemeOf(c.Target) + where, there, err
}

func schemeOf(address string) string {
	for _, s := range publish.Schemes {
		if len(address) > len(s) && address[:len(s)] == s {
			return s
		}
	}
	return ""
}
