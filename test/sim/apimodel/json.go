package apimodel

import (
	"maps"
	"slices"
)

// copyJSON copies what JSON can say, with all whole numbers as int64, as the API server's decoder has them.
func copyJSON(value any) (any, error) {
	switch v := value.(type) {
	case map[string]any:
		return copyMap(v)
	case []any:
		copied := make([]any, len(v))
		for i, element := range v {
			c, err := copyJSON(element)
			if err != nil {
				return nil, err
			}
			copied[i] = c
		}
		return copied, nil
	case int:
		return int64(v), nil
	case int32:
		return int64(v), nil
	case string, bool, int64, float64:
		return v, nil
	default:
		return nil, notModelled("a %T in an unstructured object", value)
	}
}

func copyMap(object map[string]any) (map[string]any, error) {
	copied := make(map[string]any, len(object))
	for name, value := range object {
		c, err := copyJSON(value)
		if err != nil {
			return nil, err
		}
		copied[name] = c
	}
	return copied, nil
}

// equalJSON compares what copyJSON made.
func equalJSON(a, b any) bool {
	switch x := a.(type) {
	case map[string]any:
		y, ok := b.(map[string]any)
		return ok && maps.EqualFunc(x, y, equalJSON)
	case []any:
		y, ok := b.([]any)
		return ok && slices.EqualFunc(x, y, equalJSON)
	default:
		return a == b
	}
}

// hasNull says whether there is a null in a value, which typed clients send for the zero time.
func hasNull(value any) bool {
	switch v := value.(type) {
	case nil:
		return true
	case map[string]any:
		for _, element := range v {
			if hasNull(element) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, hasNull)
	}
	return false
}

// mergeJSON applies a JSON merge patch (RFC 7386) to an object and leaves both as they are.
func mergeJSON(object, patch map[string]any) map[string]any {
	merged := maps.Clone(object)
	if merged == nil {
		merged = map[string]any{}
	}
	for name, value := range patch {
		if value == nil {
			delete(merged, name)
			continue
		}
		if inner, ok := value.(map[string]any); ok {
			old, _ := merged[name].(map[string]any)
			value = mergeJSON(old, inner)
		}
		merged[name] = value
	}
	return merged
}
