{{- define "gvList" -}}
<!-- Written by "make generate" from api/v1alpha1 and hack/reference. Change it there. -->
# API reference

What the fields of ApiKeys and ApiKeyPolicies mean, and what the API server lets stand in them. How to use them is told in
[lifecycle.md](../lifecycle.md) and [policies.md](../policies.md); `kubectl explain apikey.spec --recursive` shows the same on
a cluster that has the definitions.

**Schema** names what the API server itself checks: whether a field is required, its default where one is stored, and its bounds;
lengths are in characters. **Rules** are the messages of its CEL rules, in the words that whoever breaks one is answered. A
rule that names what may not change, be lowered or unset compares with what was stored before. Times are RFC 3339, such as
`2027-01-10T23:59:59Z`; durations are whole hours, minutes and seconds in that order, such as `1h30m`.
{{ range . }}{{ template "gvDetails" . }}{{ end }}
{{ end -}}
