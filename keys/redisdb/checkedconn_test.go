package redisdb

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

const masterInfo = "# Replication\r\nrole:master\r\nconnected_slaves:0\r\n"

func bulk(text string) string { return fmt.Sprintf("$%d\r\n%s\r\n", len(text), text) }

// scripted is a connection to a server that answers with the next of some replies to
// each request, whatever it is, in the pieces that its reader gives.
type scripted struct {
	net.Conn
	replies []string
	pieces  func(io.Reader) io.Reader
	sent    []string
	rest    io.Reader
}

func (s *scripted) Write(p []byte) (int, error) {
	s.sent = append(s.sent, string(p))
	return len(p), nil
}

func (s *scripted) Read(p []byte) (int, error) {
	if s.rest == nil {
		s.rest, s.replies = s.pieces(strings.NewReader(s.replies[0])), s.replies[1:]
	}
	n, err := s.rest.Read(p)
	if err == io.EOF && len(s.replies) > 0 {
		s.rest = nil
		return n, nil
	}
	return n, err
}

// exchanged sends a request in two writes and returns the reply of so many bytes.
func exchanged(c net.Conn, size int) (string, error) {
	_, _ = c.Write([]byte("EVAL"))
	_, _ = c.Write([]byte("SHA"))
	got := make([]byte, size)
	_, err := io.ReadFull(c, got)
	return string(got), err
}

// A request on a new connection is sent behind a look, in one write, and its reply is
// handed on as it is: whatever pieces it comes in and whichever protocol is spoken.
// The next request within half a second asks nothing.
func TestCheckedConnAsksAhead(t *testing.T) {
	verbatim := fmt.Sprintf("=%d\r\ntxt:%s\r\n", len(masterInfo)+4, masterInfo)
	for name, pieces := range map[string]func(io.Reader) io.Reader{
		"whole": func(r io.Reader) io.Reader { return r }, "bytes": iotest.OneByteReader, "halves": iotest.HalfReader,
	} {
		for _, looked := range []string{bulk(masterInfo), verbatim} {
			s := &scripted{pieces: pieces, replies: []string{looked + "+OK\r\n:7\r\n", ":8\r\n"}}
			c := newCheckedConn(s, &server{})
			if got, err := exchanged(c, 9); got != "+OK\r\n:7\r\n" || err != nil {
				t.Errorf("%s: %q %v", name, got, err)
			}
			if got, err := exchanged(c, 4); got != ":8\r\n" || err != nil {
				t.Errorf("%s: then %q %v", name, got, err)
			}
			if want := []string{infoCommand + "EVAL", "SHA", "EVAL", "SHA"}; fmt.Sprint(s.sent) != fmt.Sprint(want) {
				t.Errorf("%s: sent %q", name, s.sent)
			}
		}
	}
}

// Half a second later the next request asks again, and nothing of an answer that
// comes more than a second after its look is handed on.
func TestCheckedConnAsksAgain(t *testing.T) {
	s := &scripted{pieces: iotest.HalfReader, replies: []string{bulk(masterInfo) + ":1\r\n", bulk(masterInfo) + ":2\r\n", ":3\r\n"}}
	c := newCheckedConn(s, &server{}).(*checkedConn)
	if _, err := exchanged(c, 4); err != nil {
		t.Fatal(err)
	}
	c.confirmedAt = c.confirmedAt.Add(-roleCheckEvery)
	if got, err := exchanged(c, 4); got != ":2\r\n" || err != nil || s.sent[2] != infoCommand+"EVAL" {
		t.Errorf("%q %v, sent %q", got, err, s.sent)
	}
	_, _ = c.Write([]byte("EVAL"))
	c.confirmedAt = c.confirmedAt.Add(-roleMaxAge)
	for range 3 {
		if n, err := c.Read(make([]byte, 10)); n != 0 || !errors.Is(err, errStaleAnswer) {
			t.Errorf("a late answer: %d %v", n, err)
		}
	}
}

// Nothing is handed on of what a server answers that is no master, that is cut off from
// its replicas, or that does not say.
func TestCheckedConnRefuses(t *testing.T) {
	alone := "role:master\r\nmin_slaves_good_slaves:0\r\n"
	one := "role:master\r\nmin_slaves_good_slaves:1\r\nslave0:ip=::1,port=1,state=online,offset=1,lag=3\r\n"
	for name, row := range map[string]struct {
		reply string
		rule  replicaRule
		want  error
	}{
		"replica":           {bulk("role:slave\r\nmaster_link_status:up\r\n"), replicaRule{}, ErrReplica},
		"cut off":           {bulk(alone), replicaRule{}, ErrCutOff},
		"two wanted":        {bulk(one), replicaRule{2, 10}, ErrCutOff},
		"lagging":           {bulk(one), replicaRule{1, 2}, ErrCutOff},
		"no INFO":           {"-NOPERM this user has no permissions to run the 'info' command\r\n", replicaRule{}, ErrInfo},
		"no such command":   {"-ERR unknown command 'INFO'\r\n", replicaRule{}, ErrInfo},
		"busy":              {"-BUSY Redis is busy\r\n", replicaRule{}, errInfoReply},
		"another section":   {bulk("# Memory\r\n"), replicaRule{}, errInfoReply},
		"another kind":      {":1\r\n", replicaRule{}, errInfoReply},
		"null":              {"$-1\r\n", replicaRule{}, errInfoReply},
		"huge":              {"$999999999999\r\n", replicaRule{}, errInfoReply},
		"a line and no end": {strings.Repeat("x", 2000), replicaRule{}, errInfoReply},
	} {
		s := &scripted{pieces: iotest.HalfReader, replies: []string{row.reply + ":1\r\n"}}
		of := &server{}
		if row.rule != (replicaRule{}) {
			of.rule.Store(&row.rule)
		}
		c := newCheckedConn(s, of)
		for range 3 { // go-redis does not take the first error for the last
			if got, err := exchanged(c, 4); !errors.Is(err, row.want) || strings.Trim(got, "\x00") != "" {
				t.Errorf("%s: %q %v, want %v", name, got, err, row.want)
			}
		}
	}
}

// A replica from which nothing was heard for as long as is allowed makes the next look
// come soon.
func TestCheckedConnWavering(t *testing.T) {
	info := func(lags ...int) string {
		text := fmt.Sprintf("role:master\r\nmin_slaves_good_slaves:%d\r\n", len(lags))
		for i, lag := range lags {
			text += fmt.Sprintf("slave%d:ip=10.0.0.1,port=6379,state=online,offset=7,lag=%d,type=replica\r\n", i, lag)
		}
		return text + "slave9:ip=10.0.0.9,port=6379,state=wait_bgsave,offset=0,lag=0\r\n"
	}
	s := &server{}
	s.rule.Store(&replicaRule{1, 2})
	for _, row := range []struct {
		info     string
		wavering bool
		err      error
	}{
		{info(0), false, nil}, {info(2), true, nil}, {info(2, 1), false, nil}, {info(3), false, ErrCutOff}, {info(3, 2), true, nil},
		{"role:master\r\n", false, nil}, {"role:sentinel\r\n", false, ErrReplica},
	} {
		if wavering, err := s.judge(row.info); wavering != row.wavering || !errors.Is(err, row.err) {
			t.Errorf("%q: %t %v", row.info, wavering, err)
		}
	}
}

// Before the login nothing but its reply is handed on, and the request after it asks again.
func TestCheckedConnBeforeLogin(t *testing.T) {
	refused := "-NOAUTH Authentication required.\r\n"
	s := &scripted{pieces: iotest.OneByteReader, replies: []string{refused + "+OK\r\n", bulk(masterInfo) + ":1\r\n"}}
	c := newCheckedConn(s, &server{})
	if got, err := exchanged(c, 5); got != "+OK\r\n" || err != nil {
		t.Errorf("login: %q %v", got, err)
	}
	if got, err := exchanged(c, 4); got != ":1\r\n" || err != nil || s.sent[2] != infoCommand+"EVAL" {
		t.Errorf("then: %q %v, sent %q", got, err, s.sent)
	}
}

// A deadline in the middle of the look's reply is the caller's, and the rest of the reply may still
// come.
func TestCheckedConnDeadline(t *testing.T) {
	here, there := net.Pipe()
	defer here.Close()
	defer there.Close()
	c := newCheckedConn(here, &server{})
	go func() {
		buffer := make([]byte, 100)
		_, _ = there.Read(buffer)
		_, _ = there.Write([]byte(bulk(masterInfo)[:10]))
		time.Sleep(60 * time.Millisecond)
		_, _ = there.Write([]byte(bulk(masterInfo)[10:] + ":1\r\n"))
	}()
	_, _ = c.Write([]byte("EVAL"))
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	got := make([]byte, 4)
	var late net.Error
	if _, err := c.Read(got); !errors.As(err, &late) || !late.Timeout() {
		t.Errorf("past the deadline: %v", err)
	}
	_ = c.SetReadDeadline(time.Time{})
	if _, err := io.ReadFull(c, got); string(got) != ":1\r\n" || err != nil {
		t.Errorf("then: %q %v", got, err)
	}
}
