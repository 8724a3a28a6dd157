package schema

import (
	"fmt"
	"unicode/utf8"
)

// Limits of any document. They bound memory as well as time: a parsed value
// takes some hundred bytes, so a body of nothing but commas would grow a
// hundredfold.
const (
	maxDepth  = 64
	maxValues = 1 << 16
)

// lexer refuses what fastjson lets through: text that is not UTF-8, control
// characters and unknown escapes in strings, lone surrogates, numbers such as
// 01, 1-2 or NaN, and documents too deep or too long. fastjson then checks
// the grammar. Its messages name offsets and never quote the body.
type lexer struct {
	text   []byte
	pos    int
	depth  int
	values int
}

// checkTokens reports the first fault in the tokens of text.
func checkTokens(text []byte) error {
	if len(text) >= 3 && string(text[:3]) == "\xef\xbb\xbf" {
		return fmt.Errorf("it starts with a byte order mark; send plain UTF-8")
	}
	if !utf8.Valid(text) {
		return fmt.Errorf("it is not valid UTF-8")
	}
	l := lexer{text: text}
	for l.pos < len(text) {
		if err := l.token(); err != nil {
			return err
		}
	}
	return nil
}

func (l *lexer) token() error {
	switch c := l.text[l.pos]; c {
	case ' ', '\t', '\n', '\r', ':':
		l.pos++
		return nil
	case '{', '[':
		l.depth++
		return l.step()
	case '}', ']':
		l.depth--
		l.pos++
		return nil
	case ',':
		return l.step()
	case '"':
		return l.str()
	case 't':
		return l.word("true")
	case 'f':
		return l.word("false")
	case 'n':
		return l.word("null")
	default:
		return l.number()
	}
}

// step passes a character that begins another value or nests deeper.
func (l *lexer) step() error {
	l.pos++
	l.values++
	if l.depth > maxDepth {
		return fmt.Errorf("it is nested more than %d levels deep", maxDepth)
	}
	if l.values > maxValues {
		return fmt.Errorf("it holds more than %d values", maxValues)
	}
	return nil
}

func (l *lexer) fail(what string) error {
	return fmt.Errorf("%s at byte %d", what, l.pos)
}

func (l *lexer) word(w string) error {
	end := l.pos + len(w)
	if end > len(l.text) || string(l.text[l.pos:end]) != w {
		return l.fail("unexpected word")
	}
	l.pos = end
	return l.delimiter()
}

// delimiter requires that a number or a word ends where it seems to: fastjson
// would read 1-2 as one number.
func (l *lexer) delimiter() error {
	if l.pos == len(l.text) {
		return nil
	}
	switch l.text[l.pos] {
	case ' ', '\t', '\n', '\r', ',', ']', '}':
		return nil
	}
	return l.fail("unexpected character")
}

func (l *lexer) str() error {
	l.pos++
	for l.pos < len(l.text) {
		switch c := l.text[l.pos]; {
		case c == '"':
			l.pos++
			return nil
		case c == '\\':
			if err := l.escape(); err != nil {
				return err
			}
		case c < 0x20:
			return l.fail("unescaped control character in a string")
		default:
			l.pos++
		}
	}
	return l.fail("unfinished string")
}

func (l *lexer) escape() error {
	if l.pos+1 >= len(l.text) {
		return l.fail("unfinished string")
	}
	switch l.text[l.pos+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		l.pos += 2
		return nil
	case 'u':
		return l.unicode()
	}
	return l.fail("unknown escape in a string")
}

// unicode passes a \u escape, or the two of a surrogate pair.
func (l *lexer) unicode() error {
	unit, ok := l.unit(l.pos)
	switch {
	case !ok:
		return l.fail("unfinished \\u escape")
	case unit < 0xd800 || unit > 0xdfff:
		l.pos += 6
		return nil
	}
	low, ok := l.unit(l.pos + 6)
	if unit > 0xdbff || !ok || low < 0xdc00 || low > 0xdfff {
		return l.fail("half of a surrogate pair in a string")
	}
	l.pos += 12
	return nil
}

// unit reads the \uXXXX at pos.
func (l *lexer) unit(pos int) (u rune, ok bool) {
	if pos+6 > len(l.text) || l.text[pos] != '\\' || l.text[pos+1] != 'u' {
		return 0, false
	}
	for _, c := range l.text[pos+2 : pos+6] {
		switch {
		case '0' <= c && c <= '9':
			u = u<<4 | rune(c-'0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			u = u<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return u, true
}

func (l *lexer) number() error {
	n := numberLen(l.text[l.pos:])
	if n == 0 {
		return l.fail("unexpected character")
	}
	l.pos += n
	return l.delimiter()
}

// numberLen returns the length of the JSON number that b starts with, 0 for none.
func numberLen[B []byte | string](b B) int {
	i := 0
	if i < len(b) && b[i] == '-' {
		i++
	}
	whole := digits(b[i:])
	if whole == 0 || whole > 1 && b[i] == '0' {
		return 0
	}
	i += whole
	if i < len(b) && b[i] == '.' {
		n := digits(b[i+1:])
		if n == 0 {
			return 0
		}
		i += 1 + n
	}
	return exponentEnd(b, i)
}

func exponentEnd[B []byte | string](b B, i int) int {
	if i == len(b) || b[i]|0x20 != 'e' {
		return i
	}
	i++
	if i < len(b) && (b[i] == '+' || b[i] == '-') {
		i++
	}
	n := digits(b[i:])
	if n == 0 {
		return 0
	}
	return i + n
}

func digits[B []byte | string](b B) int {
	for i := range len(b) {
		if b[i] < '0' || b[i] > '9' {
			return i
		}
	}
	return len(b)
}
