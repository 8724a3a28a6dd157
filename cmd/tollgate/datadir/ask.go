package datadir

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// askWithin is how long an answer of the server is waited for.
const askWithin = 2 * time.Second

// ask logs in to the server and sends one command, and returns the line that answers it.
func (d *Dir) ask(command string) (string, error) {
	c, err := net.DialTimeout("unix", d.file(socketFile), askWithin)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(askWithin)); err != nil {
		return "", err
	}
	if _, err := fmt.Fprintf(c, "AUTH %s\r\n%s\r\n", d.password, command); err != nil {
		return "", err
	}
	lines := bufio.NewScanner(c)
	for range 2 {
		if !lines.Scan() {
			return "", errors.Join(errors.New("the server closed the connection"), lines.Err())
		}
		if text, refused := strings.CutPrefix(lines.Text(), "-"); refused {
			return "", errors.New(text)
		}
	}
	return lines.Text(), nil
}

// ping returns nil where the server answers and has read its data.
func (d *Dir) ping() error {
	_, err := d.ask("PING")
	return err
}
