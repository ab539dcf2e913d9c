package monitoring

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/prometheus/common/model"

	"github.com/apikey-operator/apikey-operator/test/monitoring/dashboard"
	"github.com/apikey-operator/apikey-operator/test/monitoring/picture"
)

// pictured is how long something happens before the dashboard is drawn.
const pictured = 5 * time.Minute

// draw lets the requests go on while keys are rotated and ApiKeys come, and draws what Prometheus knows then.
func (w *world) draw(t *testing.T, board *dashboard.Dashboard, path string) {
	t.Helper()
	for n := 3; time.Since(w.began) < pictured; n++ {
		pause(t.Context(), 8*time.Second)
		name := []string{"billing-sync", "invoice-batch", "monitor"}[n%3]
		w.kubectl(t, "", "patch", "apikey", name, "--namespace=phoenix", "--type=merge", "-p", fmt.Sprintf(`{"spec":{"revision":%d}}`, n))
		w.awaitRotation(t, name)
		if n%2 == 0 {
			w.kubectl(t, apiKey("phoenix", fmt.Sprintf("batch-%d", n), `{permissions: [read]}`), "apply", "-f", "-")
		}
		if n == 9 {
			w.kubectl(t, "", "delete", "secret", "status-page", "--namespace=phoenix")
			w.awaitRotation(t, "status-page")
		}
	}
	now := time.Now()
	answers := make(picture.Answers, len(board.Panels))
	for i, panel := range board.Panels {
		answers[i] = make([]model.Value, len(panel.Targets))
		for j, target := range panel.Targets {
			var err error
			answers[i][j], err = w.look(t.Context(), target, now)
			must(t, err)
		}
	}
	file, err := os.Create(path)
	must(t, err)
	must(t, picture.Draw(file, board, answers, w.began, now))
	must(t, file.Close())
}
