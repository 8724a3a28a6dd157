package keys

import (
	"errors"
	"regexp"
	"slices"
	"strconv"
)

// BadRecord is the cause in the error of an import for a line that can't be: which of
// those given, counted from 0. Nothing of that line was stored.
type BadRecord struct {
	Index int
	Err   *Error
}

// Error names the field.
func (b *BadRecord) Error() string { return b.Err.Error() }

// Unwrap returns what is wrong.
func (b *BadRecord) Unwrap() error { return b.Err }

// checkedRecord is a line that is what it says.
type checkedRecord struct {
	*ExportRecord
	index    int
	key      *newKey
	redeemed *redeemed
	usage    *usageDay
	counter  counterOwner
	deleted  bool // its digest or its id is that of a key that was soft-deleted
}

// bad says what is wrong with the line.
func (l *checkedRecord) bad(err error) error { return &BadRecord{l.index, AsError(err)} }

// takenID refuses an id that is in use elsewhere.
func takenID(resource, id string) error {
	return Errorf(KindConflict, resource, "%s %s is another workspace's in this store", resource, id)
}

// checkRecords refuses lines of which any is not what it says, whatever is stored.
func checkRecords(ws string, lines []ExportRecord) ([]checkedRecord, error) {
	all := make([]checkedRecord, len(lines))
	for i := range lines {
		all[i] = checkedRecord{ExportRecord: &lines[i], index: i}
		if err := all[i].check(ws); err != nil {
			return nil, all[i].bad(err)
		}
	}
	return all, nil
}

// kinds counts what the line says it is.
func (l *ExportRecord) kinds() (n int) {
	for _, is := range []bool{l.Version != 0, l.Kind != "", l.Key != "", l.Redeemed != "", l.Usage != "", l.Counter != "", l.Tombstone != "", l.Scan, l.End} {
		if is {
			n++
		}
	}
	return n
}

func (l *checkedRecord) check(ws string) (err error) {
	if n := l.kinds(); n != 1 {
		return Invalidf("", "says %d things that it is: one of tollgate, noun, key, redeemed, usage, counter, buried, scan and end", n)
	}
	switch {
	case l.Version != 0:
		return l.checkHead(ws)
	case l.Kind != "":
		return l.checkDefinition(ws)
	case l.Key != "":
		if l.key, err = l.decodeKey("key", l.Key, ws); err != nil {
			return err
		}
		return firstError(l.key.key.checkSecrets(), l.checkUsed())
	case l.Tombstone != "":
		l.key, err = l.decodeKey("buried", l.Tombstone, ws)
	case l.Redeemed != "":
		l.redeemed, err = decodeRedeemed(l.ExportRecord)
	case l.Usage != "":
		l.usage, err = decodeUsage(l.ExportRecord)
	case l.Counter != "":
		return l.checkCounter()
	}
	return err
}

var workspaceIDs = regexp.MustCompile(`^ws_[A-Za-z0-9]{1,40}$`)

func (l *checkedRecord) checkHead(ws string) error {
	switch {
	case l.Version < 1 || l.Version > TransferVersion:
		return Invalidf("tollgate", "version %d; this program reads 1 to %d", l.Version, TransferVersion)
	case l.Workspace != ws:
		return Invalidf("workspace", "is %s, not %s", l.Workspace, ws)
	}
	return nil
}

func (l *checkedRecord) checkUsed() error {
	for _, ms := range l.Uses {
		if len(l.Uses) != len(l.key.key.Secrets)-1 || ms < 0 || ms > MaxTime {
			return Invalidf("uses", "are not the moments, in unix milliseconds, of the secrets of the record")
		}
	}
	if len(l.Used) == 0 {
		return nil
	}
	if ms, err := strconv.ParseInt(string(l.Used), 10, 64); err != nil || ms < 0 || ms > MaxTime {
		return Invalidf("used", "is no moment in unix milliseconds")
	}
	return nil
}

func (l *checkedRecord) checkCounter() (err error) {
	var ok bool
	switch l.counter, ok = parseCounter(l.Counter); {
	case !ok:
		return Invalidf("counter", "is not the name of a counter")
	case len(l.Stored) != windowLength:
		return Invalidf("stored", "a counter has %d bytes", windowLength)
	case l.TTL < 1 || l.TTL > MaxTime:
		return Invalidf("ttl", "milliseconds, 1 or more")
	}
	return nil
}

// decodeKey reads the record of a key of a workspace.
func (l *checkedRecord) decodeKey(field, id, ws string) (*newKey, error) {
	k, state, _, err := DecodeKey(string(l.Stored))
	switch {
	case err != nil:
		return nil, Invalidf("stored", "is no record of a key")
	case k.ID != id || !isID(id):
		return nil, Invalidf(field, "is not the id of the record")
	case k.WorkspaceID != ws:
		return nil, Invalidf("stored", "is a key of another workspace")
	case !k.placed(field == "buried"):
		return nil, Invalidf("stored", "is a key of no API")
	case k.Setup != nil && k.APIID != setupAPIID(ws):
		return nil, Invalidf("stored", "is a setup key of another API")
	case state.Balance > MaxCount || state.NextRefill > MaxTime:
		return nil, Invalidf("stored", "has a balance or a time that is too large")
	case k.Refill != nil && k.Refill.Check() != nil:
		return nil, Invalidf("stored", "has a refill that can't be")
	}
	if err := firstError(checkLimits(k.Limits), checkMeta(k.Meta), checkTime("expires", k.Expires)); err != nil {
		return nil, Invalidf("stored", "%s", err)
	}
	return &newKey{key: k, balance: state.Balance, state: &state, moved: true}, nil
}

// placed reports whether a key is of an API, or a root key of none. A tombstone does not
// say that it is a root key's.
func (k *Key) placed(deleted bool) bool {
	if k.Root != nil || deleted && k.APIID == "" {
		return k.APIID == ""
	}
	return isID(k.APIID)
}

// checkDefinition refuses a record that is not of its kind, or has another id.
func (l *checkedRecord) checkDefinition(ws string) error {
	k := definitionKind(l.Kind)
	switch {
	case !slices.Contains(definitionKinds, k):
		return Invalidf("noun", "this version does not know %q", l.Kind)
	case l.ID == "":
		return Invalidf("id", "is missing")
	case l.Name != "" && len(l.Stored) > 0:
		return Invalidf("stored", "a name has no record")
	case l.Alike && l.Name == "":
		return Invalidf("alike", "is said of names alone")
	case l.Name != "":
		return nil
	}
	id, err := definedID(k, ws, string(l.Stored))
	switch {
	case err != nil:
		return Invalidf("stored", "is no record of a %s: %s", k, err)
	case id != l.ID:
		return Invalidf("id", "is not the id of the record")
	}
	return nil
}

// checkSecrets refuses what is no key, and secrets that no key can have.
func (k *Key) checkSecrets() error {
	if k.Reserved || k.Target != nil {
		return Invalidf("stored", "is no record of a key")
	}
	if len(k.Secrets) == 0 {
		return nil
	}
	if k.Root != nil || k.Setup != nil || k.Migration != "" || len(k.Secrets) > MaxSecrets+2 {
		return Invalidf("stored", "has secrets that it can't have")
	}
	ids, digests, current := map[string]bool{}, map[Digest]bool{}, false
	for _, s := range k.Secrets {
		if !isID(s.ID) || ids[s.ID] || digests[s.Digest] || len(s.Start) > MaxName || s.SecretBytes < 0 || s.SecretBytes > MaxSecretBytes {
			return Invalidf("stored", "has a secret that can't be")
		}
		if err := firstError(checkTime("end", s.End), checkTime("createdAt", s.CreatedAt)); err != nil {
			return Invalidf("stored", "has a secret with a time that can't be")
		}
		ids[s.ID], digests[s.Digest], current = true, true, current || s.End == 0 && !s.Deleted
	}
	if !current {
		return Invalidf("stored", "has no secret that is current")
	}
	return firstError(checkTime("expires", k.KeyWide.Expires))
}

var errForeignAPI = errors.New("it is another workspace's")

// definedID reads the id in a definition's record, and refuses what could not have
// been stored.
func definedID(k definitionKind, ws, stored string) (id string, err error) {
	if stored == "" {
		return "", errCorrupt
	}
	switch k {
	case kindAPI:
		return idIn(stored, func(d *API) (string, error) {
			if d.WorkspaceID != ws {
				return "", errForeignAPI
			}
			return d.ID, nil
		})
	case kindPermission:
		return idIn(stored, func(d *Permission) (string, error) { return d.ID, nil })
	case kindRole:
		return idIn(stored, func(d *Role) (string, error) { return d.ID, nil })
	case kindIdentity:
		return idIn(stored, func(d *Identity) (string, error) { return d.ID, firstError(checkLimits(d.Limits), checkMeta(d.Meta)) })
	case kindNamespace:
		return idIn(stored, func(d *Namespace) (string, error) { return d.ID, d.checkOverrides() })
	case kindGroup:
		return idIn(stored, func(d *Group) (string, error) { return d.ID, nil })
	}
	return idIn(stored, func(d *Migration) (string, error) { return d.ID, nil })
}

func idIn[T any](stored string, id func(*T) (string, error)) (string, error) {
	d, err := decodeDefinition[T](stored)
	if err != nil {
		return "", err
	}
	return id(d)
}

func (n *Namespace) checkOverrides() error {
	if len(n.Overrides) > MaxOverrides {
		return Invalidf("", "more than %d overrides", MaxOverrides)
	}
	for i := range n.Overrides {
		if err := n.Overrides[i].check(); err != nil {
			return err
		}
	}
	return nil
}
