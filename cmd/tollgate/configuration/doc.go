// Package configuration reads the settings of a command from where they may stand beside the
// command line. A setting is, in this order,
//
//	--name VALUE         on the command line
//	NAME                 in the environment
//	NAME_FILE            in the environment, for a secret: the file that holds it
//	name: VALUE          in the configuration file
//
// or its default. The library of the command line would have the configuration file win over
// the environment; Resolver has it the other way round.
//
// The configuration file is YAML: the flags' names without their dashes, each once, with a
// value of the flag's kind. Whatever is wrong with it is an error with the line, without the
// value.
package configuration
