package keys

import (
	"regexp"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// scope says over what a right can be granted.
type scope bool

const (
	overAll scope = false // RESOURCE.*.ACTION alone: what it is about is not there yet, or has no rights of its own
	overOne scope = true  // and RESOURCE.ID.ACTION
)

// rights is the one table of rights: each that an operation asks for, and some of
// Unkey's that none does, so that what its root keys had can be given here.
var rights = map[Right]scope{
	CreateKey: overOne, ReadKey: overOne, UpdateKey: overOne, DeleteKey: overOne, VerifyKey: overOne, EncryptKey: overOne, DecryptKey: overOne,
	CreateAPI: overAll, ReadAPI: overOne, UpdateAPI: overOne, DeleteAPI: overOne, ReadAnalytics: overOne,

	CreatePermission: overAll, ReadPermission: overAll, DeletePermission: overAll, CreateRole: overAll, ReadRole: overAll, DeleteRole: overAll,
	AddPermissionToKey: overAll, DropPermissionOfKey: overAll, AddRoleToKey: overAll, DropRoleOfKey: overAll,
	AddPermissionToRole: overAll, DropPermissionOfRole: overAll,

	CreateIdentity: overAll, ReadIdentity: overAll, UpdateIdentity: overAll, DeleteIdentity: overAll,

	UseRatelimit: overOne, CreateNamespace: overAll, ReadNamespace: overOne, UpdateNamespace: overOne, DeleteNamespace: overOne,
	SetOverride: overOne, ReadOverride: overOne, DeleteOverride: overOne,

	ReadSetupKey: overOne, CreateSetupKey: overAll, UpdateSetupKey: overOne, DeleteSetupKey: overOne, RedeemSetupKey: overOne,

	ReadAudit: overAll,
}

// KnownGrants returns the grants of every right over everything, sorted.
func KnownGrants() []string {
	all := []string{Everything}
	for r := range rights {
		all = append(all, r.Grants("")[1])
	}
	slices.Sort(all)
	return all
}

// grantForm is RESOURCE.ID.ACTION. An id has no white space and no dot.
var grantForm = regexp.MustCompile(`^([a-z_]+)\.(\*|[A-Za-z0-9_-]+)\.([a-z_]+)$`)

// CheckGrants refuses with KindInvalid a list of grants that is empty, and a grant of what
// is no right, with the nearest right named: one that is misspelt would be none, and
// nobody would notice before it is needed. Each right is granted by "*" alone.
func CheckGrants(grants []string) error {
	if len(grants) == 0 {
		return Invalidf("permission", "a root key needs at least one right, such as api.*.create_key; %q is every right", Everything)
	}
	for _, grant := range grants {
		if err := checkGrant(grant); err != nil {
			return err
		}
	}
	return nil
}

func checkGrant(grant string) error {
	if grant == Everything {
		return nil
	}
	parts := grantForm.FindStringSubmatch(grant)
	if parts == nil {
		return unknownGrant(grant)
	}
	over, known := rights[Right(parts[1]+"."+parts[3])]
	switch {
	case !known:
		return unknownGrant(grant)
	case over == overAll && parts[2] != "*":
		return Invalidf("permission", "%s.%s is granted over everything alone, as %s.*.%s", parts[1], parts[3], parts[1], parts[3])
	}
	return nil
}

// unknownGrant names what was probably meant.
func unknownGrant(grant string) error {
	return Invalidf("permission", "%q is no right, which are * and RESOURCE.ID.ACTION with * for every ID: did you mean %s?", Redact(grant), nearestGrant(grant))
}

// nearestGrant returns the known grant with the least edit distance, whatever the case and
// the white space around, over the id that was given if it has one.
func nearestGrant(grant string) string {
	wanted := strings.ToLower(strings.TrimSpace(grant))
	wanted = wanted[:min(len(wanted), 256)]
	nearest, least := "", -1
	for _, known := range KnownGrants() {
		if known == Everything && wanted != "" {
			continue
		}
		if d := levenshtein.ComputeDistance(wanted, known); least < 0 || d < least {
			nearest, least = known, d
		}
	}
	return nearest
}
