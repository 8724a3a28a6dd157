package schema

// MaxInteger is the largest integer any dialect accepts: the largest that a
// JavaScript client and a Lua script both hold exactly.
const MaxInteger = 1<<53 - 1

type integerFault uint8

const (
	integerOK integerFault = iota
	integerFraction
	integerRange
)

// parseInteger reads a JSON number that is a whole number however it is
// spelt: 1000, 1000.0 and 1e3 are the same.
func parseInteger[B []byte | string](text B) (int64, integerFault) {
	neg := len(text) > 0 && text[0] == '-'
	if neg {
		text = text[1:]
	}
	n, fault := parseDigits(text)
	if neg {
		n = -n
	}
	return n, fault
}

func parseDigits[B []byte | string](text B) (int64, integerFault) {
	if len(text) > 15 || digits(text) != len(text) {
		return parseDecimal(string(text))
	}
	var n int64
	for i := range len(text) {
		n = n*10 + int64(text[i]-'0')
	}
	return n, integerOK
}

// parseDecimal is the slow way: it takes digits × 10^exp apart without ever
// computing a power, so 1e999999999 costs nothing.
func parseDecimal(text string) (int64, integerFault) {
	sig, exp := significand(text)
	switch {
	case len(sig) == 0:
		return 0, integerOK
	case exp < 0:
		return 0, integerFraction
	case len(sig)+exp > 16:
		return 0, integerRange
	}
	var n int64
	for _, d := range sig {
		n = n*10 + int64(d-'0')
	}
	for range exp {
		n *= 10
	}
	if n > MaxInteger {
		return 0, integerRange
	}
	return n, integerOK
}

// significand returns the digits of a JSON number without leading and trailing
// zeros and the power of ten they stand at.
func significand(text string) (sig []byte, exp int) {
	whole := digits(text)
	sig = append(sig, text[:whole]...)
	rest := text[whole:]
	if len(rest) > 0 && rest[0] == '.' {
		frac := digits(rest[1:])
		sig = append(sig, rest[1:1+frac]...)
		exp = -frac
		rest = rest[1+frac:]
	}
	exp += parseExponent(rest)
	for len(sig) > 0 && sig[len(sig)-1] == '0' {
		sig = sig[:len(sig)-1]
		exp++
	}
	for len(sig) > 0 && sig[0] == '0' {
		sig = sig[1:]
	}
	return sig, exp
}

// parseExponent reads "e+12"; beyond 2^28 it stays there, which no number of
// digits in a body can bring back into range.
func parseExponent(text string) int {
	if text == "" {
		return 0
	}
	text = text[1:]
	neg := text[0] == '-'
	if neg || text[0] == '+' {
		text = text[1:]
	}
	n := 0
	for i := range len(text) {
		n = min(n*10+int(text[i]-'0'), 1<<28)
	}
	if neg {
		return -n
	}
	return n
}
