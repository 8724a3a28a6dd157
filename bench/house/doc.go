// Package house has the tests of how the source itself is kept: which words it uses, and how
// large its packages, files and functions are.
package house
