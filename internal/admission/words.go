package admission

import (
	"fmt"
	"net/http"
	"strings"
	"unicode"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

// The bounds on what is told. A message of a refusal may be as long as that of a condition. The API server cuts
// warnings to 256 characters once they have 4096 together, and drops one that holds a control character.
const (
	mostOfMessage = 1024
	mostOfWarning = 256
	mostWarnings  = 4096 / mostOfWarning
)

// finding is one thing that stands against a request.
type finding struct {
	code, text string
	byPolicy   bool
}

// String is the finding as it is told.
func (f finding) String() string { return f.code + ": " + f.text }

// allow accepts a request, with warnings.
func allow(warnings ...string) admission.Response {
	if more := len(warnings) - mostWarnings + 1; more > 1 {
		warnings = append(warnings[:mostWarnings-1:mostWarnings-1], fmt.Sprintf("and %d more warnings", more))
	}
	response := admission.Allowed("")
	for _, warning := range warnings {
		response.Warnings = append(response.Warnings, plain(warning, mostOfWarning))
	}
	return response
}

// refuse tells all that stands against a request, a line each: as forbidden where policy has anything against it, else as
// invalid.
func refuse(findings ...finding) admission.Response {
	status := metav1.Status{Status: metav1.StatusFailure, Code: http.StatusUnprocessableEntity, Reason: metav1.StatusReasonInvalid}
	var lines []string
	for _, f := range findings {
		lines = append(lines, plain(f.String(), mostOfMessage))
		if f.byPolicy {
			status.Code, status.Reason = http.StatusForbidden, metav1.StatusReasonForbidden
		}
	}
	status.Message = strings.Join(lines, "\n")
	return admission.Response{AdmissionResponse: admissionv1.AdmissionResponse{Result: &status}}
}

// plain is a text on one line of at most so many characters, without any that do not show: parts of it come from whoever
// sent the request.
func plain(text string, most int) string {
	visible := []rune(strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, text))
	if len(visible) > most {
		visible = append(visible[:most-1], '…')
	}
	return string(visible)
}
