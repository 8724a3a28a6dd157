package transfer_test

import (
	"cmp"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"tollgate/keys/redisdb/redistest"

	"github.com/redis/go-redis/v9"
)

// eachShard stands in a name of a dump for the 256 shards.
const eachShard = "{*}"

// dumped returns the commands that make a store again, sorted. They are quoted as Go
// quotes, and a time to live is a command of its own.
func dumped(t *testing.T, c redis.UniversalClient) (commands []string) {
	t.Helper()
	for _, name := range redistest.Names(t, c, "*") {
		kind, err := c.Type(t.Context(), name).Result()
		ttl, failed := c.PTTL(t.Context(), name).Result()
		if err != nil || failed != nil {
			t.Fatal(err, failed)
		}
		commands = append(commands, quoted(content(t, c, kind, name)...))
		if ttl > 0 {
			commands = append(commands, quoted("PEXPIRE", name, strconv.FormatInt(ttl.Milliseconds(), 10)))
		}
	}
	slices.Sort(commands)
	return folding(commands)
}

// content is the command that makes what a name has.
func content(t *testing.T, c redis.UniversalClient, kind, name string) []string {
	t.Helper()
	var all []string
	var err error
	switch kind {
	case "string":
		var value string
		value, err = c.Get(t.Context(), name).Result()
		all = []string{"SET", name, value}
	case "list":
		all, err = c.LRange(t.Context(), name, 0, -1).Result()
		all = append([]string{"RPUSH", name}, all...)
	case "hash":
		var fields map[string]string
		fields, err = c.HGetAll(t.Context(), name).Result()
		for field, value := range fields {
			all = append(all, quoted(field, value))
		}
		slices.Sort(all)
		all = append([]string{"HSET", name}, arguments(t, strings.Join(all, " "))...)
	case "zset":
		var members []redis.Z
		members, err = c.ZRangeWithScores(t.Context(), name, 0, -1).Result()
		all = []string{"ZADD", name}
		for _, m := range members {
			all = append(all, strconv.FormatFloat(m.Score, 'f', -1, 64), m.Member.(string))
		}
	default:
		t.Fatalf("%s is a %s", name, kind)
	}
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func quoted(arguments ...string) string {
	all := make([]string, len(arguments))
	for i, a := range arguments {
		all[i] = strconv.Quote(a)
	}
	return strings.Join(all, " ")
}

// arguments reads what quoted wrote.
func arguments(t *testing.T, line string) (all []string) {
	t.Helper()
	for line != "" {
		first, err := strconv.QuotedPrefix(line)
		if err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		text, _ := strconv.Unquote(first)
		all, line = append(all, text), strings.TrimPrefix(line[len(first):], " ")
	}
	return all
}

// folding writes what is the same in all shards once.
func folding(commands []string) []string {
	count := map[string]int{}
	shardless := func(line string) string {
		if i := strings.Index(line, "{"); i >= 0 && len(line) > i+3 && line[i+3] == '}' {
			return line[:i] + eachShard + line[i+4:]
		}
		return line
	}
	for _, line := range commands {
		count[shardless(line)]++
	}
	for i, line := range commands {
		if all := shardless(line); count[all] == len(shards()) {
			commands[i] = all
		}
	}
	slices.Sort(commands)
	return slices.Compact(commands)
}

func shards() []string {
	all := make([]string, 256)
	for i := range all {
		all[i] = fmt.Sprintf("{%02x}", i)
	}
	return all
}

// restore makes the store of a dump.
func restore(t *testing.T, c redis.UniversalClient, commands []string) {
	t.Helper()
	commands = slices.Clone(commands)
	slices.SortStableFunc(commands, func(a, b string) int { // times to live behind what they are of
		return cmp.Compare(strings.Index(a, `"PEXPIRE"`), strings.Index(b, `"PEXPIRE"`))
	})
	for _, line := range commands {
		copies := []string{line}
		if strings.Contains(line, eachShard) {
			copies = nil
			for _, shard := range shards() {
				copies = append(copies, strings.Replace(line, eachShard, shard, 1))
			}
		}
		for _, one := range copies {
			var command []any
			for _, a := range arguments(t, one) {
				command = append(command, a)
			}
			if err := c.Do(t.Context(), command...).Err(); err != nil {
				t.Fatalf("%s: %v", one, err)
			}
		}
	}
}

// timeless is a dump without what differs between two stores that were filled one after
// the other: revisions, tokens of claims, and times to live to the hour.
func timeless(t *testing.T, commands []string) []string {
	t.Helper()
	var all []string
	for _, line := range commands {
		a := arguments(t, line)
		switch name := a[1]; {
		case strings.HasPrefix(name, "tg:v:"), strings.HasPrefix(name, "tg:xf:"): // the latter as far as it was needed
			a = a[:2]
		case strings.HasPrefix(name, "tg:sc:"):
			a[2], _, _ = strings.Cut(a[2], ":") // behind it is a token
		case a[0] == "PEXPIRE":
			a[2] = hours(t, a[2])
		case strings.HasPrefix(name, "tg:ci:"): // when counters end
			for i := 2; i < len(a); i += 2 {
				a[i] = hours(t, a[i])
			}
		case strings.HasPrefix(name, "tg:k:"), strings.HasPrefix(name, "tg:t:"):
			a[2] = a[2][:1] + strings.Repeat("\x00", 7) + a[2][8:]
		}
		all = append(all, quoted(a...))
	}
	return all
}

// hours is a number of milliseconds in hours.
func hours(t *testing.T, ms string) string {
	t.Helper()
	n, err := strconv.ParseFloat(ms, 64)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(math.Round(n/3600_000), " h")
}

func olderFile(name string) string { return filepath.Join("testdata", "older", name) }

// olderLines reads a file of testdata/older without its comments.
func olderLines(t *testing.T, name string) (all []string) {
	t.Helper()
	text, err := os.ReadFile(olderFile(name))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSuffix(line, "\n"); line != "" && !strings.HasPrefix(line, "#") {
			all = append(all, line)
		}
	}
	return all
}
