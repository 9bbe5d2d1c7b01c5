package subject

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/tlsfloor/tlsfloor/verify"
)

func TestCommandStatus(t *testing.T) {
	for _, test := range []struct {
		line, reason, problem string
		ok                    bool
	}{
		{line: "echo {host} {port} {ca} {url}", ok: true},
		{line: "exit 35", reason: "EXIT_35"},
		{line: "/nowhere/program {port}", problem: "not found"},
		{line: "kill -9 $$", problem: "killed"},
		{line: "sleep 60 & exit 0", ok: true}, // what it leaves behind is ended, and holds up nobody
		{line: "python3 -c 'print(\"{url}\")'", problem: "in single quotes"},
	} {
		b := bench()
		b.Command, b.Files.CA = test.line, "/a folder/$(id)/ca.pem"
		r, err := (&command{b}).Connect(t.Context(), verify.Setup{}, "127.0.0.1:4433")
		if r.OK != test.ok || r.Reason != test.reason || (err == nil) != (test.problem == "") || err != nil && !strings.Contains(err.Error(), test.problem) {
			t.Errorf("%s: %+v, %v", test.line, r, err)
		}
		if test.ok && strings.HasPrefix(test.line, "echo") && r.Text != "localhost 4433 /a folder/$(id)/ca.pem https://localhost:4433/" {
			t.Errorf("%s: it prints %q", test.line, r.Text)
		}
	}
}

func TestFillKnowsQuotes(t *testing.T) {
	for line, want := range map[string]string{
		`a {x} "{x}"`:     `a ${TLSFLOOR_VERIFY_X} "${TLSFLOOR_VERIFY_X}"`,
		`'a' {x} 'b'`:     `'a' ${TLSFLOOR_VERIFY_X} 'b'`,
		`"it's {x}"`:      `"it's ${TLSFLOOR_VERIFY_X}"`,
		`it\'s {x}`:       `it\'s ${TLSFLOOR_VERIFY_X}`,
		`'a {x}'`:         "",
		`{x} 'a' '"{x}"'`: "",
		`{y}`:             `{y}`,
	} {
		got, _, err := Fill(line, map[string]string{"x": "1"})
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%s: %s, %v", line, got, err)
		}
	}
}

func TestPreambleOfPostgres(t *testing.T) {
	for _, test := range []struct{ startTLS, answer, problem string }{
		{"none", "", ""}, {"postgres", "S", ""}, {"postgres", "N", "speaks no TLS"}, {"postgres", "", "SSLRequest"}, {"ftp", "", "not known"},
	} {
		ours, theirs := net.Pipe()
		ours.SetDeadline(time.Now().Add(5 * time.Second))
		asked := make(chan []byte, 1)
		go func() {
			got := make([]byte, 8)
			n, _ := io.ReadFull(theirs, got)
			asked <- got[:n]
			theirs.Write([]byte(test.answer))
			theirs.Close()
		}()
		err := (&endpoint{startTLS: test.startTLS}).Begin(ours)
		ours.Close()
		if (err == nil) != (test.problem == "") || err != nil && !strings.Contains(err.Error(), test.problem) {
			t.Errorf("%s answered %q: %v", test.startTLS, test.answer, err)
		}
		if got := <-asked; test.startTLS == "postgres" && !bytes.Equal(got, []byte{0, 0, 0, 8, 4, 0xd2, 0x16, 0x2f}) {
			t.Errorf("it asks % x", got)
		}
	}
}
