package main

import (
	"fmt"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// progressEvery is how often a line says how much is done where there is no terminal.
const progressEvery = 5 * time.Second

// meter shows how much of something is done: a bar on a terminal, elsewhere a line every few
// seconds. One goroutine at a time uses it.
type meter struct {
	*progressbar.ProgressBar
	what        string
	done, total int64
	told        time.Time // when the last line was; for no terminal
	terminal    bool
}

// progress begins to show how much of about so many records is done.
func progress(total int64, what string) *meter {
	m := &meter{what: what, total: total, told: time.Now(), terminal: term.IsTerminal(int(os.Stderr.Fd()))}
	if m.ProgressBar = progressbar.DefaultSilent(total, what); m.terminal {
		m.ProgressBar = progressbar.NewOptions64(total, progressbar.OptionSetWriter(os.Stderr), progressbar.OptionSetDescription(what),
			progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionThrottle(1e8), progressbar.OptionClearOnFinish())
	}
	return m
}

// add notes that so many more are done. How many there are in all shows on the way.
func (m *meter) add(n int) {
	if m.done += int64(n); m.done > m.total {
		m.total = m.done + m.done/8
		m.ChangeMax64(m.total)
	}
	_ = m.Add(n)
	if !m.terminal && time.Since(m.told) >= progressEvery {
		m.told = time.Now()
		fmt.Fprintf(os.Stderr, "%s: %d of about %d records\n", m.what, m.done, m.total)
	}
}

// finish removes the bar.
func (m *meter) finish() { _ = m.Finish() }
