package leaks

// MaxPrefix is what a search takes for the longest prefix of a key.
const MaxPrefix = maxPrefix
