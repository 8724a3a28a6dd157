package stack

// Binary is the program that the gateways run, for its other commands.
func (s *Stack) Binary() string { return s.opts.Binary }

// Password is what the Redis asks for; empty for nothing.
func (s *Stack) Password() string { return s.opts.Password }
