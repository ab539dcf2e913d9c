package decisionlog_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// longest is how many characters a field that a client chooses may have.
var longest = map[string]int{"host": 255, "method": 32, "path": 2048, "request_id": 128, "client": 45}

// checkLine says what is wrong with the text of one line.
func checkLine(text string) error {
	line, ended := strings.CutSuffix(text, "\n")
	if !ended || !utf8.ValidString(line) || strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return fmt.Errorf("it is not one line of visible characters")
	}
	seen := map[string]bool{}
	decoder := json.NewDecoder(strings.NewReader(line))
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return fmt.Errorf("it begins with %v: %w", token, err)
	}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return err
		}
		value, err := decoder.Token()
		if err != nil {
			return err
		}
		if err := checkField(name.(string), value, seen); err != nil {
			return err
		}
	}
	for name, always := range known {
		if always && !seen[name] {
			return fmt.Errorf("there is no %s", name)
		}
	}
	if _, err := decoder.Token(); err != nil || decoder.More() {
		return fmt.Errorf("the object does not end the line: %w", err)
	}
	return nil
}

func checkField(name string, value any, seen map[string]bool) error {
	if _, ok := known[name]; !ok || seen[name] {
		return fmt.Errorf("the field %q is unknown, or there twice", name)
	}
	seen[name] = true
	text, isText := value.(string)
	if limit, limited := longest[name]; limited && (!isText || utf8.RuneCountInString(text) > limit) {
		return fmt.Errorf("%s is %v, longer than %d", name, value, limit)
	}
	if name == "path" && strings.ContainsAny(text, "?#") {
		return fmt.Errorf("the path %q has a query", text)
	}
	return nil
}
