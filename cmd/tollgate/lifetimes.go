package main

import (
	"strconv"
	"strings"

	"tollgate/keys"
	"tollgate/keys/setupkeys"
)

// lifetimes reads "MIN-MAX", in seconds. Without them, or where they are no range,
// it returns the zero Lifetimes.
func lifetimes(text string) setupkeys.Lifetimes {
	least, most, _ := strings.Cut(text, "-")
	within := setupkeys.Lifetimes{}
	var err1, err2 error
	within.Min, err1 = strconv.ParseInt(least, 10, 64)
	within.Max, err2 = strconv.ParseInt(most, 10, 64)
	if err1 != nil || err2 != nil || within.Min < 1 || within.Min > within.Max || within.Max > keys.MaxSetupExpiry {
		return setupkeys.Lifetimes{}
	}
	return within
}

// validRange reports whether a range was left out or can be read.
func validRange(text string) bool { return text == "" || lifetimes(text) != setupkeys.Lifetimes{} }
