package reduce

import "go.starlark.net/starlark"

// stepOctets is more than a step of a script makes, but for those that are
// charged by what they make (script_guard.go): a key of a dict, or 16 octets of
// text.
const stepOctets = 128

// Octets of values on a 64-bit machine, about.
const (
	slotOctets  = 16  // a value where it stands
	entryOctets = 112 // an entry of a dict or set, at its worst load
)

// size is about how many octets the script keeps; it stops counting past limit.
// Shared lists and dicts are counted once. Nothing here recurses: how deep the
// lists of a script are is its own affair.
func (r *scriptRun) size(limit int) (size int) {
	seen := make(map[any]bool)
	var todo []starlark.Value
	put := func(v starlark.Value) {
		switch v := v.(type) {
		case starlark.String:
			size += len(v)
		case starlark.Bytes:
			size += len(v)
		case starlark.Int:
			if _, small := v.Int64(); !small {
				size += v.BigInt().BitLen() / 8
			}
		case *starlark.List, *starlark.Dict, *starlark.Set, *starlark.Function:
			if !seen[v] {
				seen[v] = true
				todo = append(todo, v)
			}
		case starlark.Tuple:
			if len(v) > 0 && !seen[&v[0]] {
				seen[&v[0]] = true
				todo = append(todo, v)
			}
		}
	}
	for _, v := range r.globals {
		put(v)
	}
	for len(todo) > 0 && size <= limit {
		v := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		switch v := v.(type) {
		case *starlark.List:
			size += slotOctets * v.Len()
			for i := range v.Len() {
				put(v.Index(i))
			}
		case starlark.Tuple:
			size += slotOctets * len(v)
			for _, x := range v {
				put(x)
			}
		case *starlark.Dict:
			size += entryOctets * v.Len()
			for k, x := range v.Entries() {
				put(k)
				put(x)
			}
		case *starlark.Set:
			size += entryOctets * v.Len()
			for x := range v.Elements() {
				put(x)
			}
		case *starlark.Function: // closures and defaults keep values too
			for i := range v.NumFreeVars() {
				_, x := v.FreeVar(i)
				put(x)
			}
			for i := range v.NumParams() {
				if x := v.ParamDefault(i); x != nil {
					put(x)
				}
			}
		}
	}
	return size
}

// written is how many octets v takes where it is written out, shared parts as
// often as they stand there, and more than limit when it takes more.
func written(v starlark.Value, limit int) int {
	size := 0
	todo := []starlark.Value{v}
	for len(todo) > 0 && size <= limit {
		v := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		size += 4
		switch v := v.(type) {
		case starlark.String:
			size += len(v)
		case starlark.Bytes:
			size += len(v)
		case starlark.Int:
			if _, small := v.Int64(); !small {
				size += v.BigInt().BitLen() / 3
			}
		case *starlark.List:
			if size += v.Len(); size > limit {
				return size
			}
			for i := range v.Len() {
				todo = append(todo, v.Index(i))
			}
		case starlark.Tuple:
			if size += len(v); size > limit {
				return size
			}
			todo = append(todo, v...)
		case *starlark.Dict:
			if size += v.Len(); size > limit {
				return size
			}
			for k, x := range v.Entries() {
				todo = append(todo, k, x)
			}
		case *starlark.Set:
			if size += v.Len(); size > limit {
				return size
			}
			for x := range v.Elements() {
				todo = append(todo, x)
			}
		}
	}
	return size
}
