package redistest

import (
	"strings"
	"syscall"
)

// HoldFsync makes the disk slow: the server's next fsync in the background, and every one
// after it, does not end before release. It returns once one is under way, which takes
// writes and up to some seconds of everysec. Without writes it would wait for ever and
// fails the test after a while. Release before Restart; at the end of the test it has
// been released anyway.
func (s *Server) HoldFsync() (release func()) {
	s.tb.Helper()
	release, err := s.proc.Hold("bio_aof")
	if err != nil {
		s.tb.Fatalf("redistest: hold the fsync: %v", err)
	}
	s.tb.Cleanup(release)
	await(s.tb, "an fsync", func() bool {
		return strings.Contains(s.Do("INFO", "persistence").(string), "aof_pending_bio_fsync:1\r")
	})
	return release
}

// KillHeld is Kill while an fsync is held, and releases it.
func (s *Server) KillHeld(release func()) {
	s.signal(syscall.SIGKILL)
	release()
	<-s.proc.Done()
}
