package apimodel

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// codec turns values of one Go type into JSON content as runtime.DefaultUnstructuredConverter does, and
// into what a client would read back. It is worked out once per type, and a status takes a fraction of the
// time; a test holds it to that converter.
type codec struct {
	// content is the JSON of a value.
	content func(reflect.Value) any

	// normalize makes a value what it is after a round trip: times lose their fractions. Nil where
	// nothing can change.
	normalize func(reflect.Value)
}

var (
	timeType     = reflect.TypeFor[metav1.Time]()
	durationType = reflect.TypeFor[metav1.Duration]()
)

// codecOf panics for a type that the API does not use, so that it is noticed at once.
func codecOf(t reflect.Type) codec {
	switch t {
	case timeType:
		return codec{content: timeValue, normalize: truncateTime}
	case durationType:
		return codec{content: func(v reflect.Value) any { return v.Addr().Interface().(*metav1.Duration).Duration.String() }} //nolint:forcetypeassert // the type was just compared
	}
	switch t.Kind() {
	case reflect.String:
		return codec{content: func(v reflect.Value) any { return v.String() }}
	case reflect.Bool:
		return codec{content: func(v reflect.Value) any { return v.Bool() }}
	case reflect.Int, reflect.Int32, reflect.Int64:
		return codec{content: func(v reflect.Value) any { return v.Int() }}
	case reflect.Pointer:
		return pointerCodec(codecOf(t.Elem()))
	case reflect.Slice:
		return sliceCodec(codecOf(t.Elem()))
	case reflect.Map:
		return mapCodec(t)
	case reflect.Struct:
		return structCodec(t)
	default:
		panic(fmt.Sprintf("apimodel: no rule for fields of type %s", t))
	}
}

func timeValue(v reflect.Value) any {
	t := v.Addr().Interface().(*metav1.Time) //nolint:forcetypeassert // codecOf compared the type
	if t.IsZero() {
		return nil
	}
	return timeContent(*t)
}

func truncateTime(v reflect.Value) {
	t := v.Addr().Interface().(*metav1.Time) //nolint:forcetypeassert // codecOf compared the type
	if !t.IsZero() {
		t.Time = t.Truncate(time.Second).Local()
	}
}

func pointerCodec(element codec) codec {
	c := codec{content: func(v reflect.Value) any {
		if v.IsNil() {
			return nil
		}
		return element.content(v.Elem())
	}}
	if element.normalize != nil {
		c.normalize = func(v reflect.Value) {
			if !v.IsNil() {
				element.normalize(v.Elem())
			}
		}
	}
	return c
}

func sliceCodec(element codec) codec {
	c := codec{content: func(v reflect.Value) any {
		if v.IsNil() {
			return nil
		}
		content := make([]any, v.Len())
		for i := range content {
			content[i] = element.content(v.Index(i))
		}
		return content
	}}
	if element.normalize != nil {
		c.normalize = func(v reflect.Value) {
			for i := range v.Len() {
				element.normalize(v.Index(i))
			}
		}
	}
	return c
}

func mapCodec(t reflect.Type) codec {
	element := codecOf(t.Elem())
	if t.Key().Kind() != reflect.String || element.normalize != nil {
		panic(fmt.Sprintf("apimodel: no rule for fields of type %s", t))
	}
	return codec{content: func(v reflect.Value) any {
		if v.IsNil() {
			return nil
		}
		content := make(map[string]any, v.Len())
		for entries := v.MapRange(); entries.Next(); {
			content[entries.Key().String()] = element.content(entries.Value())
		}
		return content
	}}
}

// fieldCodec is a field of a struct.
type fieldCodec struct {
	codec

	index     int
	name      string
	omitEmpty bool
	omitZero  bool
}

func structCodec(t reflect.Type) codec {
	fields := make([]fieldCodec, 0, t.NumField())
	for i := range t.NumField() {
		tag := t.Field(i).Tag.Get("json")
		name, options, _ := strings.Cut(tag, ",")
		if name == "" || name == "-" {
			panic(fmt.Sprintf("apimodel: no rule for field %s of %s", t.Field(i).Name, t))
		}
		fields = append(fields, fieldCodec{
			codec: codecOf(t.Field(i).Type), index: i, name: name,
			omitEmpty: strings.Contains(options, "omitempty"), omitZero: strings.Contains(options, "omitzero"),
		})
	}
	return codec{
		content: func(v reflect.Value) any {
			content := make(map[string]any, len(fields))
			for i := range fields {
				f := &fields[i]
				if value := v.Field(f.index); !f.omits(value) {
					content[f.name] = f.content(value)
				}
			}
			return content
		},
		normalize: func(v reflect.Value) {
			for i := range fields {
				f := &fields[i]
				value := v.Field(f.index)
				if f.omits(value) {
					value.SetZero() // an empty list reads back as none
				} else if f.normalize != nil {
					f.normalize(value)
				}
			}
		},
	}
}

// omits says whether a value of the field is left out, as encoding/json has it.
func (f *fieldCodec) omits(v reflect.Value) bool {
	if f.omitZero && v.IsZero() {
		return true
	}
	if !f.omitEmpty {
		return false
	}
	switch v.Kind() {
	case reflect.Slice, reflect.Map:
		return v.Len() == 0
	case reflect.Struct:
		return false
	default:
		return v.IsZero()
	}
}
