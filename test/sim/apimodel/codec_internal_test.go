package apimodel

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"pgregory.net/rapid"

	"github.com/apikey-operator/apikey-operator/api/v1alpha1"
)

func TestContentIsWhatTheGeneralConverterMakes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := &v1alpha1.ApiKey{}
		fillRandomly(t, reflect.ValueOf(&key.Spec).Elem())
		fillRandomly(t, reflect.ValueOf(&key.Status).Elem())
		compareContent(t, &key.Spec, specCodec.content(reflect.ValueOf(&key.Spec).Elem()))
		compareContent(t, &key.Status, statusCodec.content(reflect.ValueOf(&key.Status).Elem()))
	})
}

func compareContent(t *rapid.T, value, got any) {
	want, err := runtime.DefaultUnstructuredConverter.ToUnstructured(value)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(any(want), got); diff != "" {
		t.Errorf("content of %T (-converter +codec):\n%s", value, diff)
	}
}

func TestAStatusReadsBackAsTheGeneralConverterReadsIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		status := &v1alpha1.ApiKeyStatus{}
		fillRandomly(t, reflect.ValueOf(status).Elem())
		sent := statusOf(status)
		want := &v1alpha1.ApiKeyStatus{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(sent.content, want); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, sent.typed); diff != "" {
			t.Errorf("a status after a round trip (-converter +codec):\n%s", diff)
		}
	})
}

func TestMetadataIsWhatTheGeneralConverterMakes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		meta := &metav1.ObjectMeta{}
		fillRandomly(t, reflect.ValueOf(meta).Elem())
		meta.Name, meta.Namespace, meta.UID, meta.ResourceVersion = "name", "namespace", "uid", "17"
		meta.CreationTimestamp = metav1.Now()
		for _, notModelled := range []string{"GenerateName", "SelfLink", "ManagedFields"} {
			reflect.ValueOf(meta).Elem().FieldByName(notModelled).SetZero()
		}
		compareContent(t, meta, metaContent(meta))
	})
}

// fillRandomly sets each field to something, or leaves it; what it has no rule for it refuses, so that a new
// field is not forgotten.
func fillRandomly(t *rapid.T, v reflect.Value) {
	switch value := v.Addr().Interface().(type) {
	case *metav1.Time:
		// Never zero: that would be null, which is refused.
		value.Time = time.Unix(rapid.Int64Range(1, 1<<32).Draw(t, "seconds"), rapid.Int64Range(0, 999999999).Draw(t, "nanoseconds"))
		return
	case *metav1.Duration:
		value.Duration = time.Duration(rapid.Int64Range(0, 1<<50).Draw(t, "duration"))
		return
	case *[]metav1.ManagedFieldsEntry:
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(rapid.SampledFrom([]string{"", "a", "ak_a1b2…"}).Draw(t, "text"))
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, "flag"))
	case reflect.Int32, reflect.Int64:
		v.SetInt(rapid.Int64Range(-1, 3).Draw(t, "number"))
	case reflect.Pointer:
		if rapid.Bool().Draw(t, "is set") {
			v.Set(reflect.New(v.Type().Elem()))
			fillRandomly(t, v.Elem())
		}
	case reflect.Slice:
		if length := rapid.IntRange(-1, 2).Draw(t, "length"); length >= 0 {
			v.Set(reflect.MakeSlice(v.Type(), length, length))
			for i := range length {
				fillRandomly(t, v.Index(i))
			}
		}
	case reflect.Map:
		if length := rapid.IntRange(-1, 2).Draw(t, "length"); length >= 0 {
			v.Set(reflect.MakeMap(v.Type()))
			for i := range length {
				element := reflect.New(v.Type().Elem()).Elem()
				fillRandomly(t, element)
				v.SetMapIndex(reflect.ValueOf(fmt.Sprint("key-", i)).Convert(v.Type().Key()), element)
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fillRandomly(t, v.Field(i))
		}
	default:
		t.Fatalf("there is no rule to fill a %s", v.Type())
	}
}
