package web

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// start opens a connection, sends text on it, in which \n stands for CRLF, and keeps it.
func (k *kit) start(text string) net.Conn {
	k.t.Helper()
	c, err := net.Dial("tcp", k.addr)
	if err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	io.WriteString(c, strings.ReplaceAll(text, "\n", "\r\n")) // an error shows in what comes back
	return c
}

// within waits until the memory in use is as wanted.
func (k *kit) within(what string, want func(used int64) bool) {
	k.t.Helper()
	for began := time.Now(); !want(k.MemoryUsed()); time.Sleep(time.Millisecond) {
		if time.Since(began) > 10*time.Second {
			k.t.Fatalf("%s: %d bytes are in use", what, k.MemoryUsed())
		}
	}
}

// Bodies under way never take more than the budget. What does not fit is 503 in the
// dialect's shape, a small request is served, and what was held is free when it is over.
func TestBodiesStayWithinTheBudget(t *testing.T) {
	for name, request := range map[string]string{
		"length": post("/v2/greet", known, named(1<<20)),
		"chunks": inChunks("/v2/greet", known, named(1<<20), 1<<16),
	} {
		t.Run(name, func(t *testing.T) {
			const budget = 16 << 20
			k := serve(t, func(c *Config) { c.MaxMemory, c.ReadTimeout = budget, 20*time.Second })
			short := strings.TrimSuffix(request, `"}`)
			if name == "chunks" {
				short = request[:len(request)-20]
			}
			var held []net.Conn
			refused := 0
			for range 40 {
				c := k.start(short)
				c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
				var answer bytes.Buffer
				io.Copy(&answer, c)
				if held = append(held, c); answer.Len() > 0 {
					refused++
					if r := wantAnswer(t, answer.String(), 503, `"dialect":"two"`); r.Header.Get("Retry-After") != "1" {
						t.Error("no Retry-After")
					}
				}
				if used := k.MemoryUsed(); used > budget {
					t.Fatalf("%d bytes are in use", used)
				}
			}
			if refused < 20 || refused > 34 || k.MemoryRefused() < int64(refused) {
				t.Errorf("%d of 40 were refused, %d are counted", refused, k.MemoryRefused())
			}
			wantAnswer(t, k.say(post("/v1/greet", "", named(200))), 200, "hello")
			wantAnswer(t, k.say(post("/v1/greet", "", named(smallBody))), 200, "hello")
			for _, c := range held {
				c.Close()
			}
			k.within("after all have gone", func(used int64) bool { return used == 0 })
			wantAnswer(t, k.say(request), 200, "hello")
		})
	}
}

// Small bodies are counted too, and one that does not come gives its memory back when
// its time is up.
func TestSlowSmallBodiesAreCountedAndEnd(t *testing.T) {
	k := serve(t, func(c *Config) { c.MaxMemory, c.ReadTimeout = 4<<20, time.Second })
	short := strings.TrimSuffix(post("/v1/greet", "", named(smallBody)), `"}`)
	for range 400 { // of 16 KiB each, and their connections: more than there is
		go func() {
			if c, err := net.Dial("tcp", k.addr); err == nil {
				io.WriteString(c, strings.ReplaceAll(short, "\n", "\r\n"))
				io.Copy(io.Discard, c)
				c.Close()
			}
		}()
	}
	k.within("while they are slow", func(used int64) bool { return used > 3<<20 || k.MemoryRefused() > 0 })
	if used := k.MemoryUsed(); used > 4<<20 {
		t.Errorf("%d bytes are in use", used)
	}
	k.within("after their time", func(used int64) bool { return used == 0 })
	wantAnswer(t, k.say(post("/v1/greet", "", named(smallBody))), 200, "hello")
}

// Connections have a share of the budget as well, and leave some for bodies.
func TestConnectionsStayWithinTheBudget(t *testing.T) {
	k := serve(t, func(c *Config) { c.MaxMemory, c.ReadTimeout = 1<<20, 20*time.Second })
	most := int((1<<20 - 1<<20/spareForBodies) / k.config.connShare())
	var held []net.Conn
	for range most - 1 {
		held = append(held, k.hold())
	}
	wantAnswer(t, k.say(post("/v1/greet", "", named(smallBody))), 200, "hello")
	held = append(held, k.hold())
	r := wantAnswer(t, k.say(post("/v1/greet", "", named(20))), 503, "no memory left for another connection")
	if r.Header.Get("Retry-After") != "1" {
		t.Error("no Retry-After")
	}
	for _, c := range held {
		c.Close()
	}
	k.within("after all have gone", func(used int64) bool { return used == 0 })
	wantAnswer(t, k.say(post("/v1/greet", "", named(20))), 200, "hello")
}

// Reservations leave what they must leave, and are given back exactly.
func TestMemoryLeavesRoom(t *testing.T) {
	m := newMemory(1600)
	if !m.reserveLarge(1400) || m.reserveLarge(1) {
		t.Error("large bodies leave an eighth")
	}
	if !m.reserveConn(100) || m.reserveConn(1) {
		t.Error("connections leave a sixteenth")
	}
	if !m.reserveSmall(100) || m.reserveSmall(1) {
		t.Error("small bodies take what is left")
	}
	if m.refused.Load() != 3 {
		t.Errorf("%d refusals are counted", m.refused.Load())
	}
	m.release(1600)
	if m.used.Load() != 0 {
		t.Error(m.used.Load())
	}
}
