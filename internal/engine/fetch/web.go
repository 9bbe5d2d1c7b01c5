package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	getter "github.com/hashicorp/go-getter/v2"

	"github.com/tlsfloor/tlsfloor/internal/engine/transport"
	"github.com/tlsfloor/tlsfloor/internal/ground/event"
)

var errNoRange = errors.New("the server does not continue a download")

// statusError is an answer that is neither 200 nor 206.
type statusError int

func (e statusError) Error() string {
	return fmt.Sprintf("answered %d %s", int(e), strings.ToLower(http.StatusText(int(e))))
}

// isGone reports an answer that this place will not change soon.
func isGone(err error) bool {
	code, ok := errors.AsType[statusError](err)
	return ok && (code == 404 || code == 403 || code == 410)
}

// broken is an answer that ended before its end.
type broken struct{ error }

func (b broken) Unwrap() error { return b.error }

// worthRetrying reports an error that may be gone in a moment.
func worthRetrying(err error) bool {
	if code, ok := errors.AsType[statusError](err); ok {
		return code >= 500 || code == http.StatusTooManyRequests || code == http.StatusRequestTimeout
	}
	for _, passing := range []error{transport.ErrStalled, transport.ErrSlow, io.EOF, io.ErrUnexpectedEOF,
		syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, passing) {
			return true
		}
	}
	return errors.As(err, new(broken))
}

func tooLong(limit int64) error { return bad("sent more than the %d bytes that it may have", limit) }

// httpGet downloads u to w.path, going on behind what is there.
func (f *Fetcher) httpGet(ctx context.Context, u *url.URL, w *wanted) error {
	if err := f.unreachable(u.Host); err != nil {
		return err
	}
	err := f.transfer(ctx, u, w)
	if errors.Is(err, errNoRange) {
		if err = w.restart(); err == nil {
			err = f.transfer(ctx, u, w)
		}
	}
	f.remember(u.Host, err)
	return err
}

// transfer makes one request. go-getter does the downloading; all limits are set by the transfer below it.
func (f *Fetcher) transfer(ctx context.Context, u *url.URL, w *wanted) error {
	ctx, cancel := f.net.Whole(ctx, w.limit)
	defer cancel()
	t := &transfer{net: f.net.For(u.Host), w: w, offset: w.size(), sink: f.o.Sink}
	get := &getter.HttpGetter{
		Client:                &http.Client{Transport: t, CheckRedirect: checkRedirect},
		DoNotCheckHeadFirst:   t.offset == 0, // HEAD is its way to a Range request
		XTerraformGetDisabled: true,
	}
	client := &getter.Client{Getters: []getter.Getter{get}, Decompressors: map[string]getter.Decompressor{}, DisableSymlinks: true}
	_, err := client.Get(ctx, &getter.Request{Src: u.String(), Dst: w.path, GetMode: getter.ModeFile})
	if cause := context.Cause(ctx); err != nil && errors.Is(cause, transport.ErrSlow) {
		return bad("%w", cause) // the next attempt would be no faster
	}
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		return wrapped.Err // its text repeats the URL
	}
	return err
}

func checkRedirect(req *http.Request, via []*http.Request) error {
	req.Header.Del("Referer") // it would show this URL's query to another host
	from, to := via[len(via)-1].URL.Scheme, req.URL.Scheme
	switch {
	case len(via) >= 10:
		return errors.New("more than 10 redirects")
	case to != "https" && (to != "http" || from != "http"):
		return fmt.Errorf("redirects from %s to %s", from, redact(req.URL.String()))
	}
	return nil
}

// unreachable returns why host was not reached before. Without it a site behind a firewall would wait for
// each source in turn.
func (f *Fetcher) unreachable(host string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.dead[host]
}

func (f *Fetcher) remember(host string, err error) {
	op, ok := errors.AsType[*net.OpError](err)
	if ok && (op.Op == "dial" || op.Op == "proxyconnect") && !errors.Is(err, context.Canceled) {
		f.mu.Lock()
		f.dead[host] = err
		f.mu.Unlock()
	}
}

// transfer is the http.RoundTripper of one download.
type transfer struct {
	net    http.RoundTripper
	w      *wanted
	offset int64 // bytes that are there already
	sink   event.Sink
}

// RoundTrip answers go-getter's HEAD itself: it asks whether a download can be continued, and only the answer
// to the real request tells (many servers know Range and do not announce it, some announce it and ignore it).
func (t *transfer) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method == http.MethodHead {
		return &http.Response{StatusCode: 200, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: req, Body: http.NoBody,
			ContentLength: t.w.limit, Header: http.Header{"Accept-Ranges": {"bytes"}}}, nil
	}
	req = req.Clone(req.Context())
	req.Header.Set("User-Agent", "tlsfloor")
	resp, err := t.net.RoundTrip(req)
	if err != nil || resp.StatusCode >= 300 && resp.StatusCode < 400 && resp.Header.Get("Location") != "" {
		return resp, err
	}
	if err := t.check(resp); err != nil {
		resp.Body.Close()
		return nil, err
	}
	resp.Body = &body{ReadCloser: resp.Body, t: t, done: t.offset}
	return resp, nil
}

// check refuses an answer whose body is not what comes next in the file: go-getter would append it.
func (t *transfer) check(resp *http.Response) error {
	switch resp.StatusCode {
	case http.StatusOK:
		if t.offset > 0 {
			return errNoRange
		}
		return nil
	case http.StatusPartialContent:
		if t.offset > 0 && t.continues(resp.Header.Get("Content-Range")) {
			return nil
		}
		return errNoRange
	case http.StatusRequestedRangeNotSatisfiable:
		return errNoRange
	}
	return statusError(resp.StatusCode)
}

// continues reads a Content-Range (RFC 9110, section 14.4).
func (t *transfer) continues(header string) bool {
	spec, ok := strings.CutPrefix(header, "bytes ")
	span, total, ok2 := strings.Cut(spec, "/")
	first, _, ok3 := strings.Cut(span, "-")
	return ok && ok2 && ok3 && first == strconv.FormatInt(t.offset, 10) &&
		(total == "*" || total == strconv.FormatInt(t.w.limit, 10))
}

// body counts what comes in: against the limit, and for progress.
type body struct {
	io.ReadCloser
	t    *transfer
	done int64
	told time.Time
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		err = broken{err}
	}
	b.done += int64(n)
	if over := b.done - b.t.w.limit; over > 0 {
		b.done -= over
		n, err = n-int(over), tooLong(b.t.w.limit)
	}
	if now := time.Now(); now.Sub(b.told) >= 100*time.Millisecond || err != nil {
		b.told = now
		b.t.sink.Emit(event.Event{Kind: event.Progress, Step: b.t.w.name, Bytes: b.done, Total: b.t.w.limit})
	}
	return n, err
}
