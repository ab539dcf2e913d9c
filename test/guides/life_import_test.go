package guides

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apikey-operator/apikey-operator/test/stack"
)

// exportedTable is a table as the guide exports it: two keys that can be imported, and two rows that are as bad as it shows.
type exportedTable struct {
	rows          [][]string
	first, second string
}

func newExportedTable() exportedTable {
	e := exportedTable{first: "crm_live_K3y" + rand.Text(), second: "old key, with blanks: " + rand.Text()}
	e.rows = [][]string{
		{"name", "key_hash", "key_prefix", "display_name", "owner", "customer_since", "tenant", "permissions", "expires_at"},
		{"crm-17", hashOf(e.first), e.first[:16], `Acme "nightly", sync`, "it@acme.example", "2019", "acme", "{customers:view,customers:write}", ""},
		{"crm-18", `\x` + strings.ToUpper(hashOf(e.second)), "", "}, injected: {", "", "2021", "globex", "customers:view", ""},
		{"crm-19", "$2b$12$KIXQ4r8e9yBzY3u5c0aTnO", "crm_live_x", "", "", "2020", "acme", "customers:view", ""},
		{"crm-20", hashOf(e.first), "", "", "", "2020", "acme", "customers:view", ""},
	}
	return e
}

func hashOf(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}

// write writes the table as CSV.
func (e exportedTable) write(t *testing.T, path string) {
	t.Helper()
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(csv.NewWriter(file).WriteAll(e.rows), file.Close()); err != nil {
		t.Fatal(err)
	}
}

// readTable reads CSV.
func readTable(t *testing.T, path string) [][]string {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// importerIn makes the import's script runnable in a directory, under the name that the guide gives it.
func importerIn(t *testing.T, l *lab, dir string) {
	t.Helper()
	script := filepath.Join(l.Root(), "docs", "examples", "import", "apikeys_from_csv.py")
	if err := os.Symlink(script, filepath.Join(dir, filepath.Base(script))); err != nil {
		t.Fatal(err)
	}
}

// followImport moves keys over from a table of hashes, and sends requests with the keys that their holders have.
func followImport(t *testing.T, l *lab) {
	g := readGuide(t, "guides/importing-keys.md")
	l.apply(t, g.block(t, "yaml", "policy").text)
	dir, table := t.TempDir(), newExportedTable()
	importerIn(t, l, dir)
	table.write(t, filepath.Join(dir, "keys.csv"))
	proxy := l.nginx(t, "import", stack.Route{Path: "/", Requirement: "permission=customers:view"})
	c := l.newConsole(t, proxy, map[string]string{"KEY": table.first})

	convert := g.block(t, "console", "convert")
	printed, err := c.run(t, "cd '"+dir+"'\n"+convert.script())
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 3 {
		t.Fatalf("with rows that are rejected the script ends with %v, want the status 3:\n%s", err, printed)
	}
	convert.mustShow(t, printed)
	expectRejected(t, table, readTable(t, filepath.Join(dir, "rejected.csv")))

	c.play(t, dir, g.block(t, "console", "apply"))
	c.play(t, dir, g.block(t, "console", "verify"))
	for key, want := range map[string][2]string{table.first: {"crm-17", "acme"}, table.second: {"crm-18", "globex"}} {
		status, echo := sendKey(t, proxy, "/customers", key)
		if name, tenant := echo.Headers.Get("X-Apikey-Name"), echo.Headers.Get("X-Apikey-Tenant"); status != http.StatusOK || name != want[0] || tenant != want[1] {
			t.Errorf("a key of the table is answered %d as %s of %s, want 200 as %v", status, name, tenant, want)
		}
	}
	if hint := l.kubectl(t, "get", "apikey", "crm-17", "-n", "old-crm", "-o", "jsonpath={.status.hint}"); hint != "crm_live_K3y…" {
		t.Errorf("the hint is %s", hint)
	}
	if name := l.kubectl(t, "get", "apikey", "crm-18", "-n", "old-crm", "-o", "jsonpath={.spec.displayName}"); name != table.rows[2][3] {
		t.Errorf("the display name is %s, want it as it stands in the table", name)
	}

	l.apply(t, dated(g.block(t, "yaml", "replacement").text))
	replacement := l.key(t, "partners", "acme-sync")
	c.play(t, dir, g.block(t, "console", "suspend"))
	expectAnswer(t, l.verifier, table.first, "the suspended old key", answer{http.StatusUnauthorized, "suspended"})
	expectAnswer(t, l.verifier, replacement, "its replacement", allowed)
}

// expectRejected looks that rejected rows were kept as they came, with what is wrong with them.
func expectRejected(t *testing.T, table exportedTable, rejected [][]string) {
	t.Helper()
	var got []string
	for _, row := range rejected {
		got = append(got, strings.Join(row, "|"))
	}
	header, third, fourth := table.rows[0], table.rows[3], table.rows[4]
	want := []string{
		strings.Join(header, "|") + "|import_line|import_problem",
		strings.Join(third, "|") + "|4|key_hash is no SHA-256 in hexadecimal but bcrypt",
		strings.Join(fourth, "|") + "|5|has the same key_hash as line 2",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("the rejected rows are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestTheImportRejectsWhatCannotBecomeAnApiKey, and tells neither keys nor hashes while it does.
func TestTheImportRejectsWhatCannotBecomeAnApiKey(t *testing.T) {
	t.Parallel()
	const key = "some-old-key-of-no-account"
	good := hashOf(key)
	cases := map[string]struct {
		columns, row string
		wantProblem  string
	}{
		"a name that none can have":           {"name,key_hash", "Acme Sync," + good, "name must be"},
		"no name":                             {"name,key_hash", "," + good, "name must be"},
		"a key in the place of its hash":      {"name,key_hash", "a," + key, "key_hash is not 64 hexadecimal digits"},
		"an MD5":                              {"name,key_hash", "a," + good[:32], "as long as an MD5"},
		"a SHA-512":                           {"name,key_hash", "a," + good + good, "as long as a SHA-512"},
		"base64":                              {"name,key_hash", "a,n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=", "base64"},
		"Argon2":                              {"name,key_hash", "a,$argon2id$v=19$m=65536$c2FsdA$aGFzaA", "Argon2"},
		"the hash of nothing":                 {"name,key_hash", "a," + hashOf(""), "the SHA-256 of nothing"},
		"a prefix that is the whole key":      {"name,key_hash,key_prefix", "a," + good + "," + key, "key_prefix holds the whole key"},
		"a prefix with a line break":          {"name,key_hash,key_prefix", "a," + good + ",\"x\ny\"", "key_prefix holds control characters"},
		"an owner with a line break":          {"name,key_hash,owner", "a," + good + ",\"x\ny\"", "owner is longer"},
		"a tenant that none can be":           {"name,key_hash,tenant", "a," + good + ",Acme & Sons", "tenant must be"},
		"a permission that none can be":       {"name,key_hash,permissions", "a," + good + ",*:read", "permissions must be"},
		"an end that has passed":              {"name,key_hash,expires_at", "a," + good + ",2020-01-01T00:00:00Z", "expires_at has passed"},
		"an end without a time zone":          {"name,key_hash,expires_at", "a," + good + ",2099-01-01 00:00:00", "expires_at has no time zone"},
		"an end that is none":                 {"name,key_hash,expires_at", "a," + good + ",soon", "expires_at is no time"},
		"more columns than the header":        {"name,key_hash", "a," + good + ",x", "another number of columns"},
		"fewer columns than the header":       {"name,key_hash,tenant", "a," + good, "another number of columns"},
		"a row that was rejected before":      {"name,key_hash,import_line,import_problem", "a," + good + ",7,wrong", "wrong"},
		"the name of another row, next to it": {"name,key_hash", "a," + hashOf("other") + "\na," + good, "has the same name as line 2"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rejected := filepath.Join(t.TempDir(), "rejected.csv")
			importer := exec.CommandContext(t.Context(), "python3", "../../docs/examples/import/apikeys_from_csv.py", "--namespace", "crm", "--rejected", rejected)
			importer.Stdin = strings.NewReader(c.columns + "\n" + c.row + "\n")
			var stdout, stderr strings.Builder
			importer.Stdout, importer.Stderr = &stdout, &stderr
			var exit *exec.ExitError
			if err := importer.Run(); !errors.As(err, &exit) || exit.ExitCode() != 3 {
				t.Fatalf("it ended with %v, want the status 3: %s", err, &stderr)
			}
			if !strings.Contains(stderr.String(), c.wantProblem) || !strings.Contains(stderr.String(), "1 rows rejected") {
				t.Errorf("it says %q, want %q, of one row", &stderr, c.wantProblem)
			}
			for _, secret := range []string{key, good} {
				if strings.Contains(stderr.String()+stdout.String(), secret) {
					t.Errorf("it tells a key or hash of a row that it rejects:\n%s%s", &stderr, &stdout)
				}
			}
			if kept, err := os.ReadFile(rejected); err != nil || !strings.Contains(string(kept), c.wantProblem) {
				t.Errorf("the row is not kept (%v):\n%s", err, kept)
			}
		})
	}
}
