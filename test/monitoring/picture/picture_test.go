package picture_test

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"

	"github.com/apikey-operator/apikey-operator/test/monitoring/dashboard"
	"github.com/apikey-operator/apikey-operator/test/monitoring/picture"
)

var noon = time.Date(2027, 1, 10, 12, 0, 0, 0, time.UTC)

// answer is something for any query: two series that rise and fall, with a gap, or two values.
func answer(target dashboard.Target, n int) model.Value {
	first := model.Metric{"namespace": "phoenix", "name": "monitor", "state": "Active", "reason": "allowed", "instance": "a"}
	second := model.Metric{"namespace": "phoenix", "name": "a<b&c", "state": "Denied", "reason": "unknown_key", "instance": "b"}
	if target.Instant {
		return model.Vector{{Metric: first, Value: 90_061, Timestamp: model.TimeFromUnix(noon.Unix())}, {Metric: second, Value: 3e6}}
	}
	var matrix model.Matrix
	for i, labels := range []model.Metric{first, second} {
		stream := &model.SampleStream{Metric: labels}
		for s := range 60 {
			v := float64(n+1) * (1 + math.Sin(float64(s+10*i)/9))
			if s == 30 {
				v = math.NaN()
			}
			stream.Values = append(stream.Values, model.SamplePair{Timestamp: model.TimeFromUnix(noon.Unix() + int64(5*s)), Value: model.SampleValue(v)})
		}
		matrix = append(matrix, stream)
	}
	return matrix
}

func TestEveryPanelOfTheDashboardIsDrawnAsSoundXML(t *testing.T) {
	board, err := dashboard.Read("../../../charts/apikey-operator/files/dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var answers picture.Answers
	for _, panel := range board.Panels {
		var all []model.Value
		for n, target := range panel.Targets {
			all = append(all, answer(target, n))
		}
		answers = append(answers, all)
	}
	var out strings.Builder
	if err := picture.Draw(&out, board, answers, noon, noon.Add(5*time.Minute)); err != nil {
		t.Fatal(err)
	}
	if path := os.Getenv("PICTURE"); path != "" { // for those who want to see it
		if err := os.WriteFile(path, []byte(out.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	texts := textsOf(t, out.String())
	for _, panel := range board.Panels {
		if !strings.Contains(texts, panel.Title) {
			t.Errorf("the panel %q is not in it", panel.Title)
		}
	}
	for _, want := range []string{"a<b&c", "unknown_key", "1 day, 1 hour", "12:03"} {
		if !strings.Contains(texts, want) {
			t.Errorf("%q is not in it", want)
		}
	}
	if strings.Contains(out.String(), "NaN") {
		t.Error("there is a NaN in it")
	}
}

// textsOf are all texts of an XML document.
func textsOf(t *testing.T, document string) string {
	t.Helper()
	var texts strings.Builder
	decoder := xml.NewDecoder(strings.NewReader(document))
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return texts.String()
		}
		if err != nil {
			t.Fatal(err)
		}
		if text, ok := token.(xml.CharData); ok {
			texts.Write(text)
		}
	}
}

func TestAPanelOfAnotherKindIsAnError(t *testing.T) {
	board := &dashboard.Dashboard{Panels: []dashboard.Panel{{Type: "heatmap", Title: "Warm"}}}
	if err := picture.Draw(io.Discard, board, picture.Answers{nil}, noon, noon.Add(time.Minute)); err == nil || !strings.Contains(err.Error(), "heatmap") {
		t.Errorf("err = %v, want the kind named", err)
	}
}
