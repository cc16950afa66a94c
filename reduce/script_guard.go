package reduce

import (
	"errors"
	"fmt"
	"strings"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// Starlark bounds the steps of a script, but one step can make gigabytes: it
// doubles a string, lists a range, writes out a list that holds another a
// million times. So whatever makes more than it is given goes through a guard,
// which refuses what is too much and charges steps for the rest. They are here
// against accidents, the likely ones of somebody who counts; a script is as
// trusted as the configuration that names it.
const (
	maxText  = 64 << 10 // octets of a string that is made, and of one written out
	maxItems = 1 << 20  // of a list that is made
	maxBits  = 4096     // of an integer
)

// guards are what scripts find beside the language's own words: in place of
// operators, of methods by their names with a dot before, and of functions.
var guards = makeGuards()

type guardFunc func(t *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error)

// A guardTable is guards by name.
type guardTable starlark.StringDict

func (g guardTable) add(name string, f guardFunc) {
	g[name] = starlark.NewBuiltin(name, func(t *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		return f(t, args, kwargs)
	})
}

func makeGuards() starlark.StringDict {
	g := make(guardTable)
	for _, op := range []syntax.Token{
		syntax.PLUS, syntax.MINUS, syntax.STAR, syntax.PERCENT, syntax.PIPE, syntax.AMP, syntax.CIRCUMFLEX, syntax.LTLT,
	} {
		g.add(op.String(), func(t *starlark.Thread, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
			return operate(t, op, args[0], args[1])
		})
		g.add(op.String()+"=", func(t *starlark.Thread, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
			return inPlace(t, op, args[0], args[1])
		})
		g.add("[]"+op.String()+"=", func(t *starlark.Thread, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
			return atIndex(t, op, args[0], args[1], args[2])
		})
	}
	g.add("[:]", func(t *starlark.Thread, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
		charge(t, length(args[0]))
		return args[0], nil
	})
	for _, name := range []string{
		"extend", "update", "union", "difference", "intersection", "symmetric_difference", "issubset", "issuperset",
		"items", "keys", "values", "split", "rsplit", "splitlines", "join", "replace", "format",
	} {
		g.add("."+name, func(t *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
			return method(t, name, args[0], args[1:], kwargs)
		})
	}
	g.add(".", func(_ *starlark.Thread, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
		name, _ := starlark.AsString(args[1])
		if _, ok := args[0].(scriptOther); !ok {
			return nil, fmt.Errorf("method %s is to be called at once", name)
		}
		return attr(args[0], name)
	})
	for _, name := range []string{
		"all", "any", "bytes", "dict", "enumerate", "list", "max", "min", "reversed", "set", "sorted", "tuple", "zip",
	} {
		g.over(name, func(t *starlark.Thread, args starlark.Tuple) error {
			for _, a := range args {
				charge(t, length(a))
			}
			return nil
		})
	}
	for _, name := range []string{"str", "repr", "fail"} {
		g.over(name, func(t *starlark.Thread, args starlark.Tuple) error {
			return text(t, written(args, maxText))
		})
	}
	g.over("int", func(_ *starlark.Thread, args starlark.Tuple) error {
		if len(args) > 0 && length(args[0]) > maxBits/4 {
			return errors.New("int of too long a string")
		}
		return nil
	})
	g.add("range", func(t *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		v, err := starlark.Call(t, starlark.Universe["range"], args, kwargs)
		if err == nil && length(v) > maxItems {
			return nil, fmt.Errorf("a range has at most %d numbers, got %d", maxItems, length(v))
		}
		return v, err
	})
	for name, instead := range map[string]string{"print": "give it back by report()", "getattr": "write m.name"} {
		g.add(name, func(*starlark.Thread, starlark.Tuple, []starlark.Tuple) (starlark.Value, error) {
			return nil, fmt.Errorf("%s is not offered: %s", name, instead)
		})
	}
	return starlark.StringDict(g)
}

// over puts a check before a function of the language.
func (g guardTable) over(name string, check func(*starlark.Thread, starlark.Tuple) error) {
	f := starlark.Universe[name]
	g.add(name, func(t *starlark.Thread, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		if err := check(t, args); err != nil {
			return nil, err
		}
		return starlark.Call(t, f, args, kwargs)
	})
}

// charge takes steps for work on n items.
func charge(t *starlark.Thread, n int) { t.Steps += uint64(n) }

// text takes steps for a string of n octets, if it may be made.
func text(t *starlark.Thread, n int) error {
	if n > maxText {
		return fmt.Errorf("a string has at most %d octets", maxText)
	}
	charge(t, n/16)
	return nil
}

// length is how much work v is: items, or some octets for one.
func length(v starlark.Value) int {
	switch v := v.(type) {
	case starlark.String:
		return len(v)/16 + 1
	case starlark.Bytes:
		return len(v)/16 + 1
	}
	return max(starlark.Len(v), 0)
}

func valueBits(i starlark.Int) int {
	if _, ok := i.Int64(); ok {
		return 64
	}
	return i.BigInt().BitLen()
}

// operate is x op y.
func operate(t *starlark.Thread, op syntax.Token, x, y starlark.Value) (starlark.Value, error) {
	var err error
	switch x := x.(type) {
	case starlark.Int:
		if n, ok := y.(starlark.Int); ok {
			err = integers(op, x, n)
		} else if op == syntax.STAR {
			err = repeated(t, y, x)
		}
	case starlark.String:
		switch y := y.(type) {
		case starlark.String:
			if op == syntax.PLUS {
				err = text(t, len(x)+len(y))
			}
		case starlark.Int:
			if op == syntax.STAR {
				err = repeated(t, x, y)
			}
		}
		if err == nil && op == syntax.PERCENT {
			err = text(t, len(x)+uses(x, y, "%")*written(y, maxText))
		}
	default:
		charge(t, length(x)+length(y))
		if n, ok := y.(starlark.Int); ok && op == syntax.STAR {
			err = repeated(t, x, n)
		} else if op == syntax.PLUS && length(x)+length(y) > maxItems {
			err = fmt.Errorf("a list has at most %d items", maxItems)
		}
	}
	if err != nil {
		return nil, err
	}
	return starlark.Binary(op, x, y)
}

// uses is how often a template may write out what it is given: the members of a
// dict any number of times, others once.
func uses(template starlark.String, y starlark.Value, mark string) int {
	if _, ok := y.(starlark.Mapping); ok {
		return strings.Count(string(template), mark)
	}
	return 1
}

func integers(op syntax.Token, x, y starlark.Int) error {
	n := 0
	switch op {
	case syntax.PLUS, syntax.MINUS:
		n = max(valueBits(x), valueBits(y))
	case syntax.STAR:
		n = valueBits(x) + valueBits(y)
	case syntax.LTLT:
		n = valueBits(x) + 512 // which is the most the language shifts by
	}
	if n > maxBits {
		return fmt.Errorf("an integer has at most %d bits", maxBits)
	}
	return nil
}

// repeated checks v * n.
func repeated(t *starlark.Thread, v starlark.Value, n starlark.Int) error {
	times, ok := n.Int64()
	if !ok {
		times = maxItems + 1
	}
	size := int64(starlark.Len(v))
	if size <= 0 || times <= 0 {
		return nil
	}
	most := int64(maxItems)
	switch v.(type) {
	case starlark.String, starlark.Bytes:
		most = maxText
	}
	if times > most/size {
		return fmt.Errorf("%d items %s times: there may be %d", size, n, most)
	}
	if most == maxText {
		return text(t, int(size*times))
	}
	charge(t, int(size*times))
	return nil
}

// inPlace is what x becomes by x op= y.
func inPlace(t *starlark.Thread, op syntax.Token, x, y starlark.Value) (starlark.Value, error) {
	switch x.(type) {
	case *starlark.List:
		if _, ok := y.(starlark.Iterable); ok && op == syntax.PLUS {
			_, err := method(t, "extend", x, starlark.Tuple{y}, nil)
			return x, err
		}
	case *starlark.Dict:
		if _, ok := y.(*starlark.Dict); ok && op == syntax.PIPE {
			_, err := method(t, "update", x, starlark.Tuple{y}, nil)
			return x, err
		}
	}
	return operate(t, op, x, y)
}

// atIndex is x[i] op= y.
func atIndex(t *starlark.Thread, op syntax.Token, x, i, y starlark.Value) (starlark.Value, error) {
	switch x := x.(type) {
	case starlark.HasSetKey: // a dict
		old, found, err := x.Get(i)
		if err == nil && !found {
			err = fmt.Errorf("key %.100s not in %s", i, x.Type())
		}
		if err != nil {
			return nil, err
		}
		v, err := inPlace(t, op, old, y)
		if err != nil {
			return nil, err
		}
		return starlark.None, x.SetKey(i, v)
	case starlark.HasSetIndex:
		n, err := starlark.AsInt32(i)
		if err != nil {
			return nil, fmt.Errorf("index: %w", err)
		}
		if n < 0 {
			n += x.Len()
		}
		if n < 0 || n >= x.Len() {
			return nil, fmt.Errorf("index %d is out of a list of %d", n, x.Len())
		}
		v, err := inPlace(t, op, x.Index(n), y)
		if err != nil {
			return nil, err
		}
		return starlark.None, x.SetIndex(n, v)
	}
	return nil, fmt.Errorf("%s has no items that could be set", x.Type())
}

func attr(x starlark.Value, name string) (starlark.Value, error) {
	if x, ok := x.(starlark.HasAttrs); ok {
		if v, err := x.Attr(name); v != nil || err != nil {
			return v, err
		}
	}
	return nil, fmt.Errorf("%s has no .%s field or method", x.Type(), name)
}

// method calls x.name(args).
func method(t *starlark.Thread, name string, x starlark.Value, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	f, err := attr(x, name)
	if err != nil {
		return nil, err
	}
	n := length(x)
	for _, a := range args {
		n += length(a)
	}
	charge(t, n)
	switch s, _ := starlark.AsString(x); {
	case name == "join" && len(args) == 1:
		// Whatever is joined is written out once, with a separator for each.
		err = text(t, length(args[0])*len(s)+written(args[0], maxText))
	case name == "replace" && len(args) >= 2:
		old, _ := starlark.AsString(args[0])
		repl, _ := starlark.AsString(args[1])
		err = text(t, len(s)+strings.Count(s, old)*max(0, len(repl)-len(old)))
	case name == "format":
		n := written(args, maxText)
		for _, kv := range kwargs {
			n += written(kv, maxText)
		}
		err = text(t, len(s)+strings.Count(s, "{")*n)
	case name == "extend" && n > maxItems:
		err = fmt.Errorf("a list has at most %d items", maxItems)
	case strings.HasSuffix(name, "split"):
		charge(t, len(s)/4)
	}
	if err != nil {
		return nil, err
	}
	return starlark.Call(t, f, args, kwargs)
}
