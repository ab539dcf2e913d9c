package apikey

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// sanitizedError is an API server's refusal of a Secret without the key in its text: an admission
// webhook may quote what it refuses, whole, in part or encoded.
type sanitizedError struct {
	text  string
	cause error
}

// Error implements error.
func (e *sanitizedError) Error() string { return e.text }

// As lets callers classify the error without being able to print what it hides.
func (e *sanitizedError) As(target any) bool {
	status, ok := target.(*apierrors.APIStatus)
	return ok && errors.As(e.cause, status)
}

// sanitize keeps the API server's words, since they say what to do, unless any of the given keys is in them.
func sanitize(err error, values ...[]byte) error {
	text := err.Error()
	if slices.ContainsFunc(values, func(value []byte) bool { return quotes(text, value) }) {
		text = fmt.Sprintf("refused as %q, in words that quote the key and are left out here", apierrors.ReasonForError(err))
	}
	return &sanitizedError{text: "write the Secret: " + text, cause: err}
}

// quoted is how many characters of a key, or of an encoding of it, count as a quote of it.
const quoted = 8

// quotes says whether a text holds a piece of a key's random part as it is, in hexadecimal digits or in base64
// at any alignment. The first third of a key is left out, so that its prefix
// and what its hint shows may be said; what is left is too long to be guessed from.
func quotes(text string, value []byte) bool {
	secret := value[len(value)/3:]
	forms := []string{string(secret), hex.EncodeToString(secret), strings.ToUpper(hex.EncodeToString(secret))}
	for shift := range 3 {
		// The characters at the ends hold bits of what stands around it.
		encoded := base64.StdEncoding.EncodeToString(append(bytes.Repeat([]byte{0}, shift), secret...))
		inner := encoded[4 : len(encoded)-4]
		forms = append(forms, inner, strings.NewReplacer("+", "-", "/", "_").Replace(inner))
	}
	for _, form := range forms {
		for i := 0; i+quoted <= len(form); i++ {
			if strings.Contains(text, form[i:i+quoted]) {
				return true
			}
		}
	}
	return false
}
