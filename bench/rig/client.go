package rig

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"
)

// Request is a whole HTTP request as it is sent.
type Request []byte

// NewRequest makes a POST of JSON with a root key.
func NewRequest(path, rootKey string, body []byte) Request {
	b := fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: tollgate\r\nContent-Type: application/json\r\n", path)
	if rootKey != "" {
		b = fmt.Appendf(b, "Authorization: Bearer %s\r\n", rootKey)
	}
	b = append(strconv.AppendInt(append(b, "Content-Length: "...), int64(len(body)), 10), "\r\n\r\n"...)
	return append(b, body...)
}

// Conn is one keep-alive connection, without pipelining: an exchange at a time. It
// allocates nothing once its buffers have grown.
type Conn struct {
	net.Conn
	reader   *bufio.Reader
	response fasthttp.Response
}

// Dial opens a connection.
func Dial(addr string) (*Conn, error) {
	c, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		return nil, err
	}
	return &Conn{Conn: c, reader: bufio.NewReader(c)}, nil
}

// DialMany opens n connections.
func DialMany(addr string, n int) ([]*Conn, error) {
	all := make([]*Conn, n)
	for i := range all {
		c, err := Dial(addr)
		if err != nil {
			return nil, err
		}
		all[i] = c
	}
	return all, nil
}

// Do sends a request and reads the answer, which is valid until the next one.
func (c *Conn) Do(r Request) (status int, body []byte, err error) {
	if _, err := c.Write(r); err != nil {
		return 0, nil, err
	}
	if err := c.response.Read(c.reader); err != nil {
		return 0, nil, err
	}
	return c.response.StatusCode(), c.response.Body(), nil
}

// Want is what an answer must be.
type Want struct {
	Status int
	Text   string // a part of the body
}

// Check tells what is wrong with an answer.
func (w Want) Check(status int, body []byte) error {
	if status != w.Status || !bytes.Contains(body, []byte(w.Text)) {
		return fmt.Errorf("want %d %s, got %d %s", w.Status, w.Text, status, body)
	}
	return nil
}
