package command

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/tlsfloor/tlsfloor/artifacts/bundle"
	"github.com/tlsfloor/tlsfloor/artifacts/publish"
	tuf "github.com/tlsfloor/tlsfloor/artifacts/repository"
	"github.com/tlsfloor/tlsfloor/internal/ground/event"
	"github.com/tlsfloor/tlsfloor/internal/ground/fault"
)

// publish puts a bundle into a folder or a registry, having checked it, and checks what it reads back.
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
	if err == nil {
		if err = c.readBack(ctx, k, where, work, trust); err != nil {
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
	fmt.Fprintf(c.out, "%s: %s\ninstall -from=%s\n", where, how, where)
	return nil
}

// readBack checks a copy of what was published; of a repository as whoever trusts the publisher's root.json
// and was never there.
func (c *command) readBack(ctx context.Context, k *bundle.Checked, where, work string,
	trust bundle.Trust) error {
	from, done, err := c.published(ctx, where)
	if err != nil {
		return err
	}
	defer done()
	if tuf.Is(where) {
		trusted, err := os.ReadFile(filepath.Join(c.Keys, "root.json"))
		if err != nil {
			return err
		}
		client, err := tuf.Open(ctx, tuf.Place{Name: where, Bring: from.Bring}, trusted,
			filepath.Join(work, "client"), time.Now())
		if err != nil {
			return err
		}
		voucher := client.Voucher()
		from, trust = client.Source(k.Index.Name), bundle.Trust{Voucher: &voucher}
	}
	_, err = bundle.Take(ctx, from, filepath.Join(work, "again"), trust, bundle.Wish{All: true})
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
		p, err := c.publisher(true)
		if err != nil {
			return "", false, err
		}
		there, err := p.Add(ctx, k, int64(c.Sequence))
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
