package keys

import "strings"

// The law of cursors: a cursor is an id, as a page of the same list gave it or as the id of
// one of its rows was read. What can't be an id of that list, because it is damaged or is an
// id of another kind, is refused: a caller who sent the wrong text must not take the wrong
// place, or an empty page, for the end of the list. An id of the right form goes on at its
// place whether or not anything has it: its row may have been deleted between two pages.

// base58Digits are the digits of the body of an id.
const base58Digits = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

// idPrefixes are the prefixes of the ids in the lists of definitions. Migrations are not
// among them: their ids may be chosen.
var idPrefixes = map[definitionKind]string{
	kindAPI: prefixAPI, kindPermission: prefixPermission, kindRole: prefixRole, kindIdentity: prefixIdentity, kindNamespace: prefixNamespace,
}

// madeBy reports whether NewID may have made an id with a prefix.
func madeBy(prefix, id string) bool {
	body, ok := strings.CutPrefix(id, prefix+"_")
	return ok && len(body) == idWidth && strings.Trim(body, base58Digits) == ""
}

// checkCursors refuses the cursors of a list whose ids have a prefix. "" is the beginning.
func checkCursors(prefix string, cursors ...string) error {
	for _, cursor := range cursors {
		if cursor != "" && !madeBy(prefix, cursor) {
			return Invalidf("cursor", "must be the cursor of an earlier page of this list, or an id that begins with %s_", prefix)
		}
	}
	return nil
}

// checkCursor refuses an ask whose cursor can't be an id of a list of definitions.
func (ask ListOptions) checkCursor(k definitionKind) error {
	if k != kindMigration {
		return checkCursors(idPrefixes[k], ask.After, ask.From)
	}
	for _, cursor := range []string{ask.After, ask.From} {
		if cursor != "" && !migrationIDs.MatchString(cursor) {
			return Invalidf("cursor", "must be the id of a migration")
		}
	}
	return nil
}
