package transfer

import (
	"cmp"
	"errors"
	"regexp"
	"strconv"

	"tollgate/keys"
	"tollgate/keys/audit"
	"tollgate/keys/layout"
	"tollgate/keys/setupkeys"
	"tollgate/keys/store"
	"tollgate/keys/usage"
)

// BadRecord is the cause in the error of an import for a line that can't be: which of
// those given, counted from 0. Nothing of that line was stored.
type BadRecord struct {
	Index int
	Err   *keys.Error
}

// Error names the field.
func (b *BadRecord) Error() string { return b.Err.Error() }

// Unwrap returns what is wrong.
func (b *BadRecord) Unwrap() error { return b.Err }

// checkedRecord is a line that is what it says.
type checkedRecord struct {
	*ExportRecord
	kind     *recordKind
	index    int
	key      *store.NewRecord
	redeemed *redeemed
	usage    *usage.Day
	entry    audit.Entry
	counter  layout.CounterOwner
	deleted  bool // its digest or its id is that of a key that was soft-deleted
}

// bad says what is wrong with the line.
func (l *checkedRecord) bad(err error) error { return &BadRecord{l.index, keys.AsError(err)} }

// takenID refuses an id that is in use elsewhere.
func takenID(resource, id string) error {
	return keys.Errorf(keys.KindConflict, resource, "%s %s is another workspace's in this store", resource, id)
}

// checkRecords refuses lines of which any is not what it says, whatever is stored.
func checkRecords(ws string, lines []ExportRecord) ([]checkedRecord, error) {
	all := make([]checkedRecord, len(lines))
	for i := range lines {
		all[i] = checkedRecord{ExportRecord: &lines[i], index: i}
		at, err := kindOf(&lines[i])
		if err == nil {
			all[i].kind = &recordKinds[at]
			err = all[i].kind.check(&all[i], ws)
		}
		if err != nil {
			return nil, all[i].bad(err)
		}
	}
	return all, nil
}

var workspaceIDs = regexp.MustCompile(`^ws_[A-Za-z0-9]{1,40}$`)

func (l *checkedRecord) checkHead(ws string) error {
	switch {
	case l.Version < 1 || l.Version > Version:
		return keys.Invalidf("tollgate", "version %d; this program reads 1 to %d", l.Version, Version)
	case l.Workspace != ws:
		return keys.Invalidf("workspace", "is %s, not %s", l.Workspace, ws)
	}
	return nil
}

// checkMark accepts a record that says nothing but what it is.
func (l *checkedRecord) checkMark(string) error { return nil }

func (l *checkedRecord) checkKey(ws string) (err error) {
	if l.key, err = l.decodeKey("key", l.Key, ws); err != nil {
		return err
	}
	return cmp.Or(checkSecrets(l.key.Key), l.checkUsed())
}

func (l *checkedRecord) checkTombstone(ws string) (err error) {
	l.key, err = l.decodeKey("buried", l.Tombstone, ws)
	return err
}

func (l *checkedRecord) checkRedeemed(string) (err error) {
	l.redeemed, err = decodeRedeemed(l.ExportRecord)
	return err
}

func (l *checkedRecord) checkUsage(string) (err error) {
	l.usage, err = decodeUsage(l.ExportRecord)
	return err
}

func (l *checkedRecord) checkUsed() error {
	for _, ms := range l.Uses {
		if len(l.Uses) != len(l.key.Key.Secrets)-1 || ms < 0 || ms > keys.MaxTime {
			return keys.Invalidf("uses", "are not the moments, in unix milliseconds, of the secrets of the record")
		}
	}
	if len(l.Used) == 0 {
		return nil
	}
	if ms, err := strconv.ParseInt(string(l.Used), 10, 64); err != nil || ms < 0 || ms > keys.MaxTime {
		return keys.Invalidf("used", "is no moment in unix milliseconds")
	}
	return nil
}

func (l *checkedRecord) checkCounter(string) error {
	var ok bool
	switch l.counter, ok = layout.ParseCounter(l.Counter); {
	case !ok:
		return keys.Invalidf("counter", "is not the name of a counter")
	case len(l.Stored) != layout.WindowLength:
		return keys.Invalidf("stored", "a counter has %d bytes", layout.WindowLength)
	case l.TTL < 1 || l.TTL > keys.MaxTime:
		return keys.Invalidf("ttl", "milliseconds, 1 or more")
	}
	return nil
}

// decodeKey reads the record of a key of a workspace.
func (l *checkedRecord) decodeKey(field, id, ws string) (*store.NewRecord, error) {
	k, state, _, err := layout.DecodeKey(string(l.Stored))
	switch {
	case err != nil:
		return nil, keys.Invalidf("stored", "is no record of a key")
	case k.ID != id || !layout.IsID(id):
		return nil, keys.Invalidf(field, "is not the id of the record")
	case k.WorkspaceID != ws:
		return nil, keys.Invalidf("stored", "is a key of another workspace")
	case !placedKey(k, field == "buried"):
		return nil, keys.Invalidf("stored", "is a key of no API")
	case k.Setup != nil && k.APIID != setupkeys.APIID(ws):
		return nil, keys.Invalidf("stored", "is a setup key of another API")
	case state.Balance > keys.MaxCount || state.NextRefill > keys.MaxTime:
		return nil, keys.Invalidf("stored", "has a balance or a time that is too large")
	case k.Refill != nil && k.Refill.Check() != nil:
		return nil, keys.Invalidf("stored", "has a refill that can't be")
	}
	if err := cmp.Or(keys.KeyLimits.Check(k.Limits), keys.CheckMeta(k.Meta), keys.CheckTime("expires", k.Expires)); err != nil {
		return nil, keys.Invalidf("stored", "%s", err)
	}
	return &store.NewRecord{Key: k, Balance: state.Balance, State: &state, Moved: true}, nil
}

// placedKey reports whether a key is of an API, or a root key of none. A tombstone does not
// say that it is a root key's.
func placedKey(k *keys.Key, deleted bool) bool {
	if k.Root != nil || deleted && k.APIID == "" {
		return k.APIID == ""
	}
	return layout.IsID(k.APIID)
}

// checkDefinition refuses a record that is not of its kind, or has another id.
func (l *checkedRecord) checkDefinition(ws string) error {
	at := definitionPlace(layout.Kind(l.Kind))
	switch {
	case at < 0:
		return keys.Invalidf("noun", "this version does not know %q", l.Kind)
	case l.ID == "":
		return keys.Invalidf("id", "is missing")
	case l.Name != "" && len(l.Stored) > 0:
		return keys.Invalidf("stored", "a name has no record")
	case l.Alike && l.Name == "":
		return keys.Invalidf("alike", "is said of names alone")
	case l.Name != "":
		return nil
	}
	id, err := definitionKinds[at].id(ws, string(l.Stored))
	switch {
	case err != nil:
		return keys.Invalidf("stored", "is no record of a %s: %s", l.Kind, err)
	case id != l.ID:
		return keys.Invalidf("id", "is not the id of the record")
	}
	return nil
}

// checkSecrets refuses what is no key, and secrets that no key can have.
func checkSecrets(k *keys.Key) error {
	if k.Reserved || k.Target != nil {
		return keys.Invalidf("stored", "is no record of a key")
	}
	if len(k.Secrets) == 0 {
		return nil
	}
	if k.Root != nil || k.Setup != nil || k.Migration != "" || len(k.Secrets) > keys.MaxSecrets+2 {
		return keys.Invalidf("stored", "has secrets that it can't have")
	}
	ids, digests, current := map[string]bool{}, map[keys.Digest]bool{}, false
	for _, s := range k.Secrets {
		if !layout.IsID(s.ID) || ids[s.ID] || digests[s.Digest] || len(s.Start) > keys.MaxName || s.SecretBytes < 0 || s.SecretBytes > keys.MaxSecretBytes {
			return keys.Invalidf("stored", "has a secret that can't be")
		}
		if err := cmp.Or(keys.CheckTime("end", s.End), keys.CheckTime("createdAt", s.CreatedAt)); err != nil {
			return keys.Invalidf("stored", "has a secret with a time that can't be")
		}
		ids[s.ID], digests[s.Digest], current = true, true, current || s.End == 0 && !s.Deleted
	}
	if !current {
		return keys.Invalidf("stored", "has no secret that is current")
	}
	return cmp.Or(keys.CheckTime("expires", k.KeyWide.Expires))
}

var errForeignAPI = errors.New("it is another workspace's")

func checkOverrides(n *keys.Namespace) error {
	if len(n.Overrides) > keys.MaxOverrides {
		return keys.Invalidf("", "more than %d overrides", keys.MaxOverrides)
	}
	for i := range n.Overrides {
		if err := n.Overrides[i].Check(); err != nil {
			return err
		}
	}
	return nil
}
