package stack

// Binary is the program that the gateways run, for its other commands.
func (s *Stack) Binary() string { return s.opts.Binary }
