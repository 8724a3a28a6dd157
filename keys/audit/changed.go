package audit

import (
	"cmp"

	"tollgate/keys"
	"tollgate/keys/layout"
)

// Changed is a thing that is about to be changed, and how it is shown before and after: nil
// where it is not there.
type Changed struct {
	Type, ID, Name string
	Before, After  any
}

// DefinitionChanged returns what changes where a definition is stored as after in the place
// of before; "" is that it is not there. It is nothing for what is no definition of a
// caller's.
func DefinitionChanged(kind layout.Kind, id, before, after string) []Changed {
	show, known := definitionViews[kind]
	if !known || before == after {
		return nil
	}
	wasName, was := show(before)
	isName, is := show(after)
	one := Changed{string(kind), id, cmp.Or(isName, wasName), was, is}
	if kind == layout.KindNamespace {
		return namespaceChanged(one, before, after)
	}
	return []Changed{one}
}

// namespaceChanged returns a namespace that is made or deleted, and the overrides that differ:
// it may have thousands.
func namespaceChanged(one Changed, before, after string) (all []Changed) {
	was, _ := layout.DecodeDefinition[keys.Namespace](before) // nil shows nothing
	is, _ := layout.DecodeDefinition[keys.Namespace](after)
	if is != nil && is.DeletedAt != 0 {
		one.After = nil
	}
	if one.Before == nil || one.After == nil {
		all = append(all, one)
	}
	had, has := overridesOf(was), overridesOf(is)
	for id, o := range had {
		if now, ok := has[id]; !ok || now != o {
			all = append(all, overrideChanged(one.ID, had, has, id))
		}
	}
	for id := range has {
		if _, ok := had[id]; !ok {
			all = append(all, overrideChanged(one.ID, had, has, id))
		}
	}
	return all
}

func overridesOf(n *keys.Namespace) map[string]keys.Override {
	all := map[string]keys.Override{}
	if n != nil {
		for _, o := range n.Overrides {
			all[o.ID] = o
		}
	}
	return all
}

func overrideChanged(namespace string, had, has map[string]keys.Override, id string) Changed {
	c := Changed{Type: "override", ID: id, Name: cmp.Or(has[id].Identifier, had[id].Identifier)}
	if o, ok := had[id]; ok {
		c.Before = overrideView{o.Duration, o.Identifier, o.Limit, namespace}
	}
	if o, ok := has[id]; ok {
		c.After = overrideView{o.Duration, o.Identifier, o.Limit, namespace}
	}
	return c
}

// Left is what a key has left before and after a change: nil where the change is not about
// it.
type Left struct{ Before, After *int64 }

// KeyChanged returns what changes where a key is stored as after in the place of before; nil
// is that it is not there. Of a rerolled key these are its secrets that come and go, besides.
func KeyChanged(before, after *keys.Key, left Left) []Changed {
	shown := after
	if shown == nil {
		shown = before
	}
	one := Changed{Type: kindOf(shown), ID: shown.ID, Name: shown.Name}
	if before != nil {
		one.Before = viewOfKey(before, left.Before)
	}
	if after != nil {
		one.After = viewOfKey(after, left.After)
	}
	all := []Changed{one}
	had, has := secretsOf(before), secretsOf(after)
	for id, k := range had {
		if has[id] == nil && id != one.ID {
			all = append(all, Changed{one.Type, id, one.Name, viewOfKey(k, nil), nil})
		}
	}
	for id, k := range has {
		if had[id] == nil && id != one.ID {
			all = append(all, Changed{one.Type, id, one.Name, nil, viewOfKey(k, nil)})
		}
	}
	return all
}

// secretsOf returns a key as each of its secrets is seen, by their ids.
func secretsOf(k *keys.Key) map[string]*keys.Key {
	all := map[string]*keys.Key{}
	if k != nil { // as it will be stored, not as it was
		for _, one := range k.ToRecord().BySecret() {
			all[one.ID] = one
		}
	}
	return all
}
