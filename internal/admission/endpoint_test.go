package admission_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/apikey-operator/apikey-operator/internal/admission"
)

func TestWhatIsNotDecidedFailsTheCall(t *testing.T) {
	const path = admission.ValidateApiKeyPath
	cases := map[string]struct {
		desk desk
		body string
	}{
		"no JSON":               {desk{}, `nonsense`},
		"an object of no kind":  {desk{}, review(t, create(`"text"`))},
		"a handler that panics": {desk{cached: judge{panics: true}}, review(t, create(apiKey(wise)))},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			d := c.desk.open()
			w := d.post(t, path, c.body)
			equal(t, "the status", w.Code, http.StatusInternalServerError)
			equal(t, "the text", w.Body.String(), "the manager could not look at this at present: try again")
			if diff := cmp.Diff(map[string]int{"failed": 1}, d.answers(t, path)); diff != "" {
				t.Errorf("the count differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAnAnswerIsGivenUpBeforeTheAPIServerGivesUpWaiting(t *testing.T) {
	d := agreed(admitted())
	begin := time.Now()
	d.ask(t, admission.ValidateApiKeyPath, create(apiKey(wise)))
	if given := d.cached.deadline.Sub(begin); given < 5*time.Second || given >= 8*time.Second {
		t.Errorf("of 8s the handler has %s", given)
	}
}
